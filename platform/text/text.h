#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"

// Rules for what people write. All text is UTF-8.
namespace sv {

// NFKC case fold (UTS #46's mapping without its validity rules), for comparing and searching. Empty
// when nothing visible is left.
std::string fold_text(std::string_view text);

// UTF-8 without NUL, at most `max_characters`; the error names `field`.
Result<> check_text(std::string_view field, std::string_view text, int max_characters);

// As check_text, and something in it can be seen: more than blanks, control and invisible
// characters.
Result<> check_visible_text(std::string_view field, std::string_view text, int max_characters);

// Without White_Space, zero-width spaces and byte order marks at either end. Not UTF-8: unchanged
// there.
std::string_view trim_text(std::string_view text);

// What matches the text itself in SQL: … LIKE … ESCAPE '\'.
std::string like_literal(std::string_view text);

}  // namespace sv
