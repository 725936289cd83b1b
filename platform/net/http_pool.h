#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::net {

struct HttpOrigin {
  std::string host = {};  // a name or an address, without brackets
  std::string port = {};
  bool tls = false;
  std::string authority = {};  // PEM file; empty: those of the system
  // As a Host header has it.
  std::string authority_form() const;
};

struct HttpAsk {
  std::string method = "GET";
  std::string target = "/";
  std::string headers = {};    // complete lines, without Content-Length and Connection
  std::string_view body = {};  // valid until the answer is there
  // Asked again when a connection that was kept ends before an answer: nothing is done twice by it.
  bool repeatable = true;
};

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};  // 64 MiB at most
  std::string_view header(std::string_view name) const;
};

struct HttpPoolOptions {
  std::chrono::milliseconds connect{2'000};
  std::chrono::milliseconds progress{5'000};  // for a piece of 256 KiB to go or come
  std::chrono::milliseconds answer{10'000};   // for the answer to begin
  std::size_t idle = 32;                      // connections kept
};

// HTTP/1.1 with one origin over connections that are kept, plain or TLS (names checked). All of it
// on the loop of `executor`, which has one thread, and while the pool lives.
class HttpPool {
 public:
  HttpPool(asio::any_io_executor executor, HttpOrigin origin, HttpPoolOptions options = {});
  ~HttpPool();
  HttpPool(const HttpPool&) = delete;
  HttpPool& operator=(const HttpPool&) = delete;

  // An answer of any status is a success. Errors: `unavailable`, whose detail says why.
  Task<Result<HttpAnswer>> call(const HttpAsk& ask);
  const HttpOrigin& origin() const { return origin_; }

 private:
  class Connection;
  template <class Stream>
  class Over;
  struct Tls;

  Task<Result<std::unique_ptr<Connection>>> connect();
  Result<> load_authorities();

  const asio::any_io_executor executor_;
  const HttpOrigin origin_;
  const HttpPoolOptions options_;
  std::unique_ptr<Tls> tls_;
  std::list<std::unique_ptr<Connection>> idle_;  // the latest used first
};

}  // namespace sv::net
