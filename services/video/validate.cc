#include "services/video/validate.h"

#include <algorithm>
#include <optional>

namespace sv::video {
namespace {

// Characters of valid UTF-8 (RFC 3629) without NUL; nullopt for anything else.
std::optional<std::size_t> characters(std::string_view s) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < s.size(); ++n) {
    auto c = static_cast<unsigned char>(s[i]);
    std::size_t length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (c == 0 || length == 0 || i + length > s.size()) return std::nullopt;
    for (std::size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(s[i + k]) & 0xC0) != 0x80) return std::nullopt;
    auto second = length > 1 ? static_cast<unsigned char>(s[i + 1]) : 0;
    bool bad = (c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) || (c == 0xF4 && second > 0x8F);
    if (bad) return std::nullopt;
    i += length;
  }
  return n;
}

std::string_view trim(std::string_view s) {
  constexpr std::string_view kBlank = " \t\r\n";
  auto from = s.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return s.substr(from, s.find_last_not_of(kBlank) - from + 1);
}

bool has_control(std::string_view s) {
  return std::ranges::any_of(s, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

Result<std::string> clean_title(std::string_view title) {
  title = trim(title);
  if (title.empty()) return invalid("title", "required");
  auto n = characters(title);
  if (!n || has_control(title)) return invalid("title", "invalid");
  if (*n > 100) return invalid("title", "too_long");
  return std::string(title);
}

Result<> check_description(std::string_view description) {
  auto n = characters(description);
  if (!n) return invalid("description", "invalid");
  if (*n > 2000) return invalid("description", "too_long");
  return {};
}

Result<std::vector<std::string>> clean_tags(const std::vector<std::string>& tags) {
  std::vector<std::string> out;
  for (std::string_view tag : tags) {
    tag = trim(tag);
    if (tag.starts_with('#')) tag.remove_prefix(1);
    auto n = characters(tag);
    if (tag.empty() || !n || has_control(tag)) return invalid("tags", "invalid");
    if (*n > 32) return invalid("tags", "too_long");
    if (std::ranges::find(out, tag) == out.end()) out.emplace_back(tag);
  }
  if (out.size() > 20) return invalid("tags", "too_long");
  return out;
}

}  // namespace sv::video
