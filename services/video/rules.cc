#include "services/video/rules.h"

#include <algorithm>

#include "platform/text/text.h"

namespace sv::video {
namespace {

bool has_control(std::string_view s) {
  return std::ranges::any_of(
      s, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

Result<std::string> clean_title(std::string_view title) {
  title = trim_text(title);
  SV_CHECK(check_visible_text("title", title, 100));
  if (has_control(title)) return invalid("title", "invalid");
  return std::string(title);
}

Result<> check_description(std::string_view description) {
  return check_text("description", description, 2000);
}

Result<std::vector<std::string>> clean_tags(const std::vector<std::string>& tags) {
  std::vector<std::string> out;
  for (std::string_view tag : tags) {
    tag = trim_text(tag);
    if (tag.starts_with('#')) tag.remove_prefix(1);
    SV_CHECK(check_text("tags", tag, 32));
    if (!check_visible_text("tags", tag, 32) || has_control(tag)) return invalid("tags", "invalid");
    if (std::ranges::find(out, tag) == out.end()) out.emplace_back(tag);
  }
  if (out.size() > 20) return invalid("tags", "too_long");
  return out;
}

}  // namespace sv::video
