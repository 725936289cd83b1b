#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "platform/core/ctx.h"
#include "platform/ports/clock.h"

namespace sv {

// How long what was read is good. 0: for ever, as long as no other process writes the database.
struct Memory {
  const Clock& clock;
  std::chrono::milliseconds age{0};
  Service owner{};  // who reads it
};

// The values that were asked for lately, a bounded number, the longest unused go first. Values are
// copied out, so they are pointers to immutable objects or small. Thread-safe. A value that was
// read before a change of its key was committed here never comes in after it, and one that was read
// longer than Memory::age ago is not found: take stamp() before the read and hand it to put().
template <class Key, class Value, class Hash = std::hash<Key>>
class ObjectCache {
 public:
  struct Stamp {
    std::uint64_t changes = 0;
    std::int64_t read_ms = 0;  // monotonic
  };

  explicit ObjectCache(const Memory& memory, std::size_t capacity = 65'536)
      : memory_(memory), per_shard_(std::max<std::size_t>(1, capacity / kShards)) {}

  // Nothing for a caller who must see what he wrote through another process (Ctx::fresh).
  std::optional<Value> find(const Ctx& ctx, const Key& key) {
    if (memory_.age.count() != 0 && ctx.fresh.contains(memory_.owner)) return std::nullopt;
    const std::int64_t oldest = oldest_ms();
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    auto it = s.places.find(key);
    if (it == s.places.end() || it->second->read_ms < oldest) return std::nullopt;
    s.entries.splice(s.entries.begin(), s.entries, it->second);
    return it->second->value;
  }

  Stamp stamp() const {
    return {.changes = changes_.load(),
            .read_ms = memory_.age.count() == 0 ? 0 : memory_.clock.monotonic_ms()};
  }

  void put(const Stamp& stamp, const Key& key, Value value) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (s.changed_since(stamp.changes, key)) return;
    if (auto it = s.places.find(key); it != s.places.end()) {
      if (stamp.read_ms < it->second->read_ms) return;  // a slower read of what was before
      it->second->value = std::move(value);
      it->second->read_ms = stamp.read_ms;
      return;
    }
    s.entries.push_front({key, std::move(value), stamp.read_ms});
    s.places.emplace(key, s.entries.begin());
    if (s.entries.size() > per_shard_) {
      s.places.erase(s.entries.back().key);
      s.entries.pop_back();
    }
  }

  // After a commit that changed it: the next find() misses.
  void erase(const Key& key) {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    s.changed(key, changes_.fetch_add(1) + 1);
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
    s.changed(key, changes_.fetch_add(1) + 1);
    if (auto it = s.places.find(key); it != s.places.end()) change(it->second->value);
  }

 private:
  static constexpr std::size_t kShards = 16, kChanges = 1024;
  struct Entry {
    Key key;
    Value value;
    std::int64_t read_ms;
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::list<Entry> entries;
    std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> places;
    // By key, the last changes; of those before them is only known that they were not later.
    std::unordered_map<Key, std::uint64_t, Hash> changes;
    std::uint64_t floor = 0;

    void changed(const Key& key, std::uint64_t at) {
      if (changes.size() >= kChanges) {
        changes.clear();
        floor = at;
      }
      changes[key] = at;
    }
    bool changed_since(std::uint64_t stamp, const Key& key) const {
      if (stamp < floor) return true;
      const auto it = changes.find(key);
      return it != changes.end() && stamp < it->second;
    }
  };

  std::int64_t oldest_ms() const {
    return memory_.age.count() == 0 ? 0 : memory_.clock.monotonic_ms() - memory_.age.count();
  }
  // Mixed, for std::hash of an id is the id and ids share their low bits.
  Shard& shard(const Key& key) { return shards_[(Hash{}(key) * 0x9E3779B97F4A7C15ULL) >> 60]; }

  const Memory memory_;
  const std::size_t per_shard_;
  std::atomic<std::uint64_t> changes_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace sv
