#pragma once

#include <string>
#include <string_view>
#include <utility>

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
  std::string_view tail{};  // what stands for "{name}" in the route's path, still percent-encoded
  std::string input{};      // a JSON route's body
  std::string headers{};    // complete lines of the answer
  std::size_t common = std::string::npos;  // the headers up to here are every answer's: what a
                                           // handler adds goes with it when it fails
  std::string body{};                      // of an api route's answer
  UserId signed_in{};                      // by this very request
  bool token_given = false;  // an Authorization header came: the answer is for its sender alone

  void header(std::string_view name, std::string_view value) {
    headers.append(name).append(": ").append(value).append("\r\n");
  }
};

// The request as the caller's own, whoever it names. The second is for methods that do a thing and
// undo it.
template <class Req>
Req by_caller(const Call& call, Req req) {
  req.user_id = call.ctx.caller;
  return req;
}
template <class Req>
Req by_caller(const Call& call, Req req, bool action) {
  req.action = action;
  return by_caller(call, std::move(req));
}
// The request for something that belongs to somebody else, as the caller may see it.
template <class Req>
Req seen_by_caller(const Call& call, Req req) {
  req.current_user_id = call.ctx.caller;
  return req;
}

}  // namespace sv::gateway
