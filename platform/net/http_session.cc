#include "platform/net/http_session.h"

#include <sys/socket.h>
#include <time.h>

#include <cstring>

#include <boost/asio/buffer.hpp>

#include "platform/core/log.h"
#include "platform/core/time.h"

namespace sv::net {
namespace {

constexpr std::size_t kFirstBuffer = 4 * 1024;
constexpr std::size_t kDrain = 256 * 1024;  // of a body that the handler left unread
constexpr auto kLinger = std::chrono::seconds(2);
constexpr auto kQuiet =
    std::chrono::seconds(1);  // a connection that says nothing for so long is closed while draining
// What the handler awaits has the same deadline, and says better what is missing when it ends
// first.
constexpr auto kLateness = std::chrono::milliseconds(100);
constexpr std::size_t kSpareBuffers = 16;
constexpr std::uint64_t kReadTurn =
    1024 * 1024;  // bytes from one client before other connections get a turn
constexpr std::string_view kSpeaksTls = "This port speaks TLS: use https://\n";
constexpr int kPipelined = 32;  // requests served before other connections get a turn

}  // namespace

std::unique_ptr<char[]> HttpWorker::take_buffer() {
  if (spare_buffers_.empty()) return std::unique_ptr<char[]>(new char[kBodyBuffer]);
  auto buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void HttpWorker::give_buffer(std::unique_ptr<char[]> buffer) {
  if (buffer && spare_buffers_.size() < kSpareBuffers) spare_buffers_.push_back(std::move(buffer));
}

std::string_view HttpWorker::date_line() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != date_second_) {
    date_second_ = now.tv_sec;
    date_line_ = "Date: " + format_http_date(std::int64_t{now.tv_sec} * 1000) + "\r\n";
  }
  return date_line_;
}

char* HttpWorker::record() {
  if (!record_) record_.reset(new char[TlsConnection::kRecord]);
  return record_.get();
}

void HttpWorker::tick() {
  auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < sessions.size(); ++i) sessions[i]->tick(now);
}

HttpSession::HttpSession(HttpWorker& worker, asio::ip::tcp::socket socket,
                         asio::cancellation_signal& stop)
    : worker_(worker),
      socket_(std::move(socket)),
      stop_(stop),
      index_(worker.sessions.size()),
      in_(kFirstBuffer),
      parser_(worker.limits.header_bytes, worker.limits.header_fields) {
  worker_.sessions.push_back(this);
  boost::system::error_code ec;
  socket_.native_non_blocking(true, ec);
  if (worker.tls) tls_ = worker.tls->accept(socket_.native_handle());
}

HttpSession::~HttpSession() {
  if (tls_ && !broken_) tls_->close();
  worker_.give_buffer(std::move(body_));
  HttpSession* last = worker_.sessions.back();
  worker_.sessions[index_] = last;
  last->index_ = index_;
  worker_.sessions.pop_back();
}

void HttpSession::tick(Clock::time_point now) {
  if (now - kLateness >= work_deadline_) {
    work_deadline_ = Clock::time_point::max();
    late_ = true;
    stop_.emit(asio::cancellation_type::terminal);
  }
  bool overdue = now >= deadline_ || (worker_.draining && quiet_ && now >= quiet_since_ + kQuiet);
  if (!overdue) return;
  timed_out_ = true;
  boost::system::error_code ec;
  socket_.cancel(ec);
}

std::string_view HttpSession::peer_address() const {
  if (peer_.empty()) {
    boost::system::error_code ec;
    auto address = socket_.remote_endpoint(ec).address();
    if (ec) return peer_;
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      peer_ = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    } else {
      peer_ = address.to_string();
    }
  }
  return peer_;
}

bool HttpSession::has_body() const {
  return parser_.head().chunked || parser_.head().content_length.value_or(0) > 0;
}

Task<> HttpSession::run() {
  peer_address();  // while the peer is surely there
  if (tls_ && !co_await secure()) co_return;
  for (int served = 1; co_await read_head(); ++served) {
    co_await handle();
    if (!keep_alive_ || broken_ || worker_.cut) break;
    if (served % kPipelined == 0) co_await yield();
  }
  if (lingers_) co_await linger();
}

