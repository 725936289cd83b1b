#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "platform/adapters/redis_reply.h"
#include "platform/adapters/redis_slots.h"

namespace {

// Everything that is read of a stream, in words.
std::string read_all(std::string_view bytes, std::size_t at_once) {
  sv::RedisReader reader;
  std::string out;
  const auto tell = [&out](const auto& self, const sv::RedisReply& reply) -> void {
    out += std::to_string(static_cast<int>(reply.kind)) + reply.text + std::to_string(reply.number);
    for (const auto& one : reply.list) self(self, one);
    (void)sv::redis_redirect(reply, {.host = "h", .port = "1"});
    (void)sv::redis_ranges(reply, {.host = "h", .port = "1"});
  };
  while (!bytes.empty()) {
    const auto some = bytes.substr(0, at_once);
    bytes.remove_prefix(some.size());
    reader.feed(some);
    for (;;) {
      const auto next = reader.next();
      if (!next) return out + "broken";
      if (!*next) break;
      tell(tell, **next);
    }
  }
  return out;
}

}  // namespace

// However the bytes are cut, they say the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = read_all(bytes, size == 0 ? 1 : size);
  if (read_all(bytes, 1) != whole || read_all(bytes, 7) != whole) std::abort();
  return 0;
}
