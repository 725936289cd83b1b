#pragma once

#include <cstdint>

namespace sv {

// Thread-safe. Tests use ManualClock (platform/testing).
class Clock {
 public:
  virtual ~Clock() = default;
  // The time that rules decide by: UTC milliseconds since 1970.
  virtual std::int64_t now_ms() const = 0;
  // For ages: never goes back, and says nothing to another process.
  virtual std::int64_t monotonic_ms() const = 0;
};

}  // namespace sv
