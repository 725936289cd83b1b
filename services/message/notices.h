#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"
#include "services/message/pages.h"
#include "services/message/rules.h"

namespace sv::message {

// Someone is to hear that `actors` did something: oldest first, user 0 for what the system did.
// `object` is what groups are of, `fact` tells one actor's acts on it apart.
struct Notice {
  UserId user{};
  Kind kind{};
  std::int64_t object = 0;
  VideoId video{};
  std::int64_t related = 0;
  std::vector<UserId> actors{};
  std::int64_t fact = 0;
  std::int64_t time_ms = 0;
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
                                  const std::vector<UserId>& fresh) const;
  Result<> leave_group(sql::Tx& tx, std::int64_t group, UserId actor) const;
  void changed(sql::Tx& tx, UserId user) const;

  IdSource& ids_;
  Generations& generations_;
};

}  // namespace sv::message
