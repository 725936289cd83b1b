#pragma once

#include <string>
#include <string_view>

#include "platform/core/ids.h"
#include "platform/ports/sql.h"

namespace sv {

// Whose account is deleted, in a table of each service that keeps something of people:
//   CREATE TABLE <table> (user_id {id});
// The purge begins by adding the person, so what was under way at that moment (a request waiting
// for another service, an upload that takes an hour) finds it and writes nothing after the purge.
// All belong into a transaction. Thread-safe.
class GonePeople {
 public:
  explicit GonePeople(std::string_view table);

  Result<> add(sql::Tx& tx, UserId user) const;
  Result<bool> has(sql::Tx& tx, UserId user) const;
  // Unauthenticated when `caller` is gone, user_not_found when `other` is; 0 is nobody.
  Result<> check(sql::Tx& tx, UserId caller, UserId other = {}) const;

 private:
  const std::string add_, find_;
};

}  // namespace sv
