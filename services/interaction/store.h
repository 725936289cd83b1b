#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "idl/common.h"
#include "platform/core/ids.h"
#include "platform/ports/sql.h"

// The SQL of the tables that this service owns: interaction_edges, _videos, _people, _comments,
// _rankings, _shares, _reports, _requests.
namespace sv::interaction {

enum class Edge : std::int64_t { like = 1, star = 2, comment_like = 3 };
inline std::int64_t num(Edge kind) { return static_cast<std::int64_t>(kind); }

struct VideoCounts {
  VideoId id{};
  UserId author{};
  std::int64_t likes = 0, comments = 0, stars = 0, shares = 0;
  bool gone = false;          // deleted: it takes nothing more
  std::int64_t revision = 0;  // 0: there is no row yet
};

// What a person's videos received.
struct PersonCounts {
  UserId id{};
  std::int64_t likes = 0, comments = 0;
  std::int64_t revision = 0;
};

struct CommentRow {
  CommentId id{};
  VideoId video{};
  UserId user{};
  CommentId root{}, reply_to{};  // 0: top level
  std::string content;
  std::int64_t created_ms = 0, likes = 0, replies = 0;
  bool deleted = false;
};
using CommentPtr = std::shared_ptr<const CommentRow>;

VideoCounts read_video(const sql::Rows& rows, std::size_t row);
PersonCounts read_person(const sql::Rows& rows, std::size_t row);
CommentPtr read_comment(const sql::Rows& rows, std::size_t row);

// The rank of a top-level comment: likes and replies count by their logarithm, and half a day
// outweighs a doubling of them.
std::int64_t heat(std::int64_t created_ms, std::int64_t likes, std::int64_t replies);

namespace store {

// -- Edges. Primary key unless another index is named.
inline constexpr std::string_view kAddEdge = R"(
    INSERT INTO interaction_edges (object_id, kind, user_id, at_ms)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING)";
inline constexpr std::string_view kRemoveEdge =
    "DELETE FROM interaction_edges WHERE object_id = $1 AND kind = $2 AND user_id = $3";
inline constexpr std::string_view kEdgesOf = R"(
    SELECT object_id, kind
    FROM interaction_edges
    WHERE object_id = any($1) AND kind = any($2) AND user_id = $3)";
// interaction_edges_recent, newest first.
inline constexpr std::string_view kRecent = R"(
    SELECT object_id, at_ms
    FROM interaction_edges
    WHERE user_id = $1 AND kind = $2 AND (at_ms, object_id) < ($3, $4)
    ORDER BY at_ms DESC, object_id DESC
    LIMIT $5)";
inline constexpr std::string_view kRecentCount =
    "SELECT count(*) FROM interaction_edges WHERE user_id = $1 AND kind = $2";
inline constexpr std::string_view kDropEdgesOfObjects = R"(
    DELETE FROM interaction_edges
    WHERE (object_id, kind, user_id) IN
        (SELECT object_id, kind, user_id FROM interaction_edges WHERE object_id = any($1)
        AND kind = any($2) LIMIT $3)
    RETURNING object_id, kind, user_id)";
// interaction_edges_recent
inline constexpr std::string_view kDropEdgesOfUser = R"(
    DELETE FROM interaction_edges
    WHERE (object_id, kind, user_id) IN
        (SELECT object_id, kind, user_id FROM interaction_edges WHERE user_id = $1 LIMIT $2)
    RETURNING object_id, kind, user_id)";

// -- Counters, by primary key. A change raises the revision, so that memory keeps the newest.
#define SV_VIDEO_COLUMNS "video_id, author_id, likes, comments, stars, shares, gone, revision"
inline constexpr std::string_view kVideos = R"(
    SELECT )" SV_VIDEO_COLUMNS R"(
    FROM interaction_videos
    WHERE video_id = any($1))";
inline constexpr std::string_view kAddToVideo = R"(
    INSERT INTO interaction_videos ()" SV_VIDEO_COLUMNS R"()
    VALUES ($1, $2, $3, $4, $5, $6, 0, 1)
    ON CONFLICT (video_id) DO UPDATE SET likes = interaction_videos.likes + excluded.likes,
        comments = interaction_videos.comments + excluded.comments,
        stars = interaction_videos.stars + excluded.stars,
        shares = interaction_videos.shares + excluded.shares,
        revision = interaction_videos.revision + 1
    WHERE interaction_videos.gone = 0)";
inline constexpr std::string_view kEndVideo = R"(
    INSERT INTO interaction_videos ()" SV_VIDEO_COLUMNS R"()
    VALUES ($1, $2, 0, 0, 0, 0, 1, 1)
    ON CONFLICT (video_id) DO UPDATE SET likes = 0, comments = 0, stars = 0, shares = 0,
        gone = 1, revision = interaction_videos.revision + 1)";
#undef SV_VIDEO_COLUMNS
inline constexpr std::string_view kPeople =
    "SELECT user_id, likes, comments, revision FROM interaction_people WHERE user_id = any($1)";
inline constexpr std::string_view kGonePeople =
    "SELECT user_id FROM interaction_people WHERE user_id = any($1) AND gone = 1";
inline constexpr std::string_view kAddToPerson = R"(
    INSERT INTO interaction_people (user_id, likes, comments, gone, revision)
    VALUES ($1, $2, $3, 0, 1)
    ON CONFLICT (user_id) DO UPDATE SET likes = interaction_people.likes + excluded.likes,
        comments = interaction_people.comments + excluded.comments,
        revision = interaction_people.revision + 1)";
