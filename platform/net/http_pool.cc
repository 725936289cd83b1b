#include "platform/net/http_pool.h"

#include <array>
#include <optional>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace sv::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;

constexpr std::size_t kMostAnswer = 64u << 20;
constexpr std::size_t kSlice = 256u << 10;

bool same_name(std::string_view a, std::string_view b) { return beast::iequals(a, b); }

std::unexpected<Error> no_answer(const HttpOrigin& origin, std::string_view why) {
  return fail(Errc::unavailable, {},
              fmt::format("{} does not answer: {}", origin.authority_form(), why));
}

std::string_view reason(const boost::system::error_code& ec, std::string& text) {
  if (ec == beast::error::timeout || ec == asio::error::operation_aborted) return "it is silent";
  text = ec.message();
  return text;
}

}  // namespace

std::string HttpOrigin::authority_form() const {
  const bool usual = port == (tls ? "443" : "80");
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return usual ? name : name + ":" + port;
}

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (same_name(key, name)) return value;
  return {};
}

struct HttpPool::Tls {
  ssl::context context{ssl::context::tls_client};
};

class HttpPool::Connection {
 public:
  virtual ~Connection() = default;
  // nullopt: it ended before the answer began.
  virtual Task<Result<std::optional<HttpAnswer>>> ask(const HttpAsk& ask) = 0;
  bool reusable = false;
  bool used = false;
};

template <class Stream>
class HttpPool::Over final : public Connection {
 public:
  Over(const HttpPool& pool, Stream stream) : pool_(pool), stream_(std::move(stream)) {}

  Stream& stream() { return stream_; }

  Task<Result<std::optional<HttpAnswer>>> ask(const HttpAsk& ask) override {
    reusable = false;
    std::string text;
    if (const auto ec = co_await send(ask)) {
      if (used && gone(ec)) co_return std::nullopt;
      co_return no_answer(pool_.origin_, reason(ec, text));
    }
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMostAnswer);
    if (ask.method == "HEAD") parser.skip(true);
    transport().expires_after(pool_.options_.answer);
    do {
      if (auto [ec, got] = co_await http::async_read_header(stream_, buffer_, parser, kNoThrow);
          ec) {
        if (used && gone(ec)) co_return std::nullopt;
        co_return no_answer(pool_.origin_, reason(ec, text));
      }
    } while (parser.get().result() == http::status::continue_);
    while (!parser.is_done()) {
      transport().expires_after(pool_.options_.progress);
      auto [ec, got] = co_await http::async_read_some(stream_, buffer_, parser, kNoThrow);
      if (ec) co_return no_answer(pool_.origin_, reason(ec, text));
    }
    transport().expires_never();
    used = true;
    reusable = parser.get().keep_alive() && buffer_.size() == 0;
    HttpAnswer out{.status = static_cast<int>(parser.get().result_int())};
    for (const auto& field : parser.get()) {
      const auto name = field.name_string(), value = field.value();
      out.headers.emplace_back(std::string(name.data(), name.size()),
                               std::string(value.data(), value.size()));
    }
    out.body = std::move(parser.get().body());
    co_return out;
  }

 private:
  static bool gone(const boost::system::error_code& ec) {
    return ec == http::error::end_of_stream || ec == asio::error::connection_reset ||
           ec == asio::error::broken_pipe || ec == asio::error::eof ||
           ec == ssl::error::stream_truncated;
  }
  beast::tcp_stream& transport() { return beast::get_lowest_layer(stream_); }

  // The head goes with the first slice of the body.
  Task<boost::system::error_code> send(const HttpAsk& ask) {
    std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n{}", ask.method, ask.target,
                                   pool_.origin_.authority_form(), ask.headers);
    if (!ask.body.empty() || ask.method == "PUT" || ask.method == "POST")
      head += fmt::format("Content-Length: {}\r\n", ask.body.size());
    head += "\r\n";
    std::string_view left = ask.body;
    do {
      const std::string_view slice = left.substr(0, kSlice);
      left.remove_prefix(slice.size());
      transport().expires_after(pool_.options_.progress);
      const std::array<asio::const_buffer, 2> parts{asio::buffer(head), asio::buffer(slice)};
      auto [ec, sent] = co_await asio::async_write(stream_, parts, kNoThrow);
      if (ec) co_return ec;
      head.clear();
    } while (!left.empty());
    co_return boost::system::error_code{};
  }

  const HttpPool& pool_;
  Stream stream_;
  beast::flat_buffer buffer_;
};