Task<> HttpSession::refuse() {
  if (tls_ && !co_await secure()) co_return;
  co_await answer_error(503);
  co_await linger();
}

// The handshake, in the time that a request's head has. False: there is nobody to talk to.
Task<bool> HttpSession::secure() {
  const auto deadline = Clock::now() + worker_.limits.header_timeout;
  for (;;) {
    const auto step = tls_->handshake();
    if (step == TlsConnection::Step::done) co_return true;
    if (step == TlsConnection::Step::plain_http) {
      tls_.reset();
      keep_alive_ = false;
      if (co_await send(400, "Content-Type: text/plain; charset=utf-8\r\n", kSpeaksTls))
        co_await linger();
      co_return false;
    }
    if (step == TlsConnection::Step::failed || !co_await wait_for(step, deadline)) co_return false;
  }
}

Task<Result<std::size_t>> HttpSession::receive_tls(char* into, std::size_t size,
                                                   Clock::time_point deadline) {
  for (;;) {
    std::size_t got = 0;
    const auto step = tls_->read(into, size, got);
    if (step == TlsConnection::Step::failed) co_return fail(Errc::rejected, "connection_closed");
    if (step == TlsConnection::Step::done) {
      unyielded_ += got;
      if (unyielded_ > kReadTurn) co_await yield();
      co_return got;
    }
    SV_CO_CHECK(co_await wait_for(step, deadline));
  }
}

Task<Result<>> HttpSession::wait_for(TlsConnection::Step step, Clock::time_point deadline) {
  using Socket = asio::ip::tcp::socket;
  timed_out_ = false;
  deadline_ = deadline;
  auto [ec] = co_await socket_.async_wait(
      step == TlsConnection::Step::wants_read ? Socket::wait_read : Socket::wait_write, kNoThrow);
  deadline_ = Clock::time_point::max();
  unyielded_ = 0;
  if (!ec) co_return Result<>{};
  if (timed_out_ && ec == asio::error::operation_aborted)
    co_return fail(Errc::deadline_exceeded, "request_timeout");
  co_return fail(Errc::rejected, "connection_closed", ec.message());
}

Task<Result<std::size_t>> HttpSession::receive(char* into, std::size_t size,
                                               Clock::time_point deadline) {
  if (tls_) co_return co_await receive_tls(into, size, deadline);
  timed_out_ = false;
  deadline_ = deadline;
  auto [ec, n] = co_await socket_.async_read_some(asio::buffer(into, size), kNoThrow);
  deadline_ = Clock::time_point::max();
  if (!ec) co_return n;
  if (timed_out_ && ec == asio::error::operation_aborted)
    co_return fail(Errc::deadline_exceeded, "request_timeout");
  co_return fail(Errc::rejected, "connection_closed", ec.message());
}

