#pragma once

#include <filesystem>
#include <vector>

#include "platform/auth/key_ring.h"

namespace sv::auth {

// The keys of an embedded installation, in a text file in its data folder: one "kid secret" a line,
// the first one signs. Made on the first start with a fresh 256-bit secret (mode 0600, fsync of
// file and folder, atomic: a crash leaves the whole file or none).
// Errors say in `detail` which file and why: unreadable, readable by others, or no valid keys.
Result<std::vector<Key>> load_or_create_keys(const std::filesystem::path& file);

}  // namespace sv::auth
