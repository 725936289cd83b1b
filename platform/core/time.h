#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sv {

// Times inside are UTC milliseconds since 1970. Code that decides by time takes a Clock
// (ports/clock.h); these are for logs.
std::int64_t wall_now_ms();
std::string format_rfc3339(std::int64_t ms);  // 2026-01-02T15:04:05.678Z
std::string format_text_time(
    std::int64_t ms);  // 2006-01-02 15:04:05: the old contract's text time, UTC
std::string format_http_date(std::int64_t ms);  // Sun, 06 Nov 1994 08:49:37 GMT (RFC 9110 §5.6.7)

}  // namespace sv
