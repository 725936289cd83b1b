#include "services/user/fsck.h"

#include <algorithm>

namespace sv::user {

Task<Result<std::vector<UserId>>> without_account(sql::Database& db, const Clock& clock,
                                                  std::vector<UserId> ids) {
  constexpr std::size_t kBatch = 1000;
  constexpr std::int64_t kPurgeMs = 3600'000;
  // primary keys
  constexpr std::string_view kKnown = R"(
      SELECT id
      FROM user_account
      WHERE id = any($1)
      UNION
      SELECT id
      FROM user_deleted
      WHERE id = any($1) AND deleted_ms > $2)";
  std::vector<UserId> out;
  for (std::size_t at = 0; at < ids.size(); at += kBatch) {
    std::vector<std::int64_t> some;
    for (std::size_t i = at; i < std::min(ids.size(), at + kBatch); ++i)
      if (ids[i]) some.push_back(ids[i].value);
    SV_CO_TRY(const sql::Rows rows,
              co_await db.query(Ctx{}, kKnown, {some, clock.now_ms() - kPurgeMs}));
    std::vector<std::int64_t> known;
    for (std::size_t i = 0; i < rows.size(); ++i) known.push_back(rows.i64(i, 0));
    std::ranges::sort(known);
    for (std::int64_t id : some)
      if (!std::ranges::binary_search(known, id)) out.emplace_back(id);
  }
  co_return out;
}

}  // namespace sv::user
