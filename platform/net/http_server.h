#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"
#include "platform/ports/object_store.h"

namespace sv::net {

struct HttpLimits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t header_fields = 100;
  std::chrono::milliseconds header_timeout{10'000};
  // A body's client has a credit of time: it starts at body_idle, what it lets us wait is taken,
  // each byte gives 1/body_rate s back, up to body_idle. Without credit it is answered 408.
  std::chrono::milliseconds body_idle{30'000};
  std::uint32_t body_rate = 1024;  // bytes a second; 0: any rate will do
  std::chrono::milliseconds keep_alive_idle{75'000};
  std::size_t connections = 20'000;
};

// One request and its answer (RFC 9112). Lives on its connection's thread; one caller at a time;
// valid until the handler returns.
// A handler must answer exactly once: send(), or begin() … write() … finish(). One that returns
// without is answered 500.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual std::string_view method() const = 0;  // "GET"
  virtual std::string_view path() const = 0;    // as sent, still percent-encoded, without the query
  virtual std::string_view query() const = 0;   // after '?', still encoded
  virtual std::string_view header(
      std::string_view name) const = 0;               // case-insensitive; empty when absent
  virtual std::string_view peer_address() const = 0;  // of the TCP peer, without port

  virtual bool has_body() const = 0;
  virtual std::optional<std::uint64_t> content_length() const = 0;  // nullopt: chunked or no body
  // Next piece of the body, valid until the next call; empty at the end. Errors: deadline_exceeded
  // (idle, or below the rate), rejected (bad chunk, cut connection); the server has then answered
  // 408 or 400 itself where it could, and a later send() fails with rejected. Sends 100 Continue
  // before the first read when the client asked for it.
  virtual Task<Result<std::span<const std::byte>>> read_some() = 0;
  // The whole body; payload_too_large beyond `limit`, also when only Content-Length says so.
  virtual Task<Result<std::string>> read_all(std::size_t limit) = 0;

  // The outcome of `work`, or deadline_exceeded when the deadline came first: what it awaited was
  // then stopped (operation_aborted), and it has ended. Looked at a few times a second.
  virtual Task<Result<>> in_time(std::chrono::steady_clock::time_point deadline,
                                 Task<Result<>> work) = 0;

  // `headers` are complete lines ("Content-Type: application/json\r\n"), without Content-Length,
  // Connection and Date, which the server writes. For HEAD the body is counted but not sent. One
  // system call for head and body.
  virtual Task<Result<>> send(int status, std::string_view headers, std::string_view body) = 0;
  // Several buffers as one body without joining them.
  virtual Task<Result<>> send(int status, std::string_view headers,
                              std::span<const std::string_view> pieces) = 0;
  // Streams: Content-Length when `length` is known, else chunked. On an error the connection is
  // closed.
  virtual Task<Result<>> begin(int status, std::string_view headers,
                               std::optional<std::uint64_t> length) = 0;
  virtual Task<Result<>> write(std::span<const std::byte> bytes) = 0;
  virtual Task<Result<>> finish() = 0;
  // begin() + bytes [offset, offset+length) of the object + finish(), by sendfile where the store
  // allows it.
  virtual Task<Result<>> send_object(int status, std::string_view headers, ObjectReader& object,
                                     std::uint64_t offset, std::uint64_t length) = 0;

  virtual bool answered() const = 0;            // the head has gone out
  virtual int status() const = 0;               // what was answered, 0 before
  virtual std::uint64_t bytes_in() const = 0;   // of the body
  virtual std::uint64_t bytes_out() const = 0;  // head and body
  virtual void close_after() = 0;               // Connection: close with this answer
};

// Called for every well-formed request. Malformed ones are answered by the server through
// `on_bad_request`, then closed.
using Handler = std::function<Task<>(Exchange&)>;
// Body (JSON) for an error the server finds itself: 400 bad framing, 408, 413, 431, 500 (a handler
// threw), 503 (too many connections).
using ErrorBody = std::function<std::string(int status)>;

class TlsIdentity;

// HTTP/1.1 on `threads` io_contexts, SO_REUSEPORT listeners, a connection stays on its thread. Port
// 0 picks one (port()).
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  // Binds before it returns; an error says which address and why.
  virtual Result<> start() = 0;
  virtual std::uint16_t port() const = 0;
  // Graceful: answers what was accepted or waits in the backlog, closes idle connections, waits ≤
  // `grace`, then cuts. Blocks.
  virtual void stop(std::chrono::milliseconds grace) = 0;
  virtual std::size_t connections() const = 0;
  virtual std::size_t in_flight() const = 0;
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  HttpLimits limits{};
  std::shared_ptr<const TlsIdentity> tls{};  // null: plain HTTP
  Supervisor* supervisor = nullptr;          // of the listeners' loops; null: one of its own
  std::string name = "http";                 // of these loops
};

// `executors`: one single-threaded io_context's executor per thread (app/ owns them and runs them).
std::unique_ptr<HttpServer> make_http_server(HttpServerOptions options,
                                             std::vector<asio::any_io_executor> executors,
                                             Handler handler, ErrorBody error_body);

}  // namespace sv::net
