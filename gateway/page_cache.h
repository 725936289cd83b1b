#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "gateway/content.h"
#include "platform/core/revision.h"

namespace sv::gateway {

// Values that are true while the content revision they were made at stands and for at most
// `max_age`. Bounded by bytes: a full shard is emptied, which costs making
// its values once more. Thread-safe.
template <class V>
class FreshCache {
 public:
  using Time = std::chrono::steady_clock::time_point;

  FreshCache(const ContentRevision& revision, std::size_t max_bytes,
             std::chrono::milliseconds max_age)
      : revision_(revision), max_age_(max_age), shard_bytes_(max_bytes / kShards) {}

  std::uint64_t revision() const { return revision_.value(); }

  // Null: absent or stale.
  std::shared_ptr<const V> find(std::string_view kind, std::string_view name, Time now) const {
    return find(kind, name, now, max_age_);
  }
  // One that has been stale for a while too, as far as it has not been displaced.
  std::shared_ptr<const V> find(std::string_view kind, std::string_view name, Time now,
                                std::chrono::milliseconds max_age) const {
    const std::uint64_t key = hash(kind, name);
    const Shard& shard = shards_[key % kShards];
    std::lock_guard lock(shard.mutex);
    const auto it = shard.entries.find(key);
    if (it == shard.entries.end()) return nullptr;
    const Entry& e = it->second;
    if (e.revision != revision_.value() || now - e.made > max_age || e.kind != kind ||
        e.name != name)
      return nullptr;
    return e.value;
  }

  // `made_at` is the revision read before the value was made, so that a change in between makes it
  // stale at once. `bytes` is the value's size.
  std::shared_ptr<const V> put(std::string_view kind, std::string_view name, std::uint64_t made_at,
                               Time now, V v, std::size_t bytes) {
    auto value = std::make_shared<const V>(std::move(v));
    bytes += kind.size() + name.size() + sizeof(Entry);
    if (bytes > shard_bytes_) return value;
    const std::uint64_t key = hash(kind, name);
    Shard& shard = shards_[key % kShards];
    std::lock_guard lock(shard.mutex);
    if (shard.bytes + bytes > shard_bytes_) {
      shard.entries.clear();
      shard.bytes = 0;
    }
    Entry& entry = shard.entries[key];  // by hash: a collision replaces
    shard.bytes = shard.bytes - entry.bytes + bytes;
    entry = Entry{.kind = std::string(kind),
                  .name = std::string(name),
                  .revision = made_at,
                  .made = now,
                  .value = value,
                  .bytes = bytes};
    return value;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct Entry {
    std::string kind, name;
    std::uint64_t revision = 0;
    Time made;
    std::shared_ptr<const V> value;
    std::size_t bytes = 0;
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::uint64_t, Entry> entries;
    std::size_t bytes = 0;
  };
  static std::uint64_t hash(std::string_view kind, std::string_view name) {
    const std::hash<std::string_view> h;
    return h(kind) * 0x9E3779B97F4A7C15ULL ^ h(name);
  }

  const ContentRevision& revision_;
  const std::chrono::milliseconds max_age_;
  const std::size_t shard_bytes_;
  std::array<Shard, kShards> shards_;
};

// A rendered answer for guests: a hot page costs one hash look-up and one write.
struct Page {
  std::string headers;  // the handler's own lines
  std::string body;
  std::string etag;  // quoted
  std::shared_ptr<Zipped> zipped = std::make_shared<Zipped>();
};
using PageCache = FreshCache<Page>;

// A quoted strong entity tag of these bytes.
std::string etag_of(std::string_view bytes);

}  // namespace sv::gateway
