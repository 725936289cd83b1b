#include "platform/adapters/etcd_client.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "platform/core/encoding.h"
#include "platform/core/json_writer.h"
#include "platform/net/http_client.h"

namespace sv {
namespace {

using Steady = std::chrono::steady_clock;

// gRPC's numbers of what the JSON gateway reports.
constexpr std::int64_t kNotFound = 5, kFailedPrecondition = 9, kUnauthenticated = 16;

const boost::json::object* object_at(const boost::json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  const auto* found = object ? object->if_contains(key) : nullptr;
  return found ? found->if_object() : nullptr;
}

// 64-bit numbers are texts there; zero is left out.
std::int64_t number_at(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (!value) return 0;
  if (const auto* n = value->if_int64()) return *n;
  const auto* text = value->if_string();
  std::int64_t n = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), n);
  return n;
}
std::string bytes_at(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? base64_decode(*text).value_or("") : "";
}

Error error_from(int status, const std::string& body) {
  boost::system::error_code ec;
  const auto json = boost::json::parse(body, ec);
  Error error{.code = Errc::internal, .token = "etcd_refused", .field = {}, .detail = {}};
  error.detail = fmt::format("etcd answered {}: {}", status, body.substr(0, 200));
  if (ec || !json.is_object()) return error;
  switch (number_at(json.get_object(), "code")) {
    case kNotFound:
      error.code = Errc::not_found;
      break;
    case kFailedPrecondition:
      if (body.find("lease already exists") != std::string::npos) error.code = Errc::conflict;
      break;
    case kUnauthenticated:
      error.code = Errc::unauthenticated;
      break;
    default:
      if (body.find("invalid auth token") != std::string::npos) error.code = Errc::unauthenticated;
  }
  return error;
}

std::string base64_json(std::string_view bytes) { return '"' + base64_encode(bytes) + '"'; }
// The first key after all that begin with it.
std::string end_of(std::string prefix) {
  ++prefix.back();
  return prefix;
}

}  // namespace

std::string EtcdClient::endpoint() const {
  std::lock_guard lock(mutex_);
  return place_.endpoints[turn_ % place_.endpoints.size()];
}

Task<Result<std::string>> EtcdClient::post_once(std::string_view path, const std::string& body,
                                                const std::string& token) {
  const std::string at = endpoint();
  const std::size_t colon = at.rfind(':');
  auto reply =
      co_await net::http_call({.host = at.substr(0, colon),
                               .port = at.substr(colon + 1),
                               .target = std::string(path),
                               .headers = token.empty() ? "" : "Authorization: " + token + "\r\n",
                               .body = body,
                               .deadline = Steady::now() + timeout_});
  if (!reply) {
    {
      std::lock_guard lock(mutex_);
      ++turn_;  // another one, the next time
    }
    co_return fail(
        Errc::unavailable, "etcd_unavailable",
        fmt::format("etcd at {}: {}", at,
                    reply.error().detail.empty() ? reply.error().token : reply.error().detail));
  }
  if (reply->status != 200) co_return std::unexpected(error_from(reply->status, reply->body));
  co_return std::move(reply->body);
}

Task<Result<std::string>> EtcdClient::token(bool anew) {
  if (place_.user.empty()) co_return std::string();
  {
    std::lock_guard lock(mutex_);
    if (!anew && !token_.empty()) co_return token_;
  }
  std::string body = R"({"name":)";
  json::append_string(body, place_.user);
  body += R"(,"password":)";
  json::append_string(body, place_.password);
  body += '}';
  SV_CO_TRY(const std::string reply, co_await post_once("/v3/auth/authenticate", body, ""));
  boost::system::error_code ec;
  const auto json = boost::json::parse(reply, ec);
  const auto* object = ec ? nullptr : json.if_object();
  const auto* text = object ? object->if_contains("token") : nullptr;
  std::lock_guard lock(mutex_);
  token_ = text && text->is_string() ? std::string(text->get_string()) : std::string();
  co_return token_;
}

Task<Result<std::string>> EtcdClient::post(std::string_view path, std::string body) {
  SV_CO_TRY(std::string as, co_await token(false));
  auto reply = co_await post_once(path, body, as);
  if (reply || reply.error().code != Errc::unauthenticated || place_.user.empty()) co_return reply;
  SV_CO_TRY(as, co_await token(true));  // it ends when it has not been used for 300 s
  co_return co_await post_once(path, body, as);
}

