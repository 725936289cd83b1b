#include "services/video/store.h"

#include <array>

namespace sv::video {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kVideoById = SV_VIDEO_SELECT "WHERE v.id = $1 AND v.status <> $2";
constexpr std::string_view kVideosOfAsset =
    SV_VIDEO_SELECT "WHERE v.asset_id = $1 AND v.status <> $2 ORDER BY v.id";  // video_videos_asset
constexpr std::string_view kAsset = R"(
    SELECT a.id, a.state, a.source_key, a.bytes, a.duration_ms, a.width, a.height, a.milli_fps,
        a.bit_rate, a.format, a.video_codec, a.pixel_format, a.audio_codec,
        (SELECT MIN(v.author_id) FROM video_videos v WHERE v.asset_id = a.id AND v.status <> $2),
        a.plain
    FROM video_assets a
    WHERE a.id = $1)";

std::optional<AssetRow> read_asset(const sql::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  AssetRow a;
  a.id = rows.i64(0, 0);
  a.state = static_cast<AssetState>(rows.i64(0, 1));
  a.source_key = rows.text(0, 2);
  a.bytes = rows.i64(0, 3);
  a.info.duration_ms = rows.i64(0, 4);
  a.info.width = static_cast<int>(rows.i64(0, 5));
  a.info.height = static_cast<int>(rows.i64(0, 6));
  a.info.fps = static_cast<double>(rows.i64(0, 7)) / 1000;
  a.info.bit_rate = rows.i64(0, 8);
  a.info.format = rows.text(0, 9);
  a.info.video_codec = rows.text(0, 10);
  a.info.pixel_format = rows.text(0, 11);
  a.info.audio_codec = rows.text(0, 12);
  a.user = UserId(rows.i64_or(0, 13, 0));
  a.info.plain = rows.i64(0, 14) != 0;
  return a;
}

constexpr std::int64_t kRestWaitsMs = 30'000;

Result<std::int64_t> rank_of(sql::Tx& tx, std::int64_t subject, JobKind kind, std::int64_t now) {
  switch (kind) {
    case JobKind::probe:
    case JobKind::image:
      return now;
    case JobKind::cover:
    case JobKind::first: {
      SV_TRY(const auto probe,
             tx.query("SELECT rank FROM video_jobs WHERE subject = $1 AND kind = $2",
                      {subject, num(JobKind::probe)}));  // its unique key
      return probe.empty() ? now : probe.i64(0, 0);
    }
    case JobKind::sprite:
    case JobKind::ladder:
    case JobKind::purge:
    case JobKind::playlist:
      return now + kRestWaitsMs;
  }
  return now;
}

}  // namespace

std::string_view status_name(Status s) {
  switch (s) {
    case Status::uploaded:
      return "uploaded"sv;
    case Status::probing:
      return "probing"sv;
    case Status::transcoding:
      return "transcoding"sv;
    case Status::ready:
      return "ready"sv;
    case Status::failed:
      return "failed"sv;
    case Status::deleted:
      return "deleted"sv;
  }
  return "failed"sv;
}

constexpr std::array kVisibilities{"public"sv, "unlisted"sv, "private"sv};

std::string_view visibility_name(Visibility v) {
  return kVisibilities.at(static_cast<std::size_t>(v));
}

std::optional<Visibility> parse_visibility(std::string_view name) {
  for (std::size_t i = 0; i < kVisibilities.size(); ++i)
    if (kVisibilities[i] == name) return static_cast<Visibility>(i);
  return std::nullopt;
}

std::string_view job_name(JobKind k) {
  constexpr std::array kNames{""sv,       "probe"sv, "cover"sv,  "image"sv,   "first"sv,
                              "sprite"sv, "purge"sv, "ladder"sv, "playlist"sv};
  return kNames.at(static_cast<std::size_t>(k));
}

std::string join_tags(const std::vector<std::string>& tags) {
  std::string out;
  for (const auto& tag : tags) {
    if (!out.empty()) out += '\n';
    out += tag;
  }
  return out;
}

std::vector<std::string> split_tags(std::string_view joined) {
  std::vector<std::string> out;
  while (!joined.empty()) {
    auto end = joined.find('\n');
    out.emplace_back(joined.substr(0, end));
    joined = end == std::string_view::npos ? std::string_view{} : joined.substr(end + 1);
  }
  return out;
}

