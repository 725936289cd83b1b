#pragma once

#include <cstdint>

namespace sv {

// New ids: unique for ever, rising in time, < 2^53 so that every JSON client reads them exactly.
// 36 bits of 10 ms since 2025-01-01, 7 bits node, 10 bits sequence. Thread-safe; blocks for ≤ 10 ms
// when a node has used its 1,024 ids of a tick, and while the clock stands before a time already
// handed out.
class IdSource {
 public:
  virtual ~IdSource() = default;
  virtual std::int64_t next() = 0;
};

}  // namespace sv
