#include "services/social/fsck.h"

namespace sv::social {

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers =
      "SELECT user_id FROM social_edges UNION SELECT target_id FROM social_edges UNION SELECT user_id FROM social_counts";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  // One statement, so that it may run beside writes.
  constexpr std::string_view kDrift =
      "SELECT u.id, u.counter, u.stored, u.counted FROM ("
      "SELECT p.id AS id, 'following' AS counter, coalesce(c.following, 0) AS stored, "
      "(SELECT count(*) FROM social_edges e WHERE e.user_id = p.id AND e.kind = 1) AS counted "
      "FROM (SELECT user_id AS id FROM social_edges UNION SELECT user_id FROM social_counts) p LEFT JOIN social_counts c ON c.user_id = p.id "
      "UNION ALL SELECT p.id, 'followers', coalesce(c.followers, 0), "
      "(SELECT count(*) FROM social_edges e WHERE e.target_id = p.id AND e.kind = 1) "
      "FROM (SELECT target_id AS id FROM social_edges UNION SELECT user_id FROM social_counts) p LEFT JOIN social_counts c ON c.user_id = p.id "
      "UNION ALL SELECT p.id, 'friends', coalesce(c.friends, 0), "
      "(SELECT count(*) FROM social_edges e WHERE e.user_id = p.id AND e.kind = 5) "
      "FROM (SELECT user_id AS id FROM social_edges UNION SELECT user_id FROM social_counts) p LEFT JOIN social_counts c ON c.user_id = p.id"
      ") u WHERE u.stored <> u.counted";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(kDrift));
  std::vector<Drift> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({.user = UserId(rows.i64(i, 0)), .counter = rows.text(i, 1), .stored = rows.i64(i, 2), .counted = rows.i64(i, 3)});
  co_return out;
}

}  // namespace sv::social
