#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Appends JSON (RFC 8259) to a buffer.
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

// The same with room made ahead, so that a key or a number is a few stores: the generated writers
// of idl/ are made of these. What was written is in the string once this is gone.
class Out {
 public:
  explicit Out(std::string& text) : text_(text), used_(text.size()) { use_capacity(text.size()); }
  ~Out() { text_.resize(used_); }
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  std::size_t size() const { return used_; }
  char& operator[](std::size_t i) { return text_[i]; }
  // For as many bytes more.
  void room(std::size_t bytes) {
    if (text_.size() - used_ < bytes) use_capacity(std::max(used_ + bytes, 2 * used_));
  }

  void raw(char c) {
    room(1);
    text_[used_++] = c;
  }
  template <std::size_t N>
  void raw(const char (&literal)[N]) {
    room(N - 1);
    std::memcpy(text_.data() + used_, literal, N - 1);
    used_ += N - 1;
  }
  void integer(std::int64_t v) {
    room(24);
    char* const at = text_.data() + used_;
    used_ += static_cast<std::size_t>(std::to_chars(at, at + 24, v).ptr - at);
  }
  void boolean(bool v) {
    if (v) raw("true");
    else raw("false");
  }
  void number(double v);
  void string(std::string_view s);

 private:
  // The bytes behind used_ are of no meaning, and not written twice.
  void use_capacity(std::size_t least) {
    text_.reserve(least);
    text_.resize_and_overwrite(text_.capacity(), [](char*, std::size_t n) { return n; });
  }

  std::string& text_;
  std::size_t used_;
};

}  // namespace sv::json
