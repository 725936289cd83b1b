#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "platform/net/range.h"
#include "platform/net/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::uint64_t object = 0;
  if (size < sizeof object) return 0;
  std::memcpy(&object, data, sizeof object);
  std::string_view text(reinterpret_cast<const char*>(data + sizeof object), size - sizeof object);
  auto range = sv::net::parse_range(text, object);
  if (range.kind == sv::net::ByteRange::Kind::part &&
      (range.length == 0 || range.offset >= object || range.length > object - range.offset))
    std::abort();
  (void)sv::net::if_range_matches(text, "\"a\"", 1);
  (void)sv::net::etag_matches(text, "\"a\"");
  (void)sv::net::decode_path(text);
  (void)sv::net::parse_query(text);
  return 0;
}
