#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "platform/core/cursor.h"

// Whatever is accepted must be exactly what encode_cursor makes of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto cursor = sv::decode_cursor("feed", text);
  if (cursor && *cursor && sv::encode_cursor("feed", **cursor) != text) std::abort();
  return 0;
}
