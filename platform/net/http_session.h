#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "platform/net/http_request.h"
#include "platform/net/http_server.h"
#include "platform/net/tls.h"

namespace sv::net {

class HttpSession;

// What the connections of one thread share. Touched on that thread only, except in_flight.
struct HttpWorker {
  HttpWorker(asio::any_io_executor e, const HttpLimits& l, const Handler& h, const ErrorBody& b,
             const TlsIdentity* t)
      : executor(std::move(e)), limits(l), handler(h), error_body(b), tls(t) {}

  asio::any_io_executor executor;
  const HttpLimits& limits;
  const Handler& handler;
  const ErrorBody& error_body;
  const TlsIdentity* const tls;  // null: connections are plain

  std::vector<HttpSession*> sessions;
  std::atomic<std::size_t> in_flight{0};
  bool draining = false;  // serve what has come, then close
  bool cut = false;       // grace is over

  static constexpr std::size_t kBodyBuffer = 64 * 1024;
  std::unique_ptr<char[]> take_buffer();
  void give_buffer(std::unique_ptr<char[]> buffer);
  std::string_view date_line();  // "Date: …\r\n", made once a second
  char* record();                // a TLS record's worth of bytes, for one call
  void tick();                   // closes what is overdue

 private:
  std::vector<std::unique_ptr<char[]>> spare_buffers_;
  std::unique_ptr<char[]> record_;
  std::string date_line_;
  std::int64_t date_second_ = -1;
};

// One connection: reads requests, calls the handler with itself as the Exchange, keeps alive or
// closes. Lives in its coroutine.
// Deadlines are a field that the thread's tick looks at, so a request costs no timer.
class HttpSession final : public Exchange {
 public:
  // `stop` stops the coroutine that runs it.
  HttpSession(HttpWorker& worker, asio::ip::tcp::socket socket, asio::cancellation_signal& stop);
  ~HttpSession() override;
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  Task<> run();
  Task<> refuse();  // 503: the server has its fill of connections
  void tick(std::chrono::steady_clock::time_point now);

  std::string_view method() const override { return parser_.head().method; }
  std::string_view path() const override { return parser_.head().path; }
  std::string_view query() const override { return parser_.head().query; }
  std::string_view header(std::string_view name) const override {
    return parser_.head().find(name);
  }
  std::string_view peer_address() const override;
  bool has_body() const override;
  std::optional<std::uint64_t> content_length() const override {
    return parser_.head().content_length;
  }
  Task<Result<std::span<const std::byte>>> read_some() override;
  Task<Result<std::string>> read_all(std::size_t limit) override;
  Task<Result<>> in_time(std::chrono::steady_clock::time_point deadline,
                         Task<Result<>> work) override;
  Task<Result<>> send(int status, std::string_view headers, std::string_view body) override;
  Task<Result<>> send(int status, std::string_view headers,
                      std::span<const std::string_view> pieces) override;
  Task<Result<>> begin(int status, std::string_view headers,
                       std::optional<std::uint64_t> length) override;
  Task<Result<>> write(std::span<const std::byte> bytes) override;
  Task<Result<>> finish() override;
  Task<Result<>> send_object(int status, std::string_view headers, ObjectReader& object,
                             std::uint64_t offset, std::uint64_t length) override;
  bool answered() const override { return status_ != 0; }
  int status() const override { return status_; }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }
  void close_after() override { keep_alive_ = false; }

 private:
  using Clock = std::chrono::steady_clock;

  Task<bool> read_head();
  Task<> handle();
  Task<bool> drain_body();
  Task<bool> secure();
  Task<Result<std::size_t>> receive(char* into, std::size_t size, Clock::time_point deadline);
  Task<Result<std::size_t>> receive_tls(char* into, std::size_t size, Clock::time_point deadline);
  Task<Result<>> wait_for(TlsConnection::Step step, Clock::time_point deadline);
  Task<Result<>> fill_body();
  void settle(Clock::duration waited, std::size_t received);
  Task<Result<std::span<const std::byte>>> break_off(int status, Error error);
  Task<> answer_error(int status);
  Task<> linger();
  Task<> yield();

  void build_head(int status, std::string_view headers, std::optional<std::uint64_t> length);
  Result<> may_answer() const;
  std::size_t send_now(std::span<iovec>& parts, int flags);  // drops what was sent from `parts`
  std::size_t send_now_tls(std::span<iovec>& parts);
  Task<Result<>> send_parts(std::span<iovec> parts, int flags = 0);
  Task<Result<>> wait_writable();
  Task<Result<>> send_head(int status, std::string_view headers,
                           std::optional<std::uint64_t> length, int flags);
  Task<Result<>> copy_object(ObjectReader& object, std::uint64_t offset, std::uint64_t length);
  Result<> object_ended();  // sooner than its size said

  HttpWorker& worker_;
  asio::ip::tcp::socket socket_;
  asio::cancellation_signal& stop_;
  std::unique_ptr<TlsConnection> tls_;  // null: plain
  std::size_t index_;                   // in worker_.sessions
  mutable std::string peer_;

  // Received bytes: the head stays in in_ while the handler runs; window_ is what follows it, in
  // in_ or in body_.
  std::vector<char> in_;
  std::size_t in_begin_ = 0, in_end_ = 0;
  std::unique_ptr<char[]> body_;
  std::string_view window_;
  RequestParser parser_;

  std::string head_;  // of the answer
  int status_ = 0;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  std::optional<std::uint64_t> remaining_;  // of a streamed answer with a known length
  bool chunked_ = false, finished_ = false;
  std::uint64_t unyielded_ = 0;  // bytes since others had a turn
  bool keep_alive_ = true;
  bool head_known_ = false;  // a request was parsed
  bool skips_body_ = false;  // HEAD, 204, 304: a body is counted, not sent
  bool broken_ = false;      // nothing more can be read or written
  bool sent_continue_ = false;
  bool lingers_ = false;  // bytes that nobody read may be in flight

  Clock::time_point deadline_ = Clock::time_point::max();       // of the socket
  Clock::time_point work_deadline_ = Clock::time_point::max();  // of the handler
  bool late_ = false;                                           // the handler was stopped
  Clock::time_point quiet_since_{};
  bool quiet_ = false;  // between requests, nothing received
  bool timed_out_ = false;
  Clock::duration body_credit_{};  // how much longer the client may keep us waiting for its body
};

}  // namespace sv::net
