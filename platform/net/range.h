#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sv::net {

// What a Range header (RFC 9110 §14) asks of a representation of `size` bytes.
struct ByteRange {
  enum class Kind : unsigned char {
    whole,  // 200: no header, a unit we do not know, bad syntax, or several ranges, which may be
            // ignored
    part,   // 206 with [offset, offset + length)
    unsatisfiable,  // 416 with Content-Range: bytes */size
  };
  Kind kind = Kind::whole;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

// `header` is the value of Range, empty when absent.
ByteRange parse_range(std::string_view header, std::uint64_t size);
// "Content-Range: bytes …\r\n" for a part or an unsatisfiable range.
std::string content_range_line(const ByteRange& range, std::uint64_t size);
// Whether a Range counts under If-Range (RFC 9110 §13.1.5): absent, the strong `etag` (quoted), or
// exactly the date of `modified_ms`.
bool if_range_matches(std::string_view if_range, std::string_view etag, std::int64_t modified_ms);
// If-None-Match against `etag` by weak comparison; "*" matches.
bool etag_matches(std::string_view if_none_match, std::string_view etag);

}  // namespace sv::net
