#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace sv {

// The values that were asked for lately, a bounded number, the longest unused go first. Values are
// copied out, so they are pointers to immutable objects or small. Thread-safe. A value that was
// read before a change was committed never comes in after it: take stamp() before the read and hand
// it to put().
template <class Key, class Value, class Hash = std::hash<Key>>
class ObjectCache {
 public:
  explicit ObjectCache(std::size_t capacity = 65'536)
      : per_shard_(std::max<std::size_t>(1, capacity / kShards)) {}

  std::optional<Value> find(const Key& key) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    auto it = s.places.find(key);
    if (it == s.places.end()) return std::nullopt;
    s.entries.splice(s.entries.begin(), s.entries, it->second);
    return it->second->second;
  }

  std::uint64_t stamp() const { return changes_.load(); }

  void put(std::uint64_t stamp, const Key& key, Value value) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (stamp < s.changed) return;
    if (auto it = s.places.find(key); it != s.places.end()) {
      it->second->second = std::move(value);
      return;
    }
    s.entries.emplace_front(key, std::move(value));
    s.places.emplace(key, s.entries.begin());
    if (s.entries.size() > per_shard_) {
      s.places.erase(s.entries.back().first);
      s.entries.pop_back();
    }
  }

  // After a commit that changed it: the next find() misses.
  void erase(const Key& key) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    s.changed = changes_.fetch_add(1) + 1;
    auto it = s.places.find(key);
    if (it == s.places.end()) return;
    s.entries.erase(it->second);
    s.places.erase(it);
  }

  // After a commit whose effect on a present value is known: change(Value&). What is being read
  // meanwhile does not come in.
  template <class F>
  void update(const Key& key, F&& change) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    s.changed = changes_.fetch_add(1) + 1;
    if (auto it = s.places.find(key); it != s.places.end()) change(it->second->second);
  }

 private:
  static constexpr std::size_t kShards = 16;
  using Entry = std::pair<const Key, Value>;
  struct alignas(64) Shard {
    std::mutex mutex;
    std::uint64_t changed = 0;  // stamp of the last change here
    std::list<Entry> entries;
    std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> places;
  };

  // Mixed, for std::hash of an id is the id and ids share their low bits.
  Shard& shard(const Key& key) { return shards_[(Hash{}(key) * 0x9E3779B97F4A7C15ULL) >> 60]; }

  const std::size_t per_shard_;
  std::atomic<std::uint64_t> changes_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace sv
