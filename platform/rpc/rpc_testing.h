#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_future.hpp>

#include "platform/core/task.h"
#include "platform/rpc/message.h"
#include "platform/rpc/server.h"

// What tests of the transport share.
namespace sv::rpc {

// An event loop with its thread.
class TestLoop {
 public:
  TestLoop() : thread_([this] { io_.run(); }) {}
  ~TestLoop() {
    guard_.reset();
    io_.stop();
    thread_.join();
  }
  asio::any_io_executor executor() { return io_.get_executor(); }

  // Runs a task here and waits for its value.
  template <class T>
  T run(Task<T> task) {
    return asio::co_spawn(io_, std::move(task), asio::use_future).get();
  }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_ = asio::make_work_guard(io_);
  std::thread thread_;
};

inline std::string unhex(std::string_view text) {
  std::string out, digits;
  for (const char c : text)
    if (c != ' ' && c != '|' && c != '\n') digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return out;
}

// A blocking client of bytes.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    const timeval limit{.tv_sec = 5, .tv_usec = 0};  // of a test that would wait for ever
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  // Exactly so many; fewer when the server closed.
  std::string read(std::size_t bytes) {
    std::string out(bytes, '\0');
    std::size_t got = 0;
    while (got < bytes) {
      const ssize_t n = ::recv(socket_.native_handle(), out.data() + got, bytes - got, 0);
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    out.resize(got);
    return out;
  }
  bool closed() {
    char byte = 0;
    return ::recv(socket_.native_handle(), &byte, 1, 0) == 0 || errno == ECONNRESET;
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
};

inline std::string bool_answer(const MessageHead& head, bool value) {
  std::string out;
  write_head(out, {.type = MessageType::reply, .method = head.method, .seqid = head.seqid});
  write_field(out, 0, value);
  write_stop(out);
  return out;
}

inline std::string call_of(std::string_view method, std::int32_t seqid = 1) {
  std::string out;
  write_head(out, {.type = MessageType::call, .method = method, .seqid = seqid});
  write_stop(out);
  return out;
}

}  // namespace sv::rpc
