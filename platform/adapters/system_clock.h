#pragma once

#include <chrono>

#include "platform/core/time.h"
#include "platform/ports/clock.h"

namespace sv {

class SystemClock final : public Clock {
 public:
  std::int64_t now_ms() const override { return wall_now_ms(); }
  std::int64_t monotonic_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace sv
