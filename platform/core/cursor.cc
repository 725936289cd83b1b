#include "platform/core/cursor.h"

#include <array>

namespace sv {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kBytes = 1 + 8 + 8 + 4;  // version, key, id, checksum
constexpr std::size_t kText = (kBytes * 8 + 5) / 6;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Bytes = std::array<std::uint8_t, kBytes>;

// FNV-1a over the list's name and the content.
std::uint32_t checksum(std::string_view route, const Bytes& bytes) {
  std::uint32_t h = 2166136261u;
  for (char c : route) h = (h ^ static_cast<std::uint8_t>(c)) * 16777619u;
  for (std::size_t i = 0; i < kBytes - 4; ++i) h = (h ^ bytes[i]) * 16777619u;
  return h;
}

void store(Bytes& bytes, std::size_t at, std::uint64_t v, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    bytes[at + i] = static_cast<std::uint8_t>(v >> (8 * (n - 1 - i)));
}

std::uint64_t load(const Bytes& bytes, std::size_t at, std::size_t n) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < n; ++i) v = v << 8 | bytes[at + i];
  return v;
}

}  // namespace

std::string encode_cursor(std::string_view route, Cursor cursor) {
  Bytes bytes{};
  bytes[0] = kVersion;
  store(bytes, 1, static_cast<std::uint64_t>(cursor.key), 8);
  store(bytes, 9, static_cast<std::uint64_t>(cursor.id), 8);
  store(bytes, 17, checksum(route, bytes), 4);
  std::string text(kText, 'A');
  for (std::size_t i = 0; i < kText; ++i) {
    unsigned six = 0;
    for (std::size_t bit = i * 6; bit < i * 6 + 6; ++bit)
      six = six << 1 | (bit / 8 < kBytes ? (bytes[bit / 8] >> (7 - bit % 8)) & 1u : 0u);
    text[i] = kAlphabet[six];
  }
  return text;
}

Result<std::optional<Cursor>> decode_cursor(std::string_view route, std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.size() != kText) return invalid("cursor", "invalid");
  Bytes bytes{};
  for (std::size_t i = 0; i < kText; ++i) {
    auto six = kAlphabet.find(text[i]);
    if (six == std::string_view::npos) return invalid("cursor", "invalid");
    for (std::size_t b = 0; b < 6; ++b) {
      std::size_t bit = i * 6 + b;
      if ((six >> (5 - b) & 1u) == 0) continue;
      if (bit / 8 >= kBytes)
        return invalid("cursor", "invalid");  // padding bits are zero: one text per cursor
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] | 1u << (7 - bit % 8));
    }
  }
  if (bytes[0] != kVersion || load(bytes, 17, 4) != checksum(route, bytes))
    return invalid("cursor", "invalid");
  return Cursor{.key = static_cast<std::int64_t>(load(bytes, 1, 8)),
                .id = static_cast<std::int64_t>(load(bytes, 9, 8))};
}

}  // namespace sv
