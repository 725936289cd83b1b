#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "platform/ports/cache.h"

namespace sv::testing {

// Listens to a channel of a cache, and waits for what it shall hear.
class Ear {
 public:
  Cache::Listener listener() {
    return {.heard = [this](std::string_view message) { note(std::string(message)); },
            .missed = [this] { begin(); }};
  }
  // Whether it was told so many times that it listens; false after a while.
  bool begun(int times) {
    return wait([&] { return begun_ >= times; });
  }
  // Whether it has heard exactly these; false after a while.
  bool heard(const std::vector<std::string>& messages) {
    return wait([&] { return heard_ == messages; });
  }

 private:
  template <class Condition>
  bool wait(Condition so) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(15), so);
  }
  void note(std::string message) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(message));
    changed_.notify_all();
  }
  void begin() {
    const std::lock_guard lock(mutex_);
    ++begun_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> heard_;
  int begun_ = 0;
};

}  // namespace sv::testing
