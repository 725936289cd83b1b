#include "platform/adapters/redis_connection.h"

#include <hiredis/read.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

namespace sv {
namespace {

using asio::ip::tcp;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kRoom = 16 * 1024;

std::unexpected<Error> lost(std::string why) {
  return fail(Errc::unavailable, "cache_unavailable", "redis: " + std::move(why));
}

RedisReply reply_of(const redisReply& r) {
  RedisReply out;
  switch (r.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      out.kind = RedisReply::Kind::text;
      out.text.assign(r.str, static_cast<std::size_t>(r.len));
      break;
    case REDIS_REPLY_ERROR:
      out.kind = RedisReply::Kind::error;
      out.text.assign(r.str, static_cast<std::size_t>(r.len));
      break;
    case REDIS_REPLY_INTEGER:
      out.kind = RedisReply::Kind::number;
      out.number = r.integer;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = RedisReply::Kind::list;
      for (std::size_t i = 0; i < r.elements; ++i) out.list.push_back(reply_of(*r.element[i]));
      break;
    default:
      break;
  }
  return out;
}

}  // namespace

std::string redis_command(const std::vector<std::string_view>& parts) {
  std::string out = fmt::format("*{}\r\n", parts.size());
  for (const std::string_view part : parts) {
    out += fmt::format("${}\r\n", part.size());
    out.append(part).append("\r\n");
  }
  return out;
}

RedisConnection::RedisConnection(asio::any_io_executor executor, const RedisOptions& options)
    : options_(options),
      socket_(executor),
      timer_(executor),
      reader_(redisReaderCreate()),
      in_(kRoom) {}

RedisConnection::~RedisConnection() { redisReaderFree(reader_); }

Task<Result<>> RedisConnection::open() {
  tcp::resolver resolver(socket_.get_executor());
  timer_.expires_after(options_.timeout);
  timer_.async_wait([this, self = shared_from_this(), &resolver](boost::system::error_code ec) {
    if (ec || open_) return;
    resolver.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
  });
  auto [unknown, found] = co_await resolver.async_resolve(options_.host, options_.port, kNoThrow);
  boost::system::error_code ec = unknown;
  if (!ec) {
    for (const auto& endpoint : found) {
      boost::system::error_code ignored;
      socket_.close(ignored);
      std::tie(ec) = co_await socket_.async_connect(endpoint, kNoThrow);
      if (!ec) break;
    }
  }
  open_ = !ec && socket_.is_open();
  timer_.cancel();
  if (!open_) co_return lost(ec ? ec.message() : "no answer");
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
  read();
  std::string hello;
  std::size_t answers = 0;
  if (!options_.password.empty()) {
    hello += options_.user.empty() ? redis_command({"AUTH", options_.password})
                                   : redis_command({"AUTH", options_.user, options_.password});
    ++answers;
  }
  if (options_.database != 0) {
    hello += redis_command({"SELECT", std::to_string(options_.database)});
    ++answers;
  }
  if (answers == 0) co_return Result<>{};
  SV_CO_TRY(const auto said, co_await ask(std::move(hello), answers));
  for (const RedisReply& one : said)
    if (one.kind == RedisReply::Kind::error) {
      close();
      co_return lost(one.text);
    }
  co_return Result<>{};
}

Task<Result<std::vector<RedisReply>>> RedisConnection::ask(std::string commands,
                                                           std::size_t answers) {
  if (!open_) co_return lost("the connection is closed");
  auto self = shared_from_this();
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Answers)>(
      [&]<class Handler>(Handler handler) {
        const auto executor = asio::get_associated_executor(handler);
        waiting_.push_back({.wanted = answers,
                            .deadline = Steady::now() + options_.timeout,
                            .done = [executor, handler = std::move(handler)](Answers out) mutable {
                              asio::dispatch(executor, [handler = std::move(handler),
                                                        out = std::move(out)]() mutable {
                                std::move(handler)(std::move(out));
                              });
                            }});
        out_ += commands;
        watch();
        flush_soon();
      },
      asio::use_awaitable);
}

void RedisConnection::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void RedisConnection::flush() {
  if (!open_ || writing_) return;
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(socket_.native_handle(), out_.data() + sent_, out_.size() - sent_,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      sent_ += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return close();
    writing_ = true;
    socket_.async_wait(tcp::socket::wait_write,
                       [self = shared_from_this()](boost::system::error_code ec) {
                         self->writing_ = false;
                         if (ec) return self->close();
                         self->flush();
                       });
    return;
  }
  out_.clear();
  sent_ = 0;
}

void RedisConnection::read() {
  socket_.async_read_some(asio::buffer(in_), [self = shared_from_this()](
                                                 boost::system::error_code ec, std::size_t got) {
    if (!self->open_) return;
    if (ec) return self->close();
    self->take_in(got);
    if (self->open_) self->read();
  });
}

void RedisConnection::take_in(std::size_t got) {
  redisReaderFeed(reader_, in_.data(), got);
  for (;;) {
    void* made = nullptr;
    if (redisReaderGetReply(reader_, &made) != REDIS_OK) return close();
    if (!made) return;
    auto* reply = static_cast<redisReply*>(made);
    RedisReply one = reply_of(*reply);
    freeReplyObject(reply);
    if (waiting_.empty()) return close();  // an answer that nobody asked for
    Waiting& first = waiting_.front();
    first.answers.push_back(std::move(one));
    if (first.answers.size() < first.wanted) continue;
    Waiting done = std::move(first);
    waiting_.pop_front();
    done.done(std::move(done.answers));
    if (!open_) return;
  }
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

void RedisConnection::close() {
  open_ = false;
  boost::system::error_code ec;
  socket_.close(ec);
  timer_.cancel();
  for (Waiting& one : std::exchange(waiting_, {})) one.done(lost("no answer"));
}

}  // namespace sv