HttpPool::HttpPool(asio::any_io_executor executor, HttpOrigin origin, HttpPoolOptions options)
    : executor_(std::move(executor)), origin_(std::move(origin)), options_(options) {}
HttpPool::~HttpPool() = default;

Result<> HttpPool::load_authorities() {
  if (tls_) return {};
  auto tls = std::make_unique<Tls>();
  boost::system::error_code ec;
  if (origin_.authority.empty()) tls->context.set_default_verify_paths(ec);
  else tls->context.load_verify_file(origin_.authority, ec);
  if (ec)
    return fail(Errc::unavailable, {},
                fmt::format("the authorities in {} cannot be used: {}",
                            origin_.authority.empty() ? "the system's store" : origin_.authority,
                            ec.message()));
  tls->context.set_verify_mode(ssl::verify_peer);
  tls_ = std::move(tls);
  return {};
}

Task<Result<std::unique_ptr<HttpPool::Connection>>> HttpPool::connect() {
  if (origin_.tls) SV_CO_CHECK(load_authorities());
  tcp::resolver resolver(executor_);
  asio::steady_timer timer(executor_, options_.connect);
  timer.async_wait([&resolver](boost::system::error_code ec) {
    if (!ec) resolver.cancel();
  });
  auto [unknown, endpoints] = co_await resolver.async_resolve(origin_.host, origin_.port, kNoThrow);
  timer.cancel();
  std::string text;
  if (unknown) co_return no_answer(origin_, reason(unknown, text));
  beast::tcp_stream stream(executor_);
  stream.expires_after(options_.connect);
  auto [refused, endpoint] = co_await stream.async_connect(endpoints, kNoThrow);
  if (refused) co_return no_answer(origin_, reason(refused, text));
  boost::system::error_code ignored;
  stream.socket().set_option(tcp::no_delay(true), ignored);
  if (!origin_.tls) {
    stream.expires_never();
    co_return std::make_unique<Over<beast::tcp_stream>>(*this, std::move(stream));
  }
  auto made = std::make_unique<Over<ssl::stream<beast::tcp_stream>>>(
      *this, ssl::stream<beast::tcp_stream>(std::move(stream), tls_->context));
  auto& secured = made->stream();
  secured.set_verify_callback(ssl::host_name_verification(origin_.host));
  SSL_set_tlsext_host_name(secured.native_handle(), origin_.host.c_str());
  beast::get_lowest_layer(secured).expires_after(options_.connect);
  auto [failed] = co_await secured.async_handshake(ssl::stream_base::client, kNoThrow);
  if (failed) co_return no_answer(origin_, "TLS: " + std::string(reason(failed, text)));
  co_return made;
}

Task<Result<HttpAnswer>> HttpPool::call(const HttpAsk& ask) {
  // What was kept may have ended in the meantime, all of it when the server has gone.
  while (!idle_.empty() && ask.repeatable) {
    std::unique_ptr<Connection> kept = std::move(idle_.front());
    idle_.pop_front();
    SV_CO_TRY(auto said, co_await kept->ask(ask));
    if (!said) continue;
    if (kept->reusable && idle_.size() < options_.idle) idle_.push_front(std::move(kept));
    co_return std::move(*said);
  }
  SV_CO_TRY(auto fresh, co_await connect());
  SV_CO_TRY(auto said, co_await fresh->ask(ask));
  if (!said) co_return no_answer(origin_, "the connection ended");
  if (fresh->reusable && idle_.size() < options_.idle) idle_.push_front(std::move(fresh));
  co_return std::move(*said);
}

}  // namespace sv::net
