#include "platform/text/text.h"

#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "platform/core/utf8.h"

namespace sv {
namespace {

// ICU makes its instance on the first call, under locks that the thread sanitizer cannot see; this
// static's own lock it sees, and later calls skip both.
const icu::Normalizer2& folder() {
  static const icu::Normalizer2& instance = [] -> const icu::Normalizer2& {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* made = icu::Normalizer2::getNFKCCasefoldInstance(status);
    if (U_FAILURE(status)) throw std::runtime_error("ICU has no NFKC case folding data");
    return *made;
  }();
  return instance;
}

bool blank(UChar32 c) {
  constexpr UChar32 kZeroWidthSpace = 0x200B, kByteOrderMark = 0xFEFF;
  return c >= 0 && (u_isUWhiteSpace(c) || c == kZeroWidthSpace || c == kByteOrderMark);
}

// Unassigned characters count as visible: they may be newer than our tables.
bool has_visible(std::string_view text) {
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    const auto type = u_charType(c);
    if (!blank(c) && type != U_CONTROL_CHAR && type != U_FORMAT_CHAR &&
        !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
      return true;
  }
  return false;
}

}  // namespace

std::string fold_text(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const auto source = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  const icu::UnicodeString folded = folder().normalize(source, status);
  if (U_FAILURE(status)) throw std::runtime_error("ICU could not normalise a text");
  std::string out;
  folded.toUTF8String(out);
  return out;
}

Result<> check_text(std::string_view field, std::string_view text, int max_characters) {
  if (text.size() > 4 * static_cast<std::size_t>(max_characters)) return invalid(field, "too_long");
  const auto characters = utf8_length(text);
  if (!characters) return invalid(field, "invalid", "not UTF-8");
  if (text.contains('\0')) return invalid(field, "invalid", "NUL");
  if (*characters > static_cast<std::size_t>(max_characters)) return invalid(field, "too_long");
  return {};
}

Result<> check_visible_text(std::string_view field, std::string_view text, int max_characters) {
  SV_CHECK(check_text(field, text, max_characters));
  if (!has_visible(text)) return invalid(field, "required");
  return {};
}

std::string_view trim_text(std::string_view text) {
  const auto size = static_cast<int32_t>(text.size());
  int32_t from = 0, to = size;
  UChar32 c = 0;
  for (int32_t next = 0; next < size; from = next) {
    U8_NEXT(text.data(), next, size, c);
    if (!blank(c)) break;
    if (next == size) return {};
  }
  for (int32_t next = size; next > from; to = next) {
    U8_PREV(text.data(), 0, next, c);
    if (!blank(c)) break;
  }
  return text.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
}

std::string like_literal(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '%' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace sv
