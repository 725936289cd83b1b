#pragma once

#include "platform/core/time.h"
#include "platform/ports/clock.h"

namespace sv {

class SystemClock final : public Clock {
 public:
  std::int64_t now_ms() const override { return wall_now_ms(); }
};

}  // namespace sv
