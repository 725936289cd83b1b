#pragma once

#include <algorithm>
#include <string_view>

namespace sv {

// ASCII, whatever the locale: what protocols mean by letters and blanks.
constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, ascii_lower, ascii_lower);
}

// Without spaces and tabs at either end (RFC 9110's OWS).
constexpr std::string_view trim_blanks(std::string_view s) {
  const auto from = s.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return s.substr(from, s.find_last_not_of(" \t") + 1 - from);
}

}  // namespace sv
