#include "services/interaction/rules.h"

#include "platform/auth/username.h"

namespace sv::interaction {
namespace {

constexpr int kMaxComment = 1000;

// Unicode's White_Space in UTF-8, and what is as empty: zero-width space, byte order mark.
constexpr std::string_view kBlanks[] = {" ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u0085", "\u00a0", "\u1680",
                                        "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
                                        "\u2009", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"};

std::string_view trim(std::string_view text) {
  const auto cut = [&](auto at_end, auto drop) {
    for (const auto* blank = std::ranges::find_if(kBlanks, at_end); blank != std::end(kBlanks); blank = std::ranges::find_if(kBlanks, at_end))
      drop(blank->size());
  };
  cut([&](std::string_view b) { return text.starts_with(b); }, [&](std::size_t n) { text.remove_prefix(n); });
  cut([&](std::string_view b) { return text.ends_with(b); }, [&](std::size_t n) { text.remove_suffix(n); });
  return text;
}

}  // namespace

Result<std::string> clean_comment(std::string_view content) {
  const std::string_view text = trim(content);
  SV_CHECK(auth::check_text("content", text, kMaxComment));
  if (auth::fold_text(text).empty()) return invalid("content", "required");
  return std::string(text);
}

Result<> check_reason(std::string_view field, std::string_view text, int max, bool required) {
  SV_CHECK(auth::check_text(field, text, max));
  if (required && trim(text).empty()) return invalid(field, "required");
  return {};
}

}  // namespace sv::interaction
