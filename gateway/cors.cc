#include "gateway/cors.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>
#include <boost/asio/ip/address_v6.hpp>

#include "gateway/call.h"

namespace sv::gateway {
namespace {

// RFC 3986 §3.1. Not only http: apps in a web view come from capacitor://localhost and the like.
bool is_scheme(std::string_view s) {
  return !s.empty() && s.front() >= 'a' && s.front() <= 'z' && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

bool is_port(std::string_view s) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), port);
  return error == std::errc{} && end == s.data() + s.size() && port > 0;
}

bool is_host(std::string_view s) {
  if (s.size() > 2 && s.front() == '[' && s.back() == ']') {
    boost::system::error_code error;
    boost::asio::ip::make_address_v6(s.substr(1, s.size() - 2), error);
    return !error;
  }
  return !s.empty() && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

Result<> check_origin(std::string_view text) {
  if (text == "*") return {};
  if (const std::size_t end = text.find("://");
      end != std::string_view::npos && is_scheme(text.substr(0, end))) {
    const std::string_view rest = text.substr(end + 3);
    const std::size_t colon =
        rest.find(':', rest.starts_with('[') ? std::min(rest.find(']'), rest.size()) : 0);
    if (is_host(rest.substr(0, colon)) &&
        (colon == std::string_view::npos || is_port(rest.substr(colon + 1))))
      return {};
  }
  return fail(Errc::invalid_argument, {},
              fmt::format("\"{}\" is no origin like https://app.example or http://localhost:3000, "
                          "without a path, nor *",
                          text));
}

void add_cors(Call& call, const std::vector<std::string>& origins) {
  const std::string_view origin = call.x.header("Origin");
  if (origins.empty() || origin.empty()) return;
  const bool any = std::ranges::find(origins, "*") != origins.end();
  if (!any) call.header("Vary", "Origin");
  if (!any && std::ranges::find(origins, origin) == origins.end()) return;
  call.header("Access-Control-Allow-Origin", any ? "*" : origin);
  if (call.x.method() != "OPTIONS") {
    call.header("Access-Control-Expose-Headers",
                "ETag, Content-Range, Retry-After, RateLimit, RateLimit-Policy, X-Next-Cursor, "
                "X-Request-Id, X-Total-Count");
    return;
  }
  call.header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS, PATCH, HEAD");
  call.header("Access-Control-Allow-Headers",
              "Content-Type, Authorization, Accept-Language, Idempotency-Key, If-None-Match, "
              "If-Range, Range, X-Request-Id, traceparent");
  call.header("Access-Control-Max-Age", "86400");
}

}  // namespace sv::gateway
