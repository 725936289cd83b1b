#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::net {

struct HttpCall {
  std::string host = {};  // a name or an address
  std::string port = {};
  std::string method = "POST";
  std::string target = "/";
  std::string headers = {};  // complete lines, without Host, Content-Length and Connection
  std::string body = {};
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct HttpReply {
  int status = 0;
  std::string body;  // 16 MiB at most
};

// One request over plain HTTP/1.1, on a connection of its own: for engines that are asked now and
// then. Fails with `unavailable` when there is no whole answer, and `deadline_exceeded`. An answer
// of any status is a success.
Task<Result<HttpReply>> http_call(HttpCall call);

// The same for an answer without an end: `on_piece` is given what comes, until it returns false.
// An end of the answer is a success too.
Task<Result<int>> http_stream(HttpCall call, std::function<bool(std::string_view)> on_piece);

}  // namespace sv::net
