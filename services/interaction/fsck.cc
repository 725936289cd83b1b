#include "services/interaction/fsck.h"

namespace sv::interaction {
namespace {

#define SV_ALIVE                                                                                   \
  "c.deleted = 0 AND (c.root_id = 0 OR EXISTS (SELECT 1 FROM interaction_comments r WHERE r.id = " \
  "c.root_id AND r.deleted = 0))"
#define SV_OF_VIDEO(column, count)                                                    \
  "SELECT CAST(id AS text), stored, counted FROM (SELECT v.video_id AS id, v." column \
  " AS stored, (" count                                                               \
  ") AS counted FROM interaction_videos v "                                           \
  "WHERE v.gone = 0) x WHERE stored <> counted ORDER BY id"
#define SV_EDGES_OF(kind, object) \
  "SELECT count(*) FROM interaction_edges e WHERE e.object_id = " object " AND e.kind = " kind

#define SV_RECEIVED(column)                                                             \
  "SELECT CAST(id AS text), stored, counted FROM (SELECT p.user_id AS id, p." column    \
  " AS stored, coalesce(s.n, 0) AS counted FROM interaction_people p "                  \
  "LEFT JOIN (SELECT author_id, sum(" column                                            \
  ") AS n FROM interaction_videos GROUP BY author_id) s ON s.author_id = p.user_id) x " \
  "WHERE stored <> counted ORDER BY id"

constexpr DriftCheck kChecks[] = {
    {"likes of video", SV_OF_VIDEO("likes", SV_EDGES_OF("1", "v.video_id"))},
    {"stars of video", SV_OF_VIDEO("stars", SV_EDGES_OF("2", "v.video_id"))},
    {"comments of video", SV_OF_VIDEO("comments", R"(
        SELECT count(*)
        FROM interaction_comments c
        WHERE c.video_id = v.video_id AND )" SV_ALIVE)},
    {"likes received by user", SV_RECEIVED("likes")},
    {"comments received by user", SV_RECEIVED("comments")},
    {"likes of comment", R"(
        SELECT CAST(id AS text), stored, counted
        FROM (SELECT c.id AS id, c.likes AS stored, ()" SV_EDGES_OF(
                             "3", "c.id") ") AS counted FROM interaction_comments c WHERE "
                                          "c.deleted = 0) x WHERE stored <> counted ORDER BY id"},
    {"replies of comment",
     R"(
         SELECT CAST(id AS text), stored, counted
         FROM (SELECT c.id AS id, c.replies AS stored,
             (SELECT count(*) FROM interaction_comments r WHERE r.root_id = c.id
             AND r.root_id <> 0 AND r.deleted = 0) AS counted FROM interaction_comments c
             WHERE c.deleted = 0 AND c.root_id = 0) x
         WHERE stored <> counted
         ORDER BY id)"},
};

}  // namespace

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers = R"(
      SELECT user_id
      FROM interaction_edges
      UNION
      SELECT user_id
      FROM interaction_comments
      WHERE deleted = 0
      UNION
      SELECT user_id
      FROM interaction_shares
      UNION
      SELECT user_id
      FROM interaction_requests
      UNION
      SELECT user_id
      FROM interaction_reports
      WHERE user_id IS NOT NULL)";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  co_return co_await sv::find_drift(db, kChecks);
}

}  // namespace sv::interaction
