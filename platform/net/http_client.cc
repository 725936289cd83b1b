#include "platform/net/http_client.h"

#include <array>
#include <optional>

#include <fmt/format.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace sv::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::size_t kMostBody = 16u << 20;

std::unexpected<Error> failed(const boost::system::error_code& ec) {
  if (ec == beast::error::timeout || ec == asio::error::operation_aborted)
    return fail(Errc::deadline_exceeded);
  return fail(Errc::unavailable, {}, ec.message());
}

// Sends the request; the answer is the stream's next.
Task<Result<>> ask(beast::tcp_stream& stream, const HttpCall& call) {
  tcp::resolver resolver(stream.get_executor());
  asio::steady_timer timer(stream.get_executor(), call.deadline);
  timer.async_wait([&resolver](boost::system::error_code ec) {
    if (!ec) resolver.cancel();
  });
  auto [unknown, endpoints] = co_await resolver.async_resolve(call.host, call.port, kNoThrow);
  timer.cancel();
  if (unknown) co_return failed(unknown);
  stream.expires_at(call.deadline);
  auto [unreachable, endpoint] = co_await stream.async_connect(endpoints, kNoThrow);
  if (unreachable) co_return failed(unreachable);
  boost::system::error_code ignored;
  stream.socket().set_option(tcp::no_delay(true), ignored);
  const std::string head = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
      call.method, call.target, call.host, call.port, call.body.size(), call.headers);
  const std::array parts{asio::buffer(head), asio::buffer(call.body)};
  auto [broken, sent] = co_await asio::async_write(stream, parts, kNoThrow);
  if (broken) co_return failed(broken);
  co_return Result<>{};
}

}  // namespace

Task<Result<HttpReply>> http_call(HttpCall call) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  SV_CO_CHECK(co_await ask(stream, call));
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMostBody);
  auto [ec, got] = co_await http::async_read(stream, buffer, parser, kNoThrow);
  if (ec) co_return failed(ec);
  co_return HttpReply{.status = static_cast<int>(parser.get().result_int()),
                      .body = std::move(parser.get().body())};
}

Task<Result<int>> http_stream(HttpCall call, std::function<bool(std::string_view)> on_piece) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  SV_CO_CHECK(co_await ask(stream, call));
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  if (auto [ec, got] = co_await http::async_read_header(stream, buffer, parser, kNoThrow); ec)
    co_return failed(ec);
  std::array<char, 16 * 1024> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    auto [ec, got] = co_await http::async_read_some(stream, buffer, parser, kNoThrow);
    if (ec && ec != http::error::need_buffer) co_return failed(ec);
    const std::size_t filled = piece.size() - parser.get().body().size;
    if (filled > 0 && !on_piece({piece.data(), filled})) break;
  }
  co_return static_cast<int>(parser.get().result_int());
}

}  // namespace sv::net
