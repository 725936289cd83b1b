#include "platform/rpc/frame_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>

namespace sv::rpc {
namespace {

constexpr std::size_t kRoom = 4 * 1024;     // at least as much is read at once
constexpr std::size_t kKept = 64 * 1024;    // of a buffer that has been larger
constexpr std::size_t kMostOut = 8u << 20;  // waiting to be taken by the peer: no more is read then

}  // namespace

FrameStream::FrameStream(asio::ip::tcp::socket socket, std::unique_ptr<net::TlsConnection> tls)
    : socket_(std::move(socket)), tls_(std::move(tls)), secured_(!tls_) {
  boost::system::error_code ec;
  socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  socket_.native_non_blocking(true, ec);
}

void FrameStream::start() {
  if (tls_) secure();
  else read();
}

void FrameStream::wait_for(net::TlsConnection::Step step, void (FrameStream::*then)()) {
  using Socket = asio::ip::tcp::socket;
  socket_.async_wait(
      step == net::TlsConnection::Step::wants_write ? Socket::wait_write : Socket::wait_read,
      [self = shared_from_this(), then](boost::system::error_code ec) {
        if (!self->open_) return;
        if (ec) return self->close();
        ((*self).*then)();
      });
}

void FrameStream::secure() {
  using Step = net::TlsConnection::Step;
  const Step step = tls_->handshake();
  if (step == Step::wants_read || step == Step::wants_write)
    return wait_for(step, &FrameStream::secure);
  if (step != Step::done) return close();
  secured_ = true;
  flush();
  read();
}

// Where to read to: at least kRoom, and what the frame that has begun still needs.
std::size_t FrameStream::make_room() {
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (in_end_ == 0 && need_ <= kKept && in_.size() > kKept) std::string().swap(in_);
  const std::size_t least = std::max(kRoom, need_ - std::min(need_, in_end_ - in_begin_));
  if (in_.size() - in_end_ < least) {
    if (in_begin_ > 0) {
      std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
      in_end_ -= in_begin_;
      in_begin_ = 0;
    }
    // Memory follows what has really come, not what a length announces.
    if (in_.size() - in_end_ < least)
      in_.resize(in_end_ + std::min(least, std::max(kKept, in_end_)));
  }
  return in_.size() - in_end_;
}

void FrameStream::read() {
  if (!open_ || reading_ || held_ || !secured_ || out_.size() - out_begin_ > kMostOut) return;
  reading_ = true;
  if (tls_) return read_tls();
  const std::size_t room = make_room();
  socket_.async_read_some(
      asio::buffer(in_.data() + in_end_, room),
      [self = shared_from_this()](boost::system::error_code ec, std::size_t got) {
        self->reading_ = false;
        if (!self->open_) return;
        if (ec) return self->close();
        self->last_received_ = Steady::now();
        self->in_end_ += got;
        self->take_in();
        self->read();
      });
}

void FrameStream::read_tls() {
  using Step = net::TlsConnection::Step;
  while (open_ && !held_) {
    const std::size_t room = make_room();
    std::size_t got = 0;
    const Step step = tls_->read(in_.data() + in_end_, room, got);
    if (step == Step::wants_read || step == Step::wants_write)
      return wait_for(step, &FrameStream::read_tls);
    if (step != Step::done) return close();
    last_received_ = Steady::now();
    in_end_ += got;
    take_in();
  }
  reading_ = false;
}

void FrameStream::take_in() {
  taking_in_ = true;
  while (open_ && !held_ && !ends_) {
    Frame frame;
    need_ = 0;
    const auto status = parse_frame({in_.data() + in_begin_, in_end_ - in_begin_}, frame, need_);
    if (status == FrameStatus::need_more) break;
    if (status == FrameStatus::broken) {
      close();
      break;
    }
    held_ = on_frame(frame) == Next::hold;
    in_begin_ += frame.size;
  }
  taking_in_ = false;
  flush();
}

void FrameStream::resume() {
  if (!held_) return;
  held_ = false;
  if (taking_in_) return;  // the loop there goes on
  take_in();
  read();
}

bool FrameStream::send(Framing framing, const TtHeader& header, std::string_view payload) {
  if (!open_) return true;
  if (!write_frame(out_, framing, header, payload)) return false;
  if (!taking_in_) flush_soon();
  return true;
}

// Behind the handlers that are ready now: many requests' calls become one system call.
void FrameStream::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

std::optional<std::size_t> FrameStream::write(std::string_view bytes) {
  using Step = net::TlsConnection::Step;
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
  wait_for(later, &FrameStream::write_on);
  return std::nullopt;
}

void FrameStream::write_on() {
  writing_ = false;
  flush();
  read();
}

void FrameStream::flush() {
  if (!open_ || writing_ || !secured_) return;
  while (out_begin_ < out_.size()) {
    const auto sent = write(std::string_view(out_).substr(out_begin_));
    if (!sent) return;
    out_begin_ += *sent;
  }
  out_.clear();
  out_begin_ = 0;
  if (out_.capacity() > kKept) std::string().swap(out_);
  if (ends_) close();
}

void FrameStream::close() {
  if (!open_) return;
  open_ = false;
  if (tls_ && secured_) tls_->close();
  boost::system::error_code ec;
  socket_.close(ec);
  on_closed();
}

void FrameStream::close_when_sent() {
  ends_ = true;
  if (!taking_in_) flush();
}

}  // namespace sv::rpc
