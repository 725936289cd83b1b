#pragma once

#include <string>
#include <string_view>

#include "platform/core/ctx.h"
#include "platform/net/http_server.h"

namespace sv::gateway {

struct Edge;
struct Route;

// One request on its way through the gateway. Lives in the frame of Gateway's coroutine.
struct Call {
  net::Exchange& x;
  Edge& edge;
  const Route* route = nullptr;
  Ctx ctx{};
  std::string_view tail{};   // what stands for "{name}" in the route's path, still percent-encoded
  std::string headers{};     // complete lines of the answer
  std::string body{};        // of an api route's answer
  bool token_given = false;  // an Authorization header came: the answer is for its sender alone

  void header(std::string_view name, std::string_view value) { headers.append(name).append(": ").append(value).append("\r\n"); }
};

}  // namespace sv::gateway
