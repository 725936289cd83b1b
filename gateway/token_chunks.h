#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/ports/cache.h"

namespace sv::gateway {

// Tokens of buckets in a shared cache that this gateway took ahead, so that it asks the cache once
// for many requests of a caller. A bounded number of callers: a full shard is emptied, which costs
// them what they had left of a chunk. Thread-safe.
class TokenChunks {
 public:
  // How many to take at once: at most a tenth of the burst, and no more than come back in a second,
  // so that what is lost or lies at another gateway is little.
  static std::int64_t size(double rate, std::int64_t burst);

  // One of those at hand; none: ask the cache.
  std::optional<Cache::Taken> spend(std::string_view key);
  // What the cache gave for a chunk of `tokens`, of which one is spent now.
  Cache::Taken keep(std::string_view key, Cache::Taken taken, std::int64_t tokens);

 private:
  static constexpr std::size_t kShards = 16, kCallers = 65'536 / kShards;
  struct Chunk {
    std::int64_t left = 0;
    Cache::Taken last;  // the cache's answer; `remaining` is without what is left here
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Chunk, Hash, std::equal_to<>> chunks;
  };
  Shard& shard(std::string_view key) { return shards_[Hash{}(key) % kShards]; }

  std::array<Shard, kShards> shards_;
};

}  // namespace sv::gateway
