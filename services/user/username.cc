#include "services/user/username.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "platform/text/text.h"

namespace sv::user {
namespace {

bool visible(UChar32 c) {
  switch (u_charType(c)) {
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:  // bidi controls, zero-width joiners, tags
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_UNASSIGNED:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
      return false;
    default:
      break;
  }
  constexpr UChar32 kBrailleBlank = 0x2800;  // looks like a space, is a symbol to Unicode
  return !u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) && c != kBrailleBlank;
}

}  // namespace

Result<std::string> username_key(std::string_view username) {
  constexpr std::string_view kField = "username";
  if (username.empty()) return invalid(kField, "required");
  if (username.size() > 4 * kMaxUsernameCharacters) return invalid(kField, "too_long");
  const auto size = static_cast<int32_t>(username.size());
  int characters = 0;
  bool blank_at_end = false;
  for (int32_t i = 0; i < size; ++characters) {
    UChar32 c = 0;
    U8_NEXT(username.data(), i, size, c);
    if (c < 0) return invalid(kField, "invalid", "not UTF-8");
    if (!visible(c))
      return invalid(kField, "invalid",
                     fmt::format("character U+{:04X}", static_cast<unsigned>(c)));
    blank_at_end = u_isUWhiteSpace(c) != 0;
    if (characters == 0 && blank_at_end) return invalid(kField, "invalid", "blank at the start");
  }
  if (characters > kMaxUsernameCharacters) return invalid(kField, "too_long");
  if (blank_at_end) return invalid(kField, "invalid", "blank at the end");
  return fold_text(username);
}

}  // namespace sv::user