// False: the connection is to be closed (an error has been answered).
Task<bool> HttpSession::read_head() {
  // What the previous request's reader left belongs to the next one.
  if (!window_.empty()) {
    if (window_.size() > in_.size()) in_.resize(window_.size());
    std::memmove(in_.data(), window_.data(), window_.size());
  }
  in_begin_ = 0;
  in_end_ = window_.size();
  window_ = {};
  worker_.give_buffer(std::move(body_));
  body_ = nullptr;
  if (in_end_ == 0 && in_.size() > worker_.limits.header_bytes + kFirstBuffer)
    in_ = std::vector<char>(kFirstBuffer);
  parser_.reset();
  head_known_ = false;
  status_ = 0;
  bytes_in_ = bytes_out_ = 0;

  bool first_ever = quiet_since_ == Clock::time_point{};
  auto now = Clock::now();
  quiet_since_ = now;
  auto header_deadline = now + worker_.limits.header_timeout;
  for (;;) {
    if (in_end_ > 0) {
      auto outcome = parser_.parse_head({in_.data(), in_end_});
      if (outcome == RequestParser::Outcome::ready) break;
      if (outcome != RequestParser::Outcome::need_more) {
        co_await answer_error(outcome == RequestParser::Outcome::too_large ? 431 : 400);
        co_return false;
      }
    }
    if (in_end_ == in_.size())
      in_.resize(std::min(in_.size() * 2, in_.size() + worker_.limits.header_bytes));
    quiet_ = in_end_ == 0;
    auto deadline = quiet_ && !first_ever ? now + worker_.limits.keep_alive_idle : header_deadline;
    auto got = co_await receive(in_.data() + in_end_, in_.size() - in_end_, deadline);
    if (!got && got.error().code == Errc::deadline_exceeded && quiet_) {
      // The request may have come while the deadline passed.
      std::size_t n = 0;
      if (tls_) (void)tls_->read(in_.data(), in_.size(), n);
      else
        n = static_cast<std::size_t>(std::max<ssize_t>(
            0, ::recv(socket_.native_handle(), in_.data(), in_.size(), MSG_DONTWAIT)));
      if (n > 0) got = n;
    }
    bool was_quiet = std::exchange(quiet_, false);
    if (!got) {
      if (got.error().code == Errc::deadline_exceeded && !was_quiet) co_await answer_error(408);
      co_return false;
    }
    if (was_quiet && !first_ever) header_deadline = Clock::now() + worker_.limits.header_timeout;
    in_end_ += *got;
  }
  head_known_ = true;
  window_ = std::string_view(in_.data(), in_end_).substr(parser_.head_bytes());
  keep_alive_ = parser_.head().keep_alive;
  sent_continue_ = false;
  finished_ = chunked_ = false;
  body_credit_ = worker_.limits.body_idle;
  remaining_.reset();
  co_return true;
}

Task<> HttpSession::handle() {
  struct InFlight {
    std::atomic<std::size_t>& count;
    explicit InFlight(std::atomic<std::size_t>& c) : count(c) { ++count; }
    ~InFlight() { --count; }
  } in_flight(worker_.in_flight);
  bool threw = false;
  try {
    co_await worker_.handler(*this);
  } catch (const std::exception& e) {
    threw = true;
    if (!worker_.cut && !broken_)
      log::error("http", "a handler threw", {{"path", path()}, {"error", e.what()}});
  }
  if (worker_.cut || broken_) {
    broken_ = true;
    co_return;
  }
  if (!answered()) {
    if (!threw) log::error("http", "a handler did not answer", {{"path", path()}});
    co_await answer_error(500);
    co_return;
  }
  if (!finished_) {  // the client must see that the answer is cut short
    broken_ = true;
    co_return;
  }
  if (!parser_.done() && !co_await drain_body()) {
    keep_alive_ = false;
    lingers_ = true;
  }
  if (!keep_alive_ && !window_.empty()) lingers_ = true;
}

// Reads on past what the handler left, a little, so that the connection can be kept.
Task<bool> HttpSession::drain_body() {
  if (!keep_alive_) co_return false;
  if (parser_.head().expects_continue && !sent_continue_)
    co_return false;  // the client may never send it
  std::size_t drained = 0;
  while (!parser_.done()) {
    if (window_.empty() && !co_await fill_body()) co_return false;
    auto piece = parser_.decode(window_);
    window_.remove_prefix(piece.consumed);
    drained += piece.consumed;
    if (piece.malformed || drained > kDrain) co_return false;
    if (piece.consumed == 0 && !parser_.done() && !co_await fill_body()) co_return false;
  }
  co_return true;
}

// Receives more of the body behind what is left in window_.
Task<Result<>> HttpSession::fill_body() {
  if (!body_) body_ = worker_.take_buffer();
  if (window_.size() >= HttpWorker::kBodyBuffer) co_return fail(Errc::rejected, "bad_chunk");
  std::size_t left = window_.size();
  if (left > 0) std::memmove(body_.get(), window_.data(), left);
  window_ = {body_.get(), left};
  const auto asked = Clock::now();
  auto got =
      co_await receive(body_.get() + left, HttpWorker::kBodyBuffer - left, asked + body_credit_);
  if (!got) co_return std::unexpected(std::move(got.error()));
  settle(Clock::now() - asked, *got);
  window_ = {body_.get(), left + *got};
  co_return Result<>{};
}

