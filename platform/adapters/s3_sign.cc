#include "platform/adapters/s3_sign.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "platform/core/encoding.h"
#include "platform/crypto/sha256.h"

namespace sv::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string basic_time(std::int64_t ms) {  // 20260102T150405Z
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[20];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

std::string scope_of(const Credentials& who, std::string_view time) {
  return fmt::format("{}/{}/s3/aws4_request", time.substr(0, 8), who.region);
}

std::string query_of(const Request& request) {
  std::vector<std::string> pairs;
  pairs.reserve(request.query.size());
  for (const auto& [name, value] : request.query)
    pairs.push_back(percent_encoded(name) + "=" + percent_encoded(value));
  std::ranges::sort(pairs);
  return fmt::format("{}", fmt::join(pairs, "&"));
}

std::string signature(const Credentials& who, const Request& request, std::string_view time,
                      std::string_view headers, std::string_view names) {
  const std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, percent_encoded(request.path, "/"),
                  query_of(request), headers, names, request.payload);
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope_of(who, time), sha256_hex(canonical));
  std::string key = hmac_sha256("AWS4" + who.secret, time.substr(0, 8));
  for (const std::string_view part :
       {std::string_view(who.region), std::string_view("s3"), std::string_view("aws4_request")})
    key = hmac_sha256(key, part);
  return hex_encode(hmac_sha256(key, text));
}

}  // namespace

std::string percent_encoded(std::string_view text, std::string_view keep) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' ||
                       keep.find(c) != std::string_view::npos;
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string target_of(const Request& request) {
  const std::string query = query_of(request);
  return percent_encoded(request.path, "/") + (query.empty() ? "" : "?") + query;
}

std::string signature_lines(const Credentials& who, const Request& request, std::int64_t now_ms) {
  constexpr std::string_view kNames = "host;x-amz-content-sha256;x-amz-date";
  const std::string time = basic_time(now_ms);
  const std::string headers = fmt::format("host:{}\nx-amz-content-sha256:{}\nx-amz-date:{}\n",
                                          request.host, request.payload, time);
  return fmt::format(
      "x-amz-content-sha256: {}\r\nx-amz-date: {}\r\n"
      "Authorization: {} Credential={}/{}, SignedHeaders={}, Signature={}\r\n",
      request.payload, time, kAlgorithm, who.access, scope_of(who, time), kNames,
      signature(who, request, time, headers, kNames));
}

std::string presigned_target(const Credentials& who, Request request, std::int64_t now_ms,
                             std::chrono::seconds ttl) {
  const std::string time = basic_time(now_ms);
  request.payload = "UNSIGNED-PAYLOAD";
  request.query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  request.query.emplace_back("X-Amz-Credential", who.access + "/" + scope_of(who, time));
  request.query.emplace_back("X-Amz-Date", time);
  request.query.emplace_back("X-Amz-Expires", std::to_string(ttl.count()));
  request.query.emplace_back("X-Amz-SignedHeaders", "host");
  const std::string signed_by =
      signature(who, request, time, fmt::format("host:{}\n", request.host), "host");
  return target_of(request) + "&X-Amz-Signature=" + signed_by;
}

}  // namespace sv::s3
