#include "services/social/fsck.h"

#include <fmt/format.h>

#include "services/social/store.h"

namespace sv::social {
namespace {

// Everyone at that end of an edge of kind $1, or with a row of counters.
std::string of_people(std::string_view column, std::string_view counter) {
  return fmt::format(R"(
    SELECT CAST(id AS text), stored, counted
    FROM (SELECT p.id AS id, coalesce(c.{1}, 0) AS stored,
            (SELECT count(*) FROM social_edges e WHERE e.{0} = p.id AND e.kind = $1) AS counted
        FROM (SELECT {0} AS id FROM social_edges UNION SELECT user_id FROM social_counts) p
        LEFT JOIN social_counts c ON c.user_id = p.id) x
    WHERE stored <> counted
    ORDER BY id)",
                     column, counter);
}

std::vector<DriftCheck> checks() {
  constexpr std::string_view kFrom = "user_id", kTo = "target_id";
  return {
      {.counter = "following of user",
       .sql = of_people(kFrom, "following"),
       .params = {Kind::follow}},
      {.counter = "followers of user",
       .sql = of_people(kTo, "followers"),
       .params = {Kind::follow}},
      {.counter = "friends of user", .sql = of_people(kFrom, "friends"), .params = {Kind::friends}},
      {.counter = "requests of user", .sql = of_people(kTo, "requests"), .params = {Kind::request}},
      {.counter = "blocked by user", .sql = of_people(kFrom, "blocked"), .params = {Kind::block}},
      {.counter = "muted by user", .sql = of_people(kFrom, "muted"), .params = {Kind::mute}}};
}

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
  SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  co_return co_await sv::find_drift(db, checks());
}

}  // namespace sv::social
