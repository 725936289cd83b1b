#include "services/parts/gone_people.h"

#include <fmt/format.h>

namespace sv {

GonePeople::GonePeople(std::string_view table)
    : add_(fmt::format("INSERT INTO {} (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING",
                       table)),
      find_(fmt::format("SELECT user_id FROM {} WHERE user_id = $1 OR user_id = $2", table)) {}

Result<> GonePeople::add(sql::Tx& tx, UserId user) const {
  SV_CHECK(tx.execute(add_, {user}));
  return {};
}

Result<bool> GonePeople::has(sql::Tx& tx, UserId user) const {
  SV_TRY(const sql::Rows rows, tx.query(find_, {user, user}));
  return !rows.empty();
}

Result<> GonePeople::check(sql::Tx& tx, UserId caller, UserId other) const {
  SV_TRY(const sql::Rows rows, tx.query(find_, {caller, other}));
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows.i64(i, 0) == caller.value) return fail(Errc::unauthenticated);
  if (!rows.empty()) return fail(Errc::not_found, "user_not_found");
  return {};
}

}  // namespace sv
