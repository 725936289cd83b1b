#include "services/social/fsck.h"

namespace sv::social {
namespace {

// Everyone at that end of an edge, or with a row of counters.
#define SV_PEOPLE(column, counter, kind)                                                           \
  "SELECT CAST(id AS text), stored, counted FROM (SELECT p.id AS id, coalesce(c." counter          \
  ", 0) AS stored, "                                                                               \
  "(SELECT count(*) FROM social_edges e WHERE e." column " = p.id AND e.kind = " kind              \
  ") AS counted "                                                                                  \
  "FROM (SELECT " column                                                                           \
  " AS id FROM social_edges UNION SELECT user_id FROM social_counts) p LEFT JOIN social_counts c " \
  "ON c.user_id = p.id) x "                                                                        \
  "WHERE stored <> counted ORDER BY id"

constexpr DriftCheck kChecks[] = {
    {"following of user", SV_PEOPLE("user_id", "following", "1")},
    {"followers of user", SV_PEOPLE("target_id", "followers", "1")},
    {"friends of user", SV_PEOPLE("user_id", "friends", "5")},
    {"requests of user", SV_PEOPLE("target_id", "requests", "2")},
    {"blocked by user", SV_PEOPLE("user_id", "blocked", "3")},
    {"muted by user", SV_PEOPLE("user_id", "muted", "4")},
};

}  // namespace

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers = R"(
      SELECT user_id
      FROM social_edges
      UNION
      SELECT target_id
      FROM social_edges
      UNION
      SELECT user_id
      FROM social_counts)";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  co_return co_await sv::find_drift(db, kChecks);
}

}  // namespace sv::social
