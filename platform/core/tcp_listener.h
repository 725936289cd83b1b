#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv {

// A listening socket on one loop, of one thread.
class TcpListener {
 public:
  using Take = std::function<void(asio::ip::tcp::socket)>;

  explicit TcpListener(asio::any_io_executor executor) : acceptor_(std::move(executor)) {}
  TcpListener(TcpListener&&) = default;

  asio::any_io_executor executor() { return acceptor_.get_executor(); }
  // Gives `take` what connects, until drain() has been called and the backlog is empty. `component`
  // is the log's. An error is one that this socket cannot get over.
  Task<Result<>> accept(std::string_view component, const Take& take);
  void drain();
  void close();

 private:
  friend Result<std::uint16_t> listen_on(const std::string& host, std::uint16_t port,
                                         std::span<TcpListener* const> listeners);
  Result<> open(const asio::ip::tcp::endpoint& endpoint, bool first, bool alone);

  asio::ip::tcp::acceptor acceptor_;
  bool draining_ = false;
};

// Binds all of them to one port (SO_REUSEPORT: the kernel spreads connections); 0 picks one. The
// port, or an error whose detail says which address and why.
Result<std::uint16_t> listen_on(const std::string& host, std::uint16_t port,
                                std::span<TcpListener* const> listeners);

}  // namespace sv
