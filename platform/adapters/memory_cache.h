#pragma once

#include <cstddef>
#include <memory>

#include "platform/ports/cache.h"

namespace sv {

struct MemoryCacheOptions {
  std::size_t bytes = 256u << 20;  // of keys and values together; the least recently used go first
  bool shared = false;             // by several gateways in this process (tests)
};

// The cache of one process. Rate limits of 65,536 callers are remembered, whoever came last.
std::unique_ptr<Cache> make_memory_cache(MemoryCacheOptions options);

}  // namespace sv