inline constexpr std::string_view kEndPerson = R"(
    INSERT INTO interaction_people (user_id, likes, comments, gone, revision)
    VALUES ($1, 0, 0, 1, 1)
    ON CONFLICT (user_id) DO UPDATE SET gone = 1, revision = interaction_people.revision + 1)";

// -- Comments.
#define SV_COMMENT_COLUMNS \
  "id, video_id, user_id, root_id, reply_to_id, content, created_ms, likes, replies, deleted"
inline constexpr std::string_view kInsertComment = R"(
    INSERT INTO interaction_comments ()" SV_COMMENT_COLUMNS R"(, hot)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, $8))";
inline constexpr std::string_view kComments = R"(
    SELECT )" SV_COMMENT_COLUMNS R"(
    FROM interaction_comments
    WHERE id = any($1))";  // primary key
inline constexpr std::string_view kAddToComment =
    "UPDATE interaction_comments SET likes = likes + $2, replies = replies + $3 WHERE id = $1";
inline constexpr std::string_view kSetHeat =
    "UPDATE interaction_comments SET hot = $2 WHERE id = $1";
inline constexpr std::string_view kDeleteComment =
    "UPDATE interaction_comments SET deleted = 1, content = '' WHERE id = $1 AND deleted = 0";
// interaction_comments_thread
inline constexpr std::string_view kNewest = R"(
    SELECT )" SV_COMMENT_COLUMNS R"(
    FROM interaction_comments
    WHERE video_id = $1 AND deleted = 0 AND root_id = 0 AND (created_ms, id) < ($2, $3)
    ORDER BY created_ms DESC, id DESC
    LIMIT $4)";
// interaction_comments_replies
inline constexpr std::string_view kReplies = R"(
    SELECT )" SV_COMMENT_COLUMNS R"(
    FROM interaction_comments
    WHERE root_id = $1 AND root_id <> 0 AND deleted = 0 AND (created_ms, id) > ($2, $3)
    ORDER BY created_ms, id
    LIMIT $4)";
#undef SV_COMMENT_COLUMNS
// interaction_comments_hot
inline constexpr std::string_view kHottest = R"(
    SELECT id
    FROM interaction_comments
    WHERE video_id = $1 AND root_id = 0 AND deleted = 0
    ORDER BY hot DESC, id DESC
    LIMIT $2)";
inline constexpr std::string_view kCommentsOfVideo = R"(
    SELECT id
    FROM interaction_comments
    WHERE video_id = $1
    LIMIT $2)";                                      // interaction_comments_thread
inline constexpr std::string_view kCommentsOfUser =  // interaction_comments_user
    "SELECT id FROM interaction_comments WHERE user_id = $1 AND deleted = 0 LIMIT $2";
inline constexpr std::string_view kDropComments =
    "DELETE FROM interaction_comments WHERE id = any($1)";

// A share counts when the last one that did is at least a minute old; otherwise this changes no
// row.
inline constexpr std::string_view kShare = R"(
    INSERT INTO interaction_shares (user_id, video_id, at_ms)
    VALUES ($1, $2, $3)
    ON CONFLICT (user_id, video_id) DO UPDATE SET at_ms = excluded.at_ms
    WHERE interaction_shares.at_ms <= excluded.at_ms - 60000)";
// interaction_shares_video
inline constexpr std::string_view kDropSharesOfVideo = R"(
    DELETE FROM interaction_shares
    WHERE (user_id, video_id) IN (SELECT user_id, video_id FROM interaction_shares
        WHERE video_id = $1 LIMIT $2))";
// primary key
inline constexpr std::string_view kDropSharesOfUser = R"(
    DELETE FROM interaction_shares
    WHERE (user_id, video_id) IN (SELECT user_id, video_id FROM interaction_shares
        WHERE user_id = $1 LIMIT $2))";
inline constexpr std::string_view kDropRequestsOfUser =
    "DELETE FROM interaction_requests WHERE user_id = $1";  // primary key

// -- Reports.
// interaction_reports_once
inline constexpr std::string_view kAddReport = R"(
    INSERT INTO interaction_reports (id, user_id, kind, subject_id, reason, detail, decided,
        created_ms)
    VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
    ON CONFLICT (user_id, kind, subject_id) DO NOTHING)";
inline constexpr std::string_view kReportOf =
    "SELECT id FROM interaction_reports WHERE user_id = $1 AND kind = $2 AND subject_id = $3";
// interaction_reports_mine
inline constexpr std::string_view kMyReports = R"(
    SELECT id, user_id, kind, subject_id, reason, detail, decided, created_ms
    FROM interaction_reports
    WHERE user_id = $1 AND id < $2
    ORDER BY id DESC
    LIMIT $3)";
// interaction_reports_queue
inline constexpr std::string_view kOpenReports = R"(
    SELECT id, user_id, kind, subject_id, reason, detail, decided, created_ms
    FROM interaction_reports
    WHERE decided = 0 AND id > $1
    ORDER BY id
    LIMIT $2)";
inline constexpr std::string_view kForgetReporter =
    "UPDATE interaction_reports SET user_id = NULL WHERE user_id = $1";  // interaction_reports_once

}  // namespace store
}  // namespace sv::interaction
