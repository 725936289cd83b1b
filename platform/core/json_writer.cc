#include "platform/core/json_writer.h"

#include <emmintrin.h>

#include <cmath>

namespace sv::json {
namespace {

// Number of leading bytes that need no escape. Sixteen at a time: titles and names are mostly
// plain.
std::size_t plain_prefix(const char* p, std::size_t n) {
  std::size_t i = 0;
  const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\'), limit = _mm_set1_epi8(0x1f);
  for (; i + 16 <= n; i += 16) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v);
    __m128i bad =
        _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, back)));
    if (int mask = _mm_movemask_epi8(bad); mask != 0)
      return i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
  }
  for (; i < n; ++i) {
    auto c = static_cast<unsigned char>(p[i]);
    if (c < 0x20 || c == '"' || c == '\\') return i;
  }
  return n;
}

}  // namespace

void append_string(std::string& out, std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!s.empty()) {
    std::size_t n = plain_prefix(s.data(), s.size());
    out.append(s.data(), n);
    if (n == s.size()) break;
    switch (char c = s[n]) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kHex[(static_cast<unsigned char>(c) >> 4) & 0xf];
        out += kHex[static_cast<unsigned char>(c) & 0xf];
    }
    s.remove_prefix(n + 1);
  }
  out += '"';
}

void Out::string(std::string_view s) {
  const std::size_t n = plain_prefix(s.data(), s.size());
  if (n < s.size()) {  // the rest must be escaped: at most six bytes each
    std::string escaped;
    append_string(escaped, s);
    room(escaped.size());
    std::memcpy(text_.data() + used_, escaped.data(), escaped.size());
    used_ += escaped.size();
    return;
  }
  room(n + 2);
  char* const at = text_.data() + used_;
  at[0] = '"';
  std::memcpy(at + 1, s.data(), n);
  at[n + 1] = '"';
  used_ += n + 2;
}

void Out::number(double v) {
  std::string text;
  append_double(text, v);
  room(text.size());
  std::memcpy(text_.data() + used_, text.data(), text.size());
  used_ += text.size();
}

void append_double(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += "null";
    return;
  }
  char buf[32];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  out.append(buf, static_cast<std::size_t>(r.ptr - buf));
}

}  // namespace sv::json
