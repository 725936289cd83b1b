#pragma once

#include <cstdint>

namespace sv {

// New ids: unique for ever, rising in time, < 2^53 so that every JSON client reads them exactly.
// 36 bits of 10 ms since 2025-01-01, 7 bits node, 10 bits sequence. Thread-safe. Never waits for a
// disk or a server as long as they are reached now and then; throws when none can be had.
class IdSource {
 public:
  virtual ~IdSource() = default;
  virtual std::int64_t next() = 0;
};

}  // namespace sv
