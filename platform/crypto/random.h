#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sv {

// From the system's generator; a process without one cannot keep secrets, so failure throws
// std::runtime_error. Thread-safe.
std::string random_bytes(std::size_t count);

// 256 bits as base64url: refresh tokens, stream keys.
std::string random_token();

// What is stored of an opaque token: a fast hash is enough for 256 random bits. 64 hex digits.
std::string token_hash(std::string_view token);

}  // namespace sv
