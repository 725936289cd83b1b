#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/core/error.h"

// Rules without state. Peers that call by RPC pass no JSON edge, so the service checks its bounds
// itself.
namespace sv::user {

constexpr std::size_t kMaxBatch = 200;

// Both given or not: avatar is "" or an http(s) address or a path, ≤ 500 characters; about ≤ 300.
// UTF-8 without NUL.
Result<> check_profile(const std::optional<std::string>& avatar,
                       const std::optional<std::string>& about);

// The number in a `sid` claim; 0 for none and for what is not ours.
std::int64_t session_id(std::string_view sid);

// What is kept of a client's own words: printable ASCII, ≤ 200 bytes.
std::string tame(std::string_view text);

}  // namespace sv::user
