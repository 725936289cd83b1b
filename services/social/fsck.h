#pragma once

#include <string>
#include <vector>

#include "platform/core/ids.h"
#include "platform/core/task.h"
#include "platform/ports/sql.h"

namespace sv::social {

// Everyone whose data are in this service's tables: of them `shortvideo fsck` asks whether their accounts exist.
Task<Result<std::vector<UserId>>> users_in(sql::Database& db);

// A counter that is not what its edges say: the user and which one. There are none, for both change in one transaction.
struct Drift {
  UserId user;
  std::string counter;
  std::int64_t stored = 0, counted = 0;
};
Task<Result<std::vector<Drift>>> find_drift(sql::Database& db);

}  // namespace sv::social
