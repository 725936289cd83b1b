#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "platform/ports/clock.h"

namespace sv::testing {

// Stands still until told. 2026-01-01T00:00:00Z unless given.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t ms = 1'767'225'600'000) : ms_(ms) {}
  std::int64_t now_ms() const override { return ms_.load(); }
  std::int64_t monotonic_ms() const override { return passed_.load(); }
  void advance(std::chrono::milliseconds by) {
    ms_ += by.count();
    passed_ += std::max<std::int64_t>(by.count(), 0);
  }
  void set(std::int64_t ms) { ms_ = ms; }

 private:
  std::atomic<std::int64_t> ms_;
  std::atomic<std::int64_t> passed_{1};
};

}  // namespace sv::testing
