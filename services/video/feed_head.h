#pragma once

#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "platform/core/cursor.h"
#include "platform/core/ids.h"

namespace sv::video {

// The newest end of the feed, as ids. Thread-safe; immutable once shared. A page that was read
// before a change was committed never comes in after it: take stamp() before the read and hand it
// to put().
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

// Before the first entry of every list.
constexpr auto kFarFuture = std::numeric_limits<std::int64_t>::max();
constexpr FeedHead::Entry kStartOfList{.publish_time = kFarFuture, .id = VideoId(kFarFuture)};

// A page is refilled for what its viewer may not see this many times: who hides nearly everyone
// gets a short page with a cursor.
constexpr int kRefills = 20;

inline FeedHead::Entry entry_of(const std::optional<Cursor>& cursor) {
  return cursor ? FeedHead::Entry{.publish_time = cursor->key, .id = VideoId(cursor->id)}
                : kStartOfList;
}

inline std::vector<VideoId> ids_of(const std::vector<FeedHead::Entry>& entries) {
  std::vector<VideoId> ids;
  for (const auto& e : entries) ids.push_back(e.id);
  return ids;
}

// The newest end of another list of listed videos: good while FeedHead::stamp() is this, for it
// changes with every listed video.
struct ListHead {
  std::uint64_t stamp = 0;
  std::shared_ptr<const FeedHead::Page> page;
};

}  // namespace sv::video
