#include "platform/rpc/dial.h"

#include <charconv>

#include <boost/asio/steady_timer.hpp>

#include "platform/core/log.h"
#include "platform/rpc/handshake.h"

namespace sv::rpc {
namespace {

using asio::ip::tcp;
using Steady = FrameStream::Steady;
using How = Outcome::How;

// Watched by a timer of its own: a pool's tick does not know the connection yet.
Task<Outcome> ask(asio::any_io_executor executor, std::shared_ptr<Connection> connection,
                  std::string payload, std::chrono::milliseconds timeout) {
  asio::steady_timer timer(executor, timeout);
  timer.async_wait([connection](boost::system::error_code ec) {
    if (!ec) connection->close();
  });
  co_return co_await connection->call({}, payload, Deadline::max());
}

}  // namespace

Task<std::shared_ptr<Connection>> dial(asio::any_io_executor executor, std::string_view address,
                                       const net::TlsIdentity* tls,
                                       std::chrono::milliseconds timeout) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) co_return nullptr;
  std::string host(address.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  // One timer ends whatever takes too long.
  tcp::socket socket(executor);
  tcp::resolver resolver(executor);
  asio::steady_timer timer(executor, timeout);
  const auto late = std::make_shared<bool>(false);
  timer.async_wait([&socket, &resolver, late](boost::system::error_code ec) {
    if (ec || *late) return;
    boost::system::error_code ignored;
    socket.close(ignored);
    resolver.cancel();
  });
  boost::system::error_code ec;
  std::vector<tcp::endpoint> endpoints;
  std::uint16_t port = 0;
  const auto digits = address.substr(colon + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), port).ec != std::errc{})
    co_return nullptr;
  if (const auto ip = asio::ip::make_address(host, ec); !ec) {
    endpoints.emplace_back(ip, port);
  } else {
    auto [failed, found] = co_await resolver.async_resolve(host, std::string(digits), kNoThrow);
    if (!failed)
      for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  }
  bool connected = false;
  for (const auto& endpoint : endpoints) {
    if (Steady::now() >= timer.expiry()) break;
    socket.close(ec);
    auto [failed] = co_await socket.async_connect(endpoint, kNoThrow);
    if ((connected = !failed)) break;
  }
  *late = true;
  timer.cancel();
  if (!connected || !socket.is_open()) co_return nullptr;
  auto secure = tls ? tls->connect(socket.native_handle()) : nullptr;
  auto made = std::make_shared<Connection>(std::move(socket), std::move(secure));
  made->start();
  co_return made;
}

Task<Greeting> greet(asio::any_io_executor executor, std::shared_ptr<Connection> connection,
                     std::string_view address, std::string_view service,
                     const std::vector<std::string>& secrets, std::chrono::milliseconds timeout) {
  const std::string nonce = new_nonce();
  const Outcome hello = co_await ask(executor, connection, text_call(kHello, nonce), timeout);
  if (hello.how != How::answered) co_return Greeting::failed;
  const auto reply = read_hello_reply(hello.payload);
  if (!reply) co_return reply.error().code == Errc::absent ? Greeting::foreign : Greeting::failed;
  // The registry may still name one that died, whose port another one has by now.
  if (!reply->service.empty() && reply->service != service) co_return Greeting::failed;
  const std::string_view theirs = std::string_view(reply->text).substr(0, kNonceBytes);
  const std::string_view shown = std::string_view(reply->text).substr(theirs.size());
  if (secrets.empty()) co_return Greeting::known;
  if (!proves(shown, Side::server, secrets, nonce, theirs)) {
    log::error("rpc", "an instance does not have this cluster's rpc.secret: it is not called",
               {{"address", address}});
    co_return Greeting::failed;
  }
  const Outcome proven =
      co_await ask(executor, connection,
                   text_call(kProve, proof(Side::client, secrets.front(), nonce, theirs)), timeout);
  const auto believed = read_bool_reply(proven.payload, kProve);
  if (proven.how != How::answered || !believed) co_return Greeting::failed;
  if (*believed) co_return Greeting::known;
  log::error("rpc", "an instance does not take this process's rpc.secret: it is not called",
             {{"address", address}});
  co_return Greeting::failed;
}

}  // namespace sv::rpc
