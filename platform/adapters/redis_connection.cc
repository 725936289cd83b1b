#include "platform/adapters/redis_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "platform/net/tls_authority.h"

namespace sv {
namespace {

using asio::ip::tcp;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kRoom = 16 * 1024;

std::unexpected<Error> lost(std::string why) {
  return fail(Errc::unavailable, "cache_unavailable", "redis: " + std::move(why));
}

}  // namespace

RedisConnection::RedisConnection(asio::any_io_executor executor, RedisAddress address,
                                 std::chrono::milliseconds timeout)
    : address_(std::move(address)),
      timeout_(timeout),
      socket_(executor),
      resolver_(executor),
      timer_(executor),
      in_(kRoom) {}

Task<Result<>> RedisConnection::open(const net::TlsAuthority* tls) {
  const auto self = shared_from_this();
  opening_ = true;
  timer_.expires_after(timeout_);
  timer_.async_wait([self](boost::system::error_code ec) {
    if (ec || !self->opening_) return;
    self->resolver_.cancel();
    boost::system::error_code ignored;
    self->socket_.close(ignored);
  });
  const boost::system::error_code ec = co_await connect();
  Result<> done;
  if (ec) done = lost(ec.message());
  else if (tls) done = co_await secure(*tls);
  opening_ = false;
  timer_.cancel();
  if (done && !socket_.is_open()) done = lost("no answer");
  if (!done) co_return done;
  open_ = true;
  if (tls_) read_tls();
  else read();
  co_return Result<>{};
}

Task<boost::system::error_code> RedisConnection::connect() {
  auto [ec, found] = co_await resolver_.async_resolve(address_.host, address_.port, kNoThrow);
  if (ec) co_return ec;
  for (const auto& endpoint : found) {
    if (timer_.expiry() <= Steady::now()) co_return asio::error::timed_out;
    boost::system::error_code ignored;
    socket_.close(ignored);
    std::tie(ec) = co_await socket_.async_connect(endpoint, kNoThrow);
    if (!ec) break;
  }
  if (ec == asio::error::operation_aborted) ec = asio::error::timed_out;
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
  co_return ec;
}

Task<Result<>> RedisConnection::secure(const net::TlsAuthority& tls) {
  if (!socket_.is_open()) co_return lost("no answer");
  tls_ = tls.connect(socket_.native_handle(), address_.host);
  for (;;) {
    const Step step = tls_->handshake();
    if (step == Step::done) co_return Result<>{};
    if (step != Step::wants_read && step != Step::wants_write)
      co_return lost("TLS: " + tls_->problem());
    auto [ec] = co_await socket_.async_wait(
        step == Step::wants_read ? tcp::socket::wait_read : tcp::socket::wait_write, kNoThrow);
    if (ec || !socket_.is_open()) co_return lost("TLS: no answer");
  }
}

Task<RedisConnection::Answers> RedisConnection::ask(std::string commands, std::size_t answers) {
  const auto self = shared_from_this();
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Answers)>(
      [&]<class Handler>(Handler handler) {
        const auto executor = asio::get_associated_executor(handler);
        ask(std::move(commands), answers,
            [executor, handler = std::move(handler)](Answers out) mutable {
              asio::dispatch(executor,
                             [handler = std::move(handler), out = std::move(out)]() mutable {
                               std::move(handler)(std::move(out));
                             });
            });
      },
      asio::use_awaitable);
}

void RedisConnection::ask(std::string commands, std::size_t answers, Done done) {
  if (!open_) {
    asio::post(socket_.get_executor(),
               [done = std::move(done)]() mutable { done(lost("the connection is closed")); });
    return;
  }
  waiting_.push_back(
      {.wanted = answers, .deadline = Steady::now() + timeout_, .done = std::move(done)});
  send(commands);
  watch();
}

void RedisConnection::listen(std::move_only_function<void(RedisReply)> hear,
                             std::move_only_function<void()> closed) {
  hear_ = std::move(hear);
  closed_ = std::move(closed);
}

