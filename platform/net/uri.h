#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/core/error.h"

namespace sv::net {

// Percent-decodes (RFC 3986); '+' stays. nullopt on a broken escape, a NUL or invalid UTF-8.
std::optional<std::string> decode_path(std::string_view s);
// Decoded name/value pairs in order; '+' is a space (application/x-www-form-urlencoded). nullopt as
// above.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

// "host", "host:80", "[::1]:80": the host without brackets.
struct Authority {
  std::string host, port;
};
// An error's detail says what is wrong and repeats nothing: a text that is no authority may hold a
// secret.
Result<Authority> parse_authority(std::string_view text, std::string_view port);

}  // namespace sv::net
