#include "services/interaction/fsck.h"

#include <fmt/format.h>

#include "services/interaction/store.h"

namespace sv::interaction {
namespace {

// Comments c that count: living ones that are not below a deleted one.
constexpr std::string_view kLivingComments = R"(
    SELECT count(*)
    FROM interaction_comments c
    WHERE c.video_id = v.video_id AND c.deleted = 0
        AND (c.root_id = 0 OR EXISTS (SELECT 1 FROM interaction_comments r
            WHERE r.id = c.root_id AND r.deleted = 0)))";

std::string edges_of(std::string_view object) {
  return fmt::format(R"(
    SELECT count(*)
    FROM interaction_edges e
    WHERE e.object_id = {} AND e.kind = $1)",
                     object);
}

std::string of_video(std::string_view column, std::string_view counted) {
  return fmt::format(R"(
    SELECT CAST(id AS text), stored, counted
    FROM (SELECT v.video_id AS id, v.{} AS stored, ({}) AS counted
        FROM interaction_videos v
        WHERE v.gone = 0) x
    WHERE stored <> counted
    ORDER BY id)",
                     column, counted);
}

std::string received(std::string_view column) {
  return fmt::format(R"(
    SELECT CAST(id AS text), stored, counted
    FROM (SELECT p.user_id AS id, p.{0} AS stored, coalesce(s.n, 0) AS counted
        FROM interaction_people p
        LEFT JOIN (SELECT author_id, sum({0}) AS n FROM interaction_videos GROUP BY author_id) s
            ON s.author_id = p.user_id) x
    WHERE stored <> counted
    ORDER BY id)",
                     column);
}

std::string of_comment(std::string_view column, std::string_view counted) {
  return fmt::format(R"(
    SELECT CAST(id AS text), stored, counted
    FROM (SELECT c.id AS id, c.{} AS stored, ({}) AS counted
        FROM interaction_comments c
        WHERE c.deleted = 0) x
    WHERE stored <> counted
    ORDER BY id)",
                     column, counted);
}

// Replies have none.
constexpr std::string_view kLivingReplies = R"(
    SELECT count(*)
    FROM interaction_comments r
    WHERE r.root_id = c.id AND r.root_id <> 0 AND r.deleted = 0)";

std::vector<DriftCheck> checks() {
  return {{.counter = "likes of video",
           .sql = of_video("likes", edges_of("v.video_id")),
           .params = {Edge::like}},
          {.counter = "stars of video",
           .sql = of_video("stars", edges_of("v.video_id")),
           .params = {Edge::star}},
          {.counter = "comments of video", .sql = of_video("comments", kLivingComments)},
          {.counter = "likes received by user", .sql = received("likes")},
          {.counter = "comments received by user", .sql = received("comments")},
          {.counter = "likes of comment",
           .sql = of_comment("likes", edges_of("c.id")),
           .params = {Edge::comment_like}},
          {.counter = "replies of comment", .sql = of_comment("replies", kLivingReplies)}};
}

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
  SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  co_return co_await sv::find_drift(db, checks());
}

}  // namespace sv::interaction