// The time that the handler takes between two reads is not the client's.
void HttpSession::settle(Clock::duration waited, std::size_t received) {
  const Clock::duration most = worker_.limits.body_idle;
  const std::uint64_t rate = worker_.limits.body_rate;
  body_credit_ =
      rate == 0 ? most
                : std::min(most, body_credit_ - waited +
                                     std::chrono::nanoseconds(received * 1'000'000'000 / rate));
}

// The body cannot be read to its end: the server answers, for the handler cannot know how, and
// closes.
Task<Result<std::span<const std::byte>>> HttpSession::break_off(int status, Error error) {
  if (!answered() && status != 0) {
    co_await answer_error(status);
    co_await linger();
  }
  broken_ = true;
  keep_alive_ = false;
  co_return std::unexpected(std::move(error));
}

Task<Result<std::span<const std::byte>>> HttpSession::read_some() {
  if (broken_) co_return fail(Errc::rejected, "connection_closed");
  if (worker_.cut) co_return fail(Errc::unavailable);
  while (!parser_.done()) {
    if (!window_.empty()) {
      auto piece = parser_.decode(window_);
      window_.remove_prefix(piece.consumed);
      if (piece.malformed)
        co_return co_await break_off(
            400, Error{.code = Errc::rejected, .token = "bad_chunk", .field = {}, .detail = {}});
      if (!piece.data.empty()) {
        bytes_in_ += piece.data.size();
        co_return std::as_bytes(std::span(piece.data));
      }
      if (parser_.done()) break;
    } else if (parser_.head().expects_continue && !std::exchange(sent_continue_, true)) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      iovec part{const_cast<char*>(kContinue.data()), kContinue.size()};
      if (!answered()) SV_CO_CHECK(co_await send_parts({&part, 1}));
    }
    auto filled = co_await fill_body();
    if (!filled) {
      int status = filled.error().code == Errc::deadline_exceeded ? 408
                   : filled.error().token == "bad_chunk"          ? 400
                                                                  : 0;
      co_return co_await break_off(status, std::move(filled.error()));
    }
  }
  co_return std::span<const std::byte>{};
}

Task<Result<std::string>> HttpSession::read_all(std::size_t limit) {
  std::uint64_t announced = content_length().value_or(0);
  if (announced > limit) co_return fail(Errc::payload_too_large);
  std::string body;
  // Memory follows what has really come, not what was announced.
  body.reserve(std::min<std::size_t>(announced, HttpWorker::kBodyBuffer));
  for (;;) {
    SV_CO_TRY(auto bytes, co_await read_some());
    if (bytes.empty()) co_return body;
    if (bytes.size() > limit - body.size()) co_return fail(Errc::payload_too_large);
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
}

Task<Result<>> HttpSession::in_time(Clock::time_point deadline, Task<Result<>> work) {
  Result<> done;
  std::exception_ptr error;
  work_deadline_ = deadline;
  try {
    done = co_await std::move(work);
  } catch (...) { error = std::current_exception(); }
  work_deadline_ = Clock::time_point::max();
  if (std::exchange(late_, false)) {
    // The coroutine goes on, unless the server stops it too.
    if (worker_.cut) throw boost::system::system_error(asio::error::operation_aborted);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    if (error) co_return fail(Errc::deadline_exceeded);
  }
  if (error) std::rethrow_exception(error);
  co_return done;
}

// Waits for the client to take the answer: closing with unread bytes would reset the connection and
// lose it.
Task<> HttpSession::linger() {
  lingers_ = false;
  if (broken_) co_return;
  boost::system::error_code ec;
  if (tls_) tls_->close();
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ec);
  auto buffer = worker_.take_buffer();
  auto deadline = Clock::now() + kLinger;
  while (!worker_.cut && Clock::now() < deadline &&
         co_await receive(buffer.get(), HttpWorker::kBodyBuffer, deadline)) {}
  worker_.give_buffer(std::move(buffer));
}

}  // namespace sv::net
