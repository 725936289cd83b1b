#include "platform/core/cursor.h"

#include <algorithm>
#include <array>

#include "platform/core/encoding.h"

namespace sv {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kBytes = 1 + 8 + 8 + 4;  // version, key, id, checksum

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
  return base64url_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Result<std::optional<Cursor>> decode_cursor(std::string_view route, std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto decoded = base64url_decode(text);
  if (!decoded || decoded->size() != kBytes) return invalid("cursor", "invalid");
  Bytes bytes{};
  std::ranges::copy(*decoded, bytes.begin());
  if (bytes[0] != kVersion || load(bytes, 17, 4) != checksum(route, bytes))
    return invalid("cursor", "invalid");
  return Cursor{.key = static_cast<std::int64_t>(load(bytes, 1, 8)),
                .id = static_cast<std::int64_t>(load(bytes, 9, 8))};
}

}  // namespace sv
