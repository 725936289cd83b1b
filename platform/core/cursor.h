#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/core/error.h"

namespace sv {

// A place in a list that is sorted by (key, id). What clients get is base64url text with a version,
// the list's name and a checksum:
// they cannot read it by accident, use it on another list, or break anything with a made-up one. It
// is not a secret.
struct Cursor {
  std::int64_t key = 0;
  std::int64_t id = 0;
  auto operator<=>(const Cursor&) const = default;
};

// `route` names the list: short, constant, part of the contract with cursors that clients hold.
std::string encode_cursor(std::string_view route, Cursor cursor);
// Empty text: nullopt, the start of the list. Anything that encode_cursor(route, …) did not make:
// Errc::invalid_argument "cursor_invalid".
Result<std::optional<Cursor>> decode_cursor(std::string_view route, std::string_view text);

// Items of a page: `otherwise` when the request does not say, never more than 100.
constexpr std::size_t page_size(std::int32_t asked, std::int32_t otherwise = 10) {
  return static_cast<std::size_t>(std::min(asked > 0 ? asked : otherwise, 100));
}
// Items before a page by number (from 1). What is before a deep page has to be read or counted, so
// they end at 1000; cursors do not.
constexpr std::size_t page_offset(std::int32_t page, std::size_t size) {
  return static_cast<std::size_t>(std::clamp(page, 1, 1000) - 1) * size;
}

}  // namespace sv
