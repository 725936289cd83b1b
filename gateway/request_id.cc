#include "gateway/request_id.h"

#include <algorithm>
#include <cstdint>
#include <random>

namespace sv::gateway {
namespace {

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

std::string new_request_id() {
  thread_local std::mt19937_64 random{(std::uint64_t{std::random_device{}()} << 32) |
                                      std::random_device{}()};
  std::uint64_t n = random();
  std::string out(16, '0');
  for (char& c : out) {
    c = "0123456789abcdef"[n & 15];
    n >>= 4;
  }
  return out;
}

std::string request_id_from(std::string_view header) {
  const bool usable =
      !header.empty() && header.size() <= 64 && std::ranges::all_of(header, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_' || c == '.';
      });
  return usable ? std::string(header) : new_request_id();
}

std::string traceparent_from(std::string_view header) {
  // 00-<32 hex>-<16 hex>-<2 hex>
  if (header.size() != 55 || !header.starts_with("00-")) return {};
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool dash = i == 2 || i == 35 || i == 52;
    if (dash ? header[i] != '-' : !is_hex(header[i])) return {};
  }
  return std::string(header);
}

Result<std::string> idempotency_key_from(std::string_view header) {
  const auto refuse = [](std::string_view token) {
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .token = std::string(token),
                                 .field = "Idempotency-Key",
                                 .detail = {}});
  };
  constexpr std::size_t kLongest = 255;
  if (header.size() > kLongest) return refuse("idempotency_key_too_long");
  if (!std::ranges::all_of(header, [](char c) { return c >= ' ' && c <= '~'; }))
    return refuse("idempotency_key_invalid");
  return std::string(header);
}

}  // namespace sv::gateway
