#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "platform/core/ids.h"

namespace sv::video {

// The newest end of the feed, as ids. Thread-safe; immutable once shared. A page that was read before a change was
// committed never comes in after it: take stamp() before the read and hand it to put().
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

// The newest end of another list of listed videos: good while FeedHead::stamp() is this, for it changes with every listed video.
struct ListHead {
  std::uint64_t stamp = 0;
  std::shared_ptr<const FeedHead::Page> page;
};

}  // namespace sv::video
