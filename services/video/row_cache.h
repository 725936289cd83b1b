#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>
#include <unordered_map>

#include "services/video/store.h"

namespace sv::video {

// The rows that were asked for lately, newest use first, a bounded number. Thread-safe. A row that was read before a change was
// committed never comes in after it: take stamp() before the read and hand it to put().
class RowCache {
 public:
  explicit RowCache(std::size_t capacity = 65'536) : per_shard_(capacity / kShards) {}

  VideoPtr find(VideoId id) {
    Shard& s = shard(id);
    std::lock_guard lock(s.mutex);
    auto it = s.places.find(id);
    if (it == s.places.end()) return {};
    s.rows.splice(s.rows.begin(), s.rows, it->second);
    return s.rows.front();
  }

  std::uint64_t stamp() const { return changes_.load(); }

  void put(std::uint64_t stamp, VideoPtr row) {
    Shard& s = shard(row->id);
    std::lock_guard lock(s.mutex);
    if (stamp < s.changed) return;
    auto it = s.places.find(row->id);
    if (it != s.places.end()) {
      *it->second = std::move(row);
      return;
    }
    s.rows.push_front(std::move(row));
    s.places[s.rows.front()->id] = s.rows.begin();
    if (s.rows.size() > per_shard_) {
      s.places.erase(s.rows.back()->id);
      s.rows.pop_back();
    }
  }

  void erase(VideoId id) {
    Shard& s = shard(id);
    std::lock_guard lock(s.mutex);
    s.changed = changes_.fetch_add(1) + 1;
    auto it = s.places.find(id);
    if (it == s.places.end()) return;
    s.rows.erase(it->second);
    s.places.erase(it);
  }

  // New totals; the row stays.
  void set_views(VideoId id, std::int64_t raw, std::int64_t counted) {
    Shard& s = shard(id);
    std::lock_guard lock(s.mutex);
    s.changed = changes_.fetch_add(1) + 1;
    auto it = s.places.find(id);
    if (it == s.places.end()) return;
    (*it->second)->views->raw = raw;
    (*it->second)->views->counted = counted;
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct Shard {
    std::mutex mutex;
    std::uint64_t changed = 0;  // stamp of the last change here
    std::list<VideoPtr> rows;
    std::unordered_map<VideoId, std::list<VideoPtr>::iterator> places;
  };

  Shard& shard(VideoId id) { return shards_[std::hash<VideoId>{}(id) % kShards]; }

  const std::size_t per_shard_;
  std::atomic<std::uint64_t> changes_{0};
  std::array<Shard, kShards> shards_;
};

// The newest end of the feed, as ids. Thread-safe; immutable once shared. Same rule of stamps.
class FeedHead {
 public:
  struct Entry {
    std::int64_t publish_time = 0;
    VideoId id;
  };
  struct Page {
    std::vector<Entry> entries;  // newest first
    bool complete = false;       // there are no older ones
  };

  std::shared_ptr<const Page> find() const {
    std::lock_guard lock(mutex_);
    return page_;
  }
  std::uint64_t stamp() const {
    std::lock_guard lock(mutex_);
    return changes_;
  }
  void put(std::uint64_t stamp, std::shared_ptr<const Page> page) {
    std::lock_guard lock(mutex_);
    if (stamp == changes_) page_ = std::move(page);
  }
  void clear() {
    std::lock_guard lock(mutex_);
    ++changes_;
    page_.reset();
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t changes_ = 0;
  std::shared_ptr<const Page> page_;
};

}  // namespace sv::video
