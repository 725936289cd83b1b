#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

// Appends JSON (RFC 8259) to a buffer. The generated writers of idl/ are made of these.
namespace sv::json {

// A quoted, escaped string. Bytes ≥ 0x80 are copied as they are: text is validated UTF-8 when it
// enters the system.
void append_string(std::string& out, std::string_view s);

inline void append_int(std::string& out, std::int64_t v) {
  char buf[24];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  out.append(buf, static_cast<std::size_t>(r.ptr - buf));
}
inline void append_bool(std::string& out, bool v) { out += v ? "true" : "false"; }
void append_double(std::string& out,
                   double v);  // shortest round-trip; NaN and infinities become null

}  // namespace sv::json
