#pragma once

#include <vector>

#include "platform/core/ids.h"
#include "platform/core/task.h"
#include "platform/ports/clock.h"
#include "platform/ports/sql.h"

namespace sv::user {

// Those of `ids` that are no account. An account that was deleted less than an hour ago is not
// among them: its traces are being purged.
Task<Result<std::vector<UserId>>> without_account(sql::Database& db, const Clock& clock,
                                                  std::vector<UserId> ids);

}  // namespace sv::user
