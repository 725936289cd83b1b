#pragma once

#include <string_view>

#include "platform/core/error.h"

namespace sv {

// Segments of [a-z0-9._-] that do not begin with a dot, ≤ 512 bytes in all, so no key leaves its
// store's root or meets the store's own folders. Errc::internal for any other.
Result<> check_object_key(std::string_view key);

}  // namespace sv
