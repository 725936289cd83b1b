#include "platform/core/tcp_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <boost/asio/ip/address.hpp>

#include "platform/core/log.h"
#include "platform/core/supervisor.h"

namespace sv {
namespace {

using asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{50};

Result<asio::ip::address> parse_host(std::string host) {
  const std::string given = host;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (host.empty() || host == "*") host = "0.0.0.0";
  boost::system::error_code ec;
  auto address = asio::ip::make_address(host, ec);
  if (ec)
    return fail(Errc::invalid_argument, "listen_invalid",
                "cannot listen on " + given + ": it is not an IP address");
  return address;
}

}  // namespace

// The first socket is bound alone, so that a port which another program of this user shares is
// refused, then opened for ours.
Result<> TcpListener::open(const tcp::endpoint& endpoint, bool first, bool alone) {
  using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  boost::system::error_code ec;
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec && !first) acceptor_.set_option(reuse_port(true), ec);
  if (!ec) acceptor_.set_option(tcp::no_delay(true), ec);  // accepted sockets inherit it
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec && first && !alone) acceptor_.set_option(reuse_port(true), ec);
  if (!ec) acceptor_.listen(4096, ec);
  if (!ec) acceptor_.native_non_blocking(true, ec);
  if (!ec) return {};
  return fail(Errc::unavailable, "listen_failed",
              ec.message() + (ec == asio::error::address_in_use
                                  ? " (another program listens there; choose another with `listen`)"
                                  : ""));
}

Result<std::uint16_t> listen_on(const std::string& host, std::uint16_t port,
                                std::span<TcpListener* const> listeners) {
  SV_TRY(const asio::ip::address address, parse_host(host));
  for (TcpListener* const listener : listeners) {
    const bool first = listener == listeners.front();
    if (auto done = listener->open({address, port}, first, listeners.size() == 1); !done) {
      for (TcpListener* const l : listeners) l->close();
      return fail(done.error().code, done.error().token,
                  fmt::format("cannot listen on {}:{}: {}", host, port, done.error().detail));
    }
    boost::system::error_code ec;
    if (first) port = listener->acceptor_.local_endpoint(ec).port();
  }
  return port;
}

void TcpListener::drain() {
  draining_ = true;
  boost::system::error_code ec;
  acceptor_.cancel(ec);
}

void TcpListener::close() {
  boost::system::error_code ec;
  acceptor_.close(ec);
}

Task<Result<>> TcpListener::accept(std::string_view component, const Take& take) {
  bool complained = false;
  for (;;) {
    const int descriptor =
        ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      complained = false;
      tcp::socket socket(executor());
      boost::system::error_code ec;
      socket.assign(acceptor_.local_endpoint(ec).protocol(), descriptor, ec);
      if (ec) ::close(descriptor);
      else take(std::move(socket));
      continue;
    }
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) {
      if (draining_) co_return Result<>{};  // the backlog is empty
      co_await acceptor_.async_wait(tcp::acceptor::wait_read, kNoThrow);
    } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      if (!std::exchange(complained, true))
        log::error(component, "cannot accept connections", {{"error", std::strerror(error)}});
      co_await pause(kAcceptPause);
    } else if (error == EBADF || error == EINVAL || error == ENOTSOCK) {
      co_return fail(Errc::internal, {}, std::strerror(error));
    }  // else this one connection was lost before it was accepted
  }
}

}  // namespace sv
