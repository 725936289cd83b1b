#include "platform/net/range.h"

#include <charconv>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "platform/core/ascii.h"
#include "platform/core/time.h"

namespace sv::net {
namespace {

// Digits only; a number beyond 64 bits is as good as the largest.
std::optional<std::uint64_t> number(std::string_view s) {
  if (s.empty() || s.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  if (std::from_chars(s.data(), s.data() + s.size(), value).ec != std::errc())
    return std::numeric_limits<std::uint64_t>::max();
  return value;
}

bool is_bytes(std::string_view unit) {
  if (unit.size() != 5) return false;
  for (std::size_t i = 0; i < 5; ++i)
    if ((unit[i] | 0x20) != "bytes"[i]) return false;
  return true;
}

}  // namespace

ByteRange parse_range(std::string_view header, std::uint64_t size) {
  using Kind = ByteRange::Kind;
  std::size_t equals = header.find('=');
  if (equals == std::string_view::npos || !is_bytes(trim_blanks(header.substr(0, equals))))
    return {};
  std::string_view spec = trim_blanks(header.substr(equals + 1));
  std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return {};
  std::string_view first_text = spec.substr(0, dash), last_text = spec.substr(dash + 1);
  auto last = number(last_text);
  if (!last_text.empty() && !last) return {};  // also a list
  if (first_text.empty()) {
    if (!last) return {};
    if (*last == 0 || size == 0) return {.kind = Kind::unsatisfiable};
    std::uint64_t length = std::min(*last, size);
    return {.kind = Kind::part, .offset = size - length, .length = length};
  }
  auto first = number(first_text);
  if (!first || (last && *last < *first)) return {};
  if (*first >= size) return {.kind = Kind::unsatisfiable};
  std::uint64_t end = last && *last < size - 1 ? *last + 1 : size;
  return {.kind = Kind::part, .offset = *first, .length = end - *first};
}

std::string content_range_line(const ByteRange& range, std::uint64_t size) {
  if (range.kind != ByteRange::Kind::part)
    return fmt::format("Content-Range: bytes */{}\r\n", size);
  return fmt::format("Content-Range: bytes {}-{}/{}\r\n", range.offset,
                     range.offset + range.length - 1, size);
}

bool if_range_matches(std::string_view if_range, std::string_view etag, std::int64_t modified_ms) {
  if_range = trim_blanks(if_range);
  if (if_range.empty()) return true;
  if (if_range.starts_with("W/")) return false;
  if (if_range.starts_with('"')) return if_range == etag;
  return modified_ms > 0 && if_range == format_http_date(modified_ms);
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  while (!if_none_match.empty()) {
    std::size_t comma = std::min(if_none_match.find(','), if_none_match.size());
    std::string_view item = trim_blanks(if_none_match.substr(0, comma));
    if_none_match.remove_prefix(std::min(comma + 1, if_none_match.size()));
    if (item == "*") return true;
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (!item.empty() && item == etag) return true;
  }
  return false;
}

}  // namespace sv::net
