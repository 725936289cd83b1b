#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "platform/core/task.h"
#include "platform/net/tls.h"
#include "platform/rpc/ttheader.h"

namespace sv::rpc {

// One TCP connection that carries frames both ways. All of it happens on the socket's loop, which
// has one thread. Kept alive by what it waits for: it lives until it is closed.
class FrameStream : public std::enable_shared_from_this<FrameStream> {
 public:
  using Steady = std::chrono::steady_clock;

  // `tls` is over this socket; null: it carries frames as they are.
  FrameStream(asio::ip::tcp::socket socket, std::unique_ptr<net::TlsConnection> tls);
  virtual ~FrameStream() = default;
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;

  void start();  // begins to read
  // What is sent while frames are being taken in goes out together. False: too long for its
  // framing.
  bool send(Framing framing, const TtHeader& header, std::string_view payload);
  void close();  // at once
  void close_when_sent();
  bool is_open() const { return open_; }
  bool is_secured() const { return secured_; }  // without TLS from the start
  Steady::time_point last_received() const { return last_received_; }

 protected:
  enum class Next : unsigned char { frame, hold };
  // The frame is valid until it returns. hold: no further one until resume().
  virtual Next on_frame(const Frame& frame) = 0;
  virtual void on_closed() = 0;  // once
  void resume();
  asio::ip::tcp::socket& socket() { return socket_; }

 private:
  void secure();
  void wait_for(net::TlsConnection::Step step, void (FrameStream::*then)());
  void read();
  void read_tls();
  std::size_t make_room();
  void take_in();
  void flush();
  void flush_soon();
  void write_on();
  // How much went out; nullopt: it goes on later, or the stream is closed.
  std::optional<std::size_t> write(std::string_view bytes);

  asio::ip::tcp::socket socket_;
  const std::unique_ptr<net::TlsConnection> tls_;
  std::string in_, out_;
  std::size_t in_begin_ = 0, in_end_ = 0, out_begin_ = 0;
  std::size_t need_ = 0;
  bool open_ = true, held_ = false, taking_in_ = false, reading_ = false, writing_ = false;
  bool ends_ = false, flush_posted_ = false, secured_;
  Steady::time_point last_received_ = Steady::now();
};

}  // namespace sv::rpc
