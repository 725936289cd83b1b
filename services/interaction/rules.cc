#include "services/interaction/rules.h"

#include "platform/text/text.h"

namespace sv::interaction {
namespace {

constexpr int kMaxComment = 1000;

}  // namespace

Result<std::string> clean_comment(std::string_view content) {
  const std::string_view text = trim_text(content);
  SV_CHECK(check_visible_text("content", text, kMaxComment));
  return std::string(text);
}

Result<> check_reason(std::string_view field, std::string_view text, int max, bool required) {
  return required ? check_visible_text(field, text, max) : check_text(field, text, max);
}

}  // namespace sv::interaction
