#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace sv {

// Number of characters, or nullopt when it is not UTF-8 (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
std::optional<std::size_t> utf8_length(std::string_view s);

}  // namespace sv