std::shared_ptr<VideoRow> read_video(const sql::Rows& rows, std::size_t r) {
  auto v = std::make_shared<VideoRow>();
  v->id = VideoId(rows.i64(r, 0));
  v->author = UserId(rows.i64(r, 1));
  v->title = rows.text(r, 2);
  v->description = rows.text(r, 3);
  v->tags = split_tags(rows.text(r, 4));
  v->visibility = static_cast<Visibility>(rows.i64(r, 5));
  v->status = static_cast<Status>(rows.i64(r, 6));
  v->listed = rows.boolean(r, 7);
  v->publish_time = rows.i64(r, 8);
  v->create_time = rows.i64(r, 9);
  v->revision = rows.i64(r, 10);
  v->media_rev = rows.i64(r, 11);
  v->asset = rows.i64(r, 12);
  v->cover = rows.text(r, 13);
  if (!rows.is_null(r, 14)) {
    v->duration_ms = rows.i64(r, 14);
    v->width = rows.i64(r, 15);
    v->height = rows.i64(r, 16);
    v->bit_rate = rows.i64(r, 17);
    v->poster = rows.text(r, 18);
    v->sprite = rows.text(r, 19);
    v->master = rows.text(r, 20);
    v->play_file = rows.text(r, 21);
    v->play_bytes = rows.i64(r, 22);
    v->error = rows.text(r, 23);
    v->retryable = rows.boolean(r, 24);
  }
  v->views->raw = rows.i64_or(r, 25, 0);
  v->views->counted = rows.i64_or(r, 26, 0);
  return v;
}

Result<VideoPtr> find_video(sql::Tx& tx, VideoId id) {
  SV_TRY(auto rows, tx.query(kVideoById, {id, Status::deleted}));
  return rows.empty() ? VideoPtr{} : read_video(rows, 0);
}

Result<std::vector<VideoPtr>> videos_of_asset(sql::Tx& tx, std::int64_t asset) {
  SV_TRY(auto rows, tx.query(kVideosOfAsset, {asset, Status::deleted}));
  std::vector<VideoPtr> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.push_back(read_video(rows, i));
  return out;
}

Result<std::optional<AssetRow>> find_asset(sql::Tx& tx, std::int64_t id) {
  SV_TRY(auto rows, tx.query(kAsset, {id, Status::deleted}));
  return read_asset(rows);
}

Task<Result<std::optional<AssetRow>>> find_asset(sql::Database& db, std::int64_t id) {
  SV_CO_TRY(auto rows, co_await db.query(Ctx{}, kAsset, {id, Status::deleted}));
  co_return read_asset(rows);
}

Result<> begin_object(sql::Tx& tx, std::string_view key, std::int64_t owner, UserId user,
                      std::int64_t now) {
  SV_CHECK(tx.execute(R"(
          INSERT INTO video_objects (object_key, owner, user_id, bytes, state, changed)
          VALUES ($1, $2, $3, 0, $5, $4)
          ON CONFLICT (object_key) DO UPDATE SET state = excluded.state,
              changed = excluded.changed)",
                      {key, owner, user, now, ObjectState::writing}));
  return {};
}

Result<> set_object_live(sql::Tx& tx, std::string_view key, std::int64_t bytes, std::int64_t now) {
  SV_CHECK(tx.execute(R"(
      UPDATE video_objects
      SET state = $4, bytes = $2, changed = $3
      WHERE object_key = $1)",
                      {key, bytes, now, ObjectState::live}));
  return {};
}

Result<> kill_objects(sql::Tx& tx, std::int64_t owner, std::int64_t now) {  // video_objects_owner
  SV_CHECK(tx.execute("UPDATE video_objects SET state = $3, changed = $2 WHERE owner = $1",
                      {owner, now, ObjectState::dead}));
  return {};
}

Result<> kill_object(sql::Tx& tx, std::string_view key, std::int64_t when) {
  SV_CHECK(tx.execute("UPDATE video_objects SET state = $3, changed = $2 WHERE object_key = $1",
                      {key, when, ObjectState::dead}));
  return {};
}

Result<> forget_object(sql::Tx& tx, std::string_view key) {
  SV_CHECK(tx.execute("DELETE FROM video_objects WHERE object_key = $1", {key}));
  return {};
}

Result<> queue_job(sql::Tx& tx, std::int64_t id, std::int64_t subject, JobKind kind, Lane lane,
                   std::int64_t now) {
  SV_TRY(const std::int64_t rank, rank_of(tx, subject, kind, now));
  SV_CHECK(tx.execute(R"(
          INSERT INTO video_jobs (id, subject, kind, profile, lane, state, attempts, not_before,
              lease_until, worker, error, rank)
          VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0, '', $8)
          ON CONFLICT (subject, kind, profile)
              DO UPDATE SET state = excluded.state, attempts = 0, lane = excluded.lane,
              not_before = excluded.not_before, error = '', rank = excluded.rank)",
                      {id, subject, kind, kProfile, lane, JobState::queued, now, rank}));
  return {};
}

Result<> count_videos(sql::Tx& tx, UserId author, std::int64_t owned, std::int64_t listed) {
  if (owned == 0 && listed == 0) return {};
  SV_CHECK(tx.execute_many(R"(
          INSERT INTO video_authors (author_id, owned, listed)
          VALUES ($1, $2, $3)
          ON CONFLICT (author_id) DO UPDATE SET owned = video_authors.owned + excluded.owned,
              listed = video_authors.listed + excluded.listed)",
                           {sql::Params{author, owned, listed}, sql::Params{0, owned, listed}}));
  return {};
}

}  // namespace sv::video
