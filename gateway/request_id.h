#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"

namespace sv::gateway {

// 16 hexadecimal digits, random. Thread-safe.
std::string new_request_id();
// The client's id when it is one we would print (1–64 of A–Z a–z 0–9 . _ -), else a new one.
std::string request_id_from(std::string_view header);
// The header when it is a valid W3C traceparent of version 00, else empty.
std::string traceparent_from(std::string_view header);

// Visible ASCII and spaces, at most 255; else the error names the header. Empty: none was given.
Result<std::string> idempotency_key_from(std::string_view header);

}  // namespace sv::gateway
