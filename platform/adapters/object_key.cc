#include "platform/adapters/object_key.h"

#include <fmt/format.h>

namespace sv {

static bool is_object_key(std::string_view key) {
  if (key.empty() || key.size() > 512) return false;
  bool start = true;
  for (char c : key) {
    if (c == '/') {
      if (start) return false;
      start = true;
      continue;
    }
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
          (c == '.' && !start)))
      return false;
    start = false;
  }
  return !start;
}

Result<> check_object_key(std::string_view key) {
  if (is_object_key(key)) return {};
  return fail(Errc::internal, "object_key", fmt::format("not an object key: {}", key));
}

}  // namespace sv
