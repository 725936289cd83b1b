#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"
#include "services/message/pages.h"
#include "services/message/rules.h"

namespace sv::message {

// What one person did; user 0 for the system. `fact` tells an actor's acts on one object apart.
struct Act {
  UserId actor{};
  std::int64_t related = 0;
  std::int64_t fact = 0;
  std::int64_t time_ms = 0;
};
// Someone is to hear of acts on `object`, which is what groups are of, oldest first.
struct Notice {
  UserId user{};
  Kind kind{};
  std::int64_t object = 0;
  VideoId video{};
  std::vector<Act> acts{};
};

// The changes to groups of notifications, each inside a transaction. What was told once is not told
// again, whatever became of its group. Thread-safe.
class Notices {
 public:
  Notices(IdSource& ids, Generations& generations) : ids_(ids), generations_(generations) {}

  // `off`: the bits of the settings that the user has switched off.
  Result<> add(sql::Tx& tx, const Notice& notice, std::int64_t off) const;
  // Up to 200 of the acts of `actor` (on `user`, 0: on anyone) and their part in groups; true when
  // there are more.
  Result<bool> forget_some(sql::Tx& tx, UserId actor, UserId user) const;
  Result<> forget_user(sql::Tx& tx, UserId user) const;

 private:
  Result<std::int64_t> join_group(sql::Tx& tx, const Notice& notice,
                                  const std::vector<Act>& fresh) const;
  Result<> leave_group(sql::Tx& tx, std::int64_t group, UserId actor) const;
  void changed(sql::Tx& tx, UserId user) const;

  IdSource& ids_;
  Generations& generations_;
};

}  // namespace sv::message
