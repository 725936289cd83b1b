#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/task.h"
#include "platform/ports/sql.h"

namespace sv {

// A counter that is not what its rows say. There are none: every change of one is in the
// transaction that changes the rows.
struct Drift {
  std::string counter;  // "likes of video 7"
  std::int64_t stored = 0, counted = 0;
};

struct DriftCheck {
  std::string_view counter;  // "likes of video"
  std::string sql;  // (whose: text, stored, counted) of those that differ; one statement, so that
                    // it may run beside writes
  sql::Params params = {};
};

// Counts everything again. Scans the tables: for operators and tests.
Task<Result<std::vector<Drift>>> find_drift(sql::Database& db, std::vector<DriftCheck> checks);

}  // namespace sv