Task<Result<>> EtcdClient::grant(std::int64_t lease, std::chrono::seconds ttl) {
  SV_CO_CHECK(co_await post("/v3/lease/grant",
                            fmt::format(R"({{"TTL":"{}","ID":"{}"}})", ttl.count(), lease)));
  co_return Result<>{};
}

Task<Result<>> EtcdClient::keep_alive(std::int64_t lease) {
  SV_CO_TRY(const std::string reply,
            co_await post("/v3/lease/keepalive", fmt::format(R"({{"ID":"{}"}})", lease)));
  boost::system::error_code ec;
  const auto json = boost::json::parse(reply, ec);
  const auto* result = ec ? nullptr : object_at(json, "result");
  // Of a lease that is gone it says 200, and no time to live.
  if (!result || number_at(*result, "TTL") <= 0) co_return fail(Errc::not_found, "lease_gone");
  co_return Result<>{};
}

Task<Result<>> EtcdClient::revoke(std::int64_t lease) {
  SV_CO_CHECK(co_await post("/v3/lease/revoke", fmt::format(R"({{"ID":"{}"}})", lease)));
  co_return Result<>{};
}

Task<Result<>> EtcdClient::put(std::string_view key, std::string_view value, std::int64_t lease) {
  SV_CO_CHECK(
      co_await post("/v3/kv/put", fmt::format(R"({{"key":{},"value":{},"lease":"{}"}})",
                                              base64_json(key), base64_json(value), lease)));
  co_return Result<>{};
}

Task<Result<>> EtcdClient::remove(std::string_view key) {
  SV_CO_CHECK(
      co_await post("/v3/kv/deleterange", fmt::format(R"({{"key":{}}})", base64_json(key))));
  co_return Result<>{};
}

Task<Result<EtcdClient::Range>> EtcdClient::list(std::string_view prefix) {
  SV_CO_TRY(const std::string reply,
            co_await post("/v3/kv/range",
                          fmt::format(R"({{"key":{},"range_end":{}}})", base64_json(prefix),
                                      base64_json(end_of(std::string(prefix))))));
  boost::system::error_code ec;
  const auto json = boost::json::parse(reply, ec);
  const auto* header = ec ? nullptr : object_at(json, "header");
  if (!header) co_return fail(Errc::internal, "etcd_refused", "etcd: a range without a header");
  Range out{.pairs = {}, .revision = number_at(*header, "revision")};
  const auto* kvs = json.get_object().if_contains("kvs");
  if (!kvs || !kvs->is_array()) co_return out;
  for (const auto& kv : kvs->get_array())
    if (const auto* pair = kv.if_object())
      out.pairs.push_back({.key = bytes_at(*pair, "key"),
                           .value = bytes_at(*pair, "value"),
                           .lease = number_at(*pair, "lease")});
  co_return out;
}

Task<Result<>> EtcdClient::wait_for_change(std::string_view prefix, std::int64_t revision,
                                           std::chrono::milliseconds at_most) {
  const std::string at = endpoint();
  const std::size_t colon = at.rfind(':');
  SV_CO_TRY(const std::string as, co_await token(false));
  net::HttpCall call{.host = at.substr(0, colon),
                     .port = at.substr(colon + 1),
                     .target = "/v3/watch",
                     .headers = as.empty() ? "" : "Authorization: " + as + "\r\n"};
  call.body =
      fmt::format(R"({{"create_request":{{"key":{},"range_end":{},"start_revision":"{}"}}}})",
                  base64_json(prefix), base64_json(end_of(std::string(prefix))), revision + 1);
  call.deadline = Steady::now() + at_most;
  // The first line says that the watch is made. Whatever comes after it (events, or that the
  // revision was compacted away) means: look again.
  std::string lines;
  const auto done = co_await net::http_stream(std::move(call), [&lines](std::string_view piece) {
    lines += piece;
    const std::size_t first = lines.find('\n');
    return lines.find("\"events\"") == std::string::npos &&
           lines.find("\"canceled\"") == std::string::npos &&
           lines.find("\"error\"") == std::string::npos &&
           (first == std::string::npos || first + 1 == lines.size());
  });
  if (done || done.error().code == Errc::deadline_exceeded) co_return Result<>{};
  co_return fail(Errc::unavailable, "etcd_unavailable",
                 fmt::format("etcd at {}: {}", at, done.error().detail));
}

}  // namespace sv
