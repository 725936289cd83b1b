#pragma once

#include <vector>

#include "platform/core/ids.h"
#include "platform/core/task.h"
#include "platform/ports/sql.h"
#include "services/parts/drift.h"

namespace sv::interaction {

// Everyone whose data are in this service's tables: of them `shortvideo fsck` asks whether their
// accounts exist.
Task<Result<std::vector<UserId>>> users_in(sql::Database& db);

// Counters that are not what their rows say: none.
Task<Result<std::vector<Drift>>> find_drift(sql::Database& db);

}  // namespace sv::interaction
