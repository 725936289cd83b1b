#pragma once

#include <cstdint>

namespace sv {

// The time that rules decide by: UTC milliseconds since 1970. Thread-safe. Tests use ManualClock
// (platform/testing).
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ms() const = 0;
};

}  // namespace sv
