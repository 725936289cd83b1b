#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/core/task.h"
#include "platform/ports/sql.h"

namespace sv::interaction {

// A counter that is not what its rows say. There are none: every change of one is in the transaction that changes the rows.
struct Drift {
  std::string counter;  // "likes of video 7"
  std::int64_t stored = 0, counted = 0;
};

// Counts everything again; each kind in one statement, so that it may run beside writes. Scans the tables: for operators and tests.
Task<Result<std::vector<Drift>>> find_drift(sql::Database& db);

}  // namespace sv::interaction
