#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sv {

// base64url without padding (RFC 4648 §5). Decoding is strict: one text per value, so that a
// signature cannot be respelled.
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

// The common alphabet, with padding (RFC 4648 §4).
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

std::string hex_encode(std::string_view bytes);

}  // namespace sv
