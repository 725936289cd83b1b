#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/net/http_server.h"

namespace sv::net {

// A blocking client that sends exactly the bytes it is given. Reads give up after 20 s.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { ::close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }

  // One answer with its body (by Content-Length or chunks, decoded); what follows stays for the
  // next call. Empty: closed first.
  std::string answer(bool head_only = false) {
    std::size_t end;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return {};
    std::string head = received_.substr(0, end + 4);
    received_.erase(0, end + 4);
    if (head.starts_with("HTTP/1.1 100")) return head;
    std::string body;
    if (auto at = head.find("Content-Length: "); at != std::string::npos && !head_only) {
      std::size_t length = std::stoull(head.substr(at + 16));
      while (received_.size() < length)
        if (!more()) return head + received_ + "<cut>";
      body = received_.substr(0, length);
      received_.erase(0, length);
    } else if (head.find("Transfer-Encoding: chunked") != std::string::npos && !head_only) {
      for (;;) {
        std::size_t eol;
        while ((eol = received_.find("\r\n")) == std::string::npos)
          if (!more()) return head + body + "<cut>";
        std::size_t length = std::stoull(received_.substr(0, eol), nullptr, 16);
        while (received_.size() < eol + 2 + length + 2)
          if (!more()) return head + body + "<cut>";
        body += received_.substr(eol + 2, length);
        received_.erase(0, eol + 2 + length + 2);
        if (length == 0) break;
      }
    }
    return head + body;
  }
  // Everything until the server closes; "<open>" at the end when it does not.
  std::string rest() {
    while (more()) {}
    return received_ + (closed_ ? "" : "<open>");
  }
  bool closed_by_server() { return rest().find("<open>") == std::string::npos; }

 private:
  bool more() {
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&p, 1, 20'000) != 1) return false;
    char buffer[64 * 1024];
    ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) {
      closed_ = true;
      return false;
    }
    received_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  int fd_;
  bool connected_ = false, closed_ = false;
  std::string received_;
};

// A server on port 0 with its threads.
class TestServer {
 public:
  explicit TestServer(Handler handler, HttpLimits limits = {}, std::size_t threads = 2,
                      std::shared_ptr<const TlsIdentity> tls = {}) {
    std::vector<asio::any_io_executor> executors;
    for (std::size_t i = 0; i < threads; ++i) {
      contexts_.push_back(std::make_unique<asio::io_context>(1));
      executors.push_back(contexts_.back()->get_executor());
      guards_.push_back(asio::make_work_guard(*contexts_.back()));
    }
    server_ = make_http_server(
        {.host = "127.0.0.1", .port = 0, .limits = limits, .tls = std::move(tls)}, executors,
        std::move(handler), [](int status) { return "{\"code\":" + std::to_string(status) + "}"; });
    started_ = server_->start().has_value();
    for (auto& context : contexts_) threads_.emplace_back([c = context.get()] { c->run(); });
  }
  ~TestServer() {
    server_->stop(std::chrono::milliseconds(0));
    guards_.clear();
    for (auto& t : threads_) t.join();
    server_.reset();
  }
  HttpServer* operator->() { return server_.get(); }
  bool started() const { return started_; }
  std::uint16_t port() const { return server_->port(); }

 private:
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::unique_ptr<HttpServer> server_;
  std::vector<std::thread> threads_;
  bool started_ = false;
};

// Ends when `done` holds; for waiting on another thread's counters.
template <class F>
bool eventually(F done) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace sv::net
