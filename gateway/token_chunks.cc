#include "gateway/token_chunks.h"

#include <algorithm>
#include <utility>

namespace sv::gateway {

std::int64_t TokenChunks::size(double rate, std::int64_t burst) {
  return std::max<std::int64_t>(1, std::min(burst / 10, static_cast<std::int64_t>(rate)));
}

std::optional<Cache::Taken> TokenChunks::spend(std::string_view key) {
  Shard& s = shard(key);
  const std::lock_guard lock(s.mutex);
  const auto at = s.chunks.find(key);
  if (at == s.chunks.end()) return std::nullopt;
  Chunk& chunk = at->second;
  --chunk.left;
  Cache::Taken out = chunk.last;
  out.remaining += chunk.left;
  if (chunk.left == 0) s.chunks.erase(at);
  return out;
}

Cache::Taken TokenChunks::keep(std::string_view key, Cache::Taken taken, std::int64_t tokens) {
  if (!taken.allowed || tokens <= 1) return taken;
  Shard& s = shard(key);
  const std::lock_guard lock(s.mutex);
  if (s.chunks.size() >= kCallers && !s.chunks.contains(key)) s.chunks.clear();
  Chunk& chunk = s.chunks[std::string(key)];
  chunk.left += tokens - 1;
  chunk.last = taken;
  taken.remaining += chunk.left;
  return taken;
}

}  // namespace sv::gateway
