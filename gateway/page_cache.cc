#include "gateway/page_cache.h"

#include <fmt/format.h>

namespace sv::gateway {

std::string etag_of(std::string_view bytes) {
  return fmt::format("\"{:x}-{:x}\"", bytes.size(), std::hash<std::string_view>{}(bytes));
}

}  // namespace sv::gateway