void RedisConnection::send(std::string_view commands) {
  out_ += commands;
  flush_soon();
}

void RedisConnection::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void RedisConnection::wait_for(Step step, void (RedisConnection::*then)()) {
  socket_.async_wait(step == Step::wants_write ? tcp::socket::wait_write : tcp::socket::wait_read,
                     [kept = Kept(shared_from_this()), then](boost::system::error_code ec) mutable {
                       const auto self = kept.take();
                       if (!self->open_) return;
                       if (ec) return self->close();
                       ((*self).*then)();
                     });
}

std::optional<std::size_t> RedisConnection::write(std::string_view bytes) {
  Step later = Step::wants_write;
  if (tls_) {
    std::size_t sent = 0;
    later = tls_->write(bytes.substr(0, net::TlsConnection::kRecord), sent);
    if (later == Step::done) return sent;
    if (later != Step::wants_read && later != Step::wants_write) {
      close();
      return std::nullopt;
    }
  } else {
    ssize_t sent = -1;
    do
      sent =
          ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      close();
      return std::nullopt;
    }
  }
  writing_ = true;
  wait_for(later, &RedisConnection::write_on);
  return std::nullopt;
}

void RedisConnection::write_on() {
  writing_ = false;
  flush();
}

void RedisConnection::flush() {
  if (!open_ || writing_) return;
  while (sent_ < out_.size()) {
    const auto sent = write(std::string_view(out_).substr(sent_));
    if (!sent) return;
    sent_ += *sent;
  }
  out_.clear();
  sent_ = 0;
}

void RedisConnection::read() {
  socket_.async_read_some(
      asio::buffer(in_),
      [kept = Kept(shared_from_this())](boost::system::error_code ec, std::size_t got) mutable {
        const auto self = kept.take();
        if (!self->open_) return;
        if (ec) return self->close();
        self->take_in(got);
        if (self->open_) self->read();
      });
}

void RedisConnection::read_tls() {
  while (open_) {
    std::size_t got = 0;
    const Step step = tls_->read(in_.data(), in_.size(), got);
    if (step == Step::wants_read || step == Step::wants_write)
      return wait_for(step, &RedisConnection::read_tls);
    if (step != Step::done) return close();
    take_in(got);
  }
}

void RedisConnection::take_in(std::size_t got) {
  reader_.feed({in_.data(), got});
  while (open_) {
    auto reply = reader_.next();
    if (!reply) return close();
    if (!*reply) return;
    if (hear_) hear_(std::move(**reply));
    else answer(std::move(**reply));
  }
}

void RedisConnection::answer(RedisReply reply) {
  if (waiting_.empty()) return close();  // an answer that nobody asked for
  Waiting& first = waiting_.front();
  first.answers.push_back(std::move(reply));
  if (first.answers.size() < first.wanted) return;
  Waiting done = std::move(first);
  waiting_.pop_front();
  done.done(std::move(done.answers));
}

// The oldest question's deadline is the connection's: what comes after a late answer comes later.
void RedisConnection::watch() {
  if (watching_ || waiting_.empty() || !open_) return;
  watching_ = true;
  timer_.expires_at(waiting_.front().deadline);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
    self->watching_ = false;
    if (!self->open_ || self->waiting_.empty()) return;
    if (self->waiting_.front().deadline <= Steady::now()) return self->close();
    self->watch();
  });
}

void RedisConnection::abandon() {
  open_ = false;
  const auto waiting = std::exchange(waiting_, {});
  hear_ = nullptr;
  closed_ = nullptr;
}

void RedisConnection::close() {
  if (!std::exchange(open_, false)) return;
  boost::system::error_code ec;
  socket_.close(ec);
  timer_.cancel();
  for (Waiting& one : std::exchange(waiting_, {})) one.done(lost("no answer"));
  if (closed_) closed_();
}

}  // namespace sv
