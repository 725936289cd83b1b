#include "services/video/fsck.h"

#include <unordered_map>

#include <fmt/format.h>

#include "services/video/store.h"

namespace sv::video {
namespace {

constexpr std::int64_t kYoungMs = 3600'000;
constexpr std::string_view kLedger =
    "SELECT object_key, owner, user_id, bytes, state, changed FROM video_objects";
constexpr std::string_view kLedgerRow = "SELECT state FROM video_objects WHERE object_key = $1";
constexpr std::string_view kNeeded = R"(
    SELECT object_key, bytes, state
    FROM video_objects
    WHERE state = $1 OR state = $2
    ORDER BY object_key)";
constexpr std::string_view kBrokenVideos = R"(
    SELECT v.id, v.asset_id, a.id
    FROM video_videos v
    LEFT JOIN video_assets a ON a.id = v.asset_id
    WHERE v.status <> $1 AND (a.id IS NULL OR (v.status = $2 AND a.play_file = '')))";
constexpr std::string_view kLostJobs = R"(
    SELECT j.id, j.kind
    FROM video_jobs j
    WHERE j.state <> $1 AND NOT EXISTS
        (SELECT 1 FROM video_assets a WHERE a.id = j.subject) AND NOT EXISTS
        (SELECT 1 FROM video_videos v WHERE v.id = j.subject) AND NOT EXISTS
        (SELECT 1 FROM video_objects o WHERE o.owner = j.subject))";
constexpr std::string_view kUnpurged = R"(
    SELECT o.object_key
    FROM video_objects o
    WHERE o.state = $1 AND NOT EXISTS
        (SELECT 1 FROM video_jobs j
        WHERE j.subject = o.owner AND j.kind = $2 AND j.state IN ($3, $4)))";
constexpr std::string_view kFailVideo = R"(
    UPDATE video_videos
    SET status = $2, listed = 0, revision = revision + 1
    WHERE id = $1)";

// Author 0 is all of them. `counts` says which videos v do.
std::string of_author(std::string_view column, std::string_view counts) {
  return fmt::format(R"(
    SELECT CAST(id AS text), stored, counted
    FROM (SELECT a.author_id AS id, a.{0} AS stored, CASE WHEN a.author_id = 0
            THEN (SELECT count(*) FROM video_videos v WHERE {1})
            ELSE (SELECT count(*) FROM video_videos v WHERE v.author_id = a.author_id AND {1})
            END AS counted
        FROM video_authors a) x
    WHERE stored <> counted
    ORDER BY id)",
                     column, counts);
}

constexpr std::string_view kTagged = R"(
    SELECT tag, stored, counted
    FROM (SELECT c.tag AS tag, c.videos AS stored,
            (SELECT count(*) FROM video_tags t
            JOIN video_videos v ON v.id = t.video_id AND v.listed = 1
            WHERE t.tag = c.tag) AS counted
        FROM video_tag_counts c) x
    WHERE stored <> counted
    ORDER BY tag)";

std::vector<DriftCheck> checks() {
  return {{.counter = "videos of user",
           .sql = of_author("owned", "v.status <> $1"),
           .params = {Status::deleted}},
          {.counter = "listed videos of user", .sql = of_author("listed", "v.listed = 1")},
          {.counter = "videos with tag", .sql = std::string(kTagged)}};
}

struct Ledger {
  std::int64_t owner = 0, user = 0, bytes = 0, changed = 0;
  ObjectState state = ObjectState::writing;
  bool seen = false;
};

Result<> fail_video(sql::Tx& tx, VideoId id) {
  SV_TRY(const auto video, find_video(tx, id));
  if (video && video->listed) SV_CHECK(count_videos(tx, video->author, 0, -1));
  SV_CHECK(tx.execute(kFailVideo, {id, Status::failed}));
  return {};
}

// A missing file makes its asset unplayable: say so instead of serving 404s.
Result<> fail_asset(sql::Tx& tx, std::int64_t asset, std::string_view key) {
  SV_CHECK(tx.execute("DELETE FROM video_objects WHERE object_key = $1", {key}));
  SV_CHECK(tx.execute(R"(
      UPDATE video_assets
      SET state = $2, error = 'media_missing', retryable = 0
      WHERE id = $1 AND state <> $3)",
                      {asset, AssetState::failed, AssetState::dead}));
  SV_TRY(auto videos, videos_of_asset(tx, asset));
  for (const auto& v : videos) SV_CHECK(fail_video(tx, v->id));
  return {};
}

Task<Result<>> remove_object(sql::Database& db, ObjectStore& objects, std::string key) {
  SV_CO_CHECK(co_await objects.discard_append(key));
  SV_CO_CHECK(co_await objects.remove(key));
  co_return co_await db.write(Ctx{}, [key](sql::Tx& tx) { return forget_object(tx, key); });
}

Task<Result<>> check_rows(sql::Database& db, FsckMode mode, FsckReport& report) {
  SV_CO_TRY(auto broken, co_await db.query(Ctx{}, kBrokenVideos, {Status::deleted, Status::ready}));
  for (std::size_t i = 0; i < broken.size(); ++i) {
    auto id = broken.i64(i, 0);
    FsckFinding f{.kind = broken.is_null(i, 2) ? "video_without_asset" : "broken_video",
                  .key = fmt::format("{}", id),
                  .detail = {}};
    if (mode == FsckMode::repair) {
      SV_CO_CHECK(
          co_await db.write(Ctx{}, [id](sql::Tx& tx) { return fail_video(tx, VideoId(id)); }));
      f.repaired = true;
    }
    report.findings.push_back(std::move(f));
  }
  SV_CO_TRY(auto lost, co_await db.query(Ctx{}, kLostJobs, {JobState::done}));
  for (std::size_t i = 0; i < lost.size(); ++i) {
    auto id = lost.i64(i, 0);
    FsckFinding f{.kind = "job_without_subject",
                  .key = fmt::format("{}", id),
                  .detail = std::string(job_name(static_cast<JobKind>(lost.i64(i, 1))))};
    if (mode == FsckMode::repair) {
      SV_CO_CHECK(co_await db.write(Ctx{}, [id](sql::Tx& tx) {
        return tx.execute("DELETE FROM video_jobs WHERE id = $1", {id});
      }));
      f.repaired = true;
    }
    report.findings.push_back(std::move(f));
  }
  co_return Result<>{};
}

Task<Result<std::vector<ObjectInfo>>> list_objects(ObjectStore& objects) {
  std::vector<ObjectInfo> out;
  for (const char* prefix : {"sources/", "media/", "covers/"}) {
    SV_CO_TRY(auto some, co_await objects.list(prefix));
    out.insert(out.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  }
  co_return out;
}

using LedgerByKey = std::unordered_map<std::string, Ledger>;

Task<Result<LedgerByKey>> read_ledger(sql::Database& db, FsckReport& report) {
  SV_CO_TRY(const auto rows, co_await db.query(Ctx{}, kLedger));
  LedgerByKey out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Ledger l{.owner = rows.i64(i, 1),
                   .user = rows.i64(i, 2),
                   .bytes = rows.i64(i, 3),
                   .changed = rows.i64(i, 5),
                   .state = static_cast<ObjectState>(rows.i64(i, 4))};
    if (l.state == ObjectState::live) {
      report.bytes_by_user[l.user] += l.bytes;
      report.bytes += l.bytes;
      ++report.objects;
    }
    out.emplace(rows.text(i, 0), l);
  }
  co_return out;
}

// Objects against the ledger: marks what was seen.
Task<Result<>> check_objects(sql::Database& db, ObjectStore& objects, FsckMode mode,
                             const std::vector<ObjectInfo>& there, LedgerByKey& ledger,
                             FsckReport& report) {
  const bool repair = mode == FsckMode::repair;
  for (const ObjectInfo& object : there) {
    if (const auto at = ledger.find(object.key); at != ledger.end()) {
      Ledger& row = at->second;
      row.seen = true;
      if (row.state == ObjectState::live && static_cast<std::int64_t>(object.size) != row.bytes)
        report.findings.push_back(
            {.kind = "wrong_size",
             .key = object.key,
             .detail = fmt::format("{} bytes, the ledger says {}", object.size, row.bytes)});
      continue;
    }
    SV_CO_TRY(const auto again, co_await db.query(Ctx{}, kLedgerRow, {object.key}));
    const auto head = co_await objects.head(object.key);
    if (!again.empty() || !head) continue;
    if (repair) SV_CO_CHECK(co_await objects.remove(object.key));
    report.findings.push_back({.kind = "orphan_object",
                               .key = object.key,
                               .detail = fmt::format("{} bytes", object.size),
                               .repaired = repair});
  }
  co_return Result<>{};
}

// The ledger against the objects.
Task<Result<>> check_ledger(sql::Database& db, ObjectStore& objects, std::int64_t now,
                            FsckMode mode, const LedgerByKey& ledger, FsckReport& report) {
  const bool repair = mode == FsckMode::repair;
  for (const auto& [key, row] : ledger) {
    if (row.state == ObjectState::writing && now - row.changed >= kYoungMs) {
      if (repair) SV_CO_CHECK(co_await remove_object(db, objects, key));
      report.findings.push_back(
          {.kind = "stale_upload", .key = key, .detail = {}, .repaired = repair});
    }
    if (row.seen || row.state != ObjectState::live) continue;
    SV_CO_TRY(const auto again, co_await db.query(Ctx{}, kLedgerRow, {key}));
    const auto head = co_await objects.head(key);
    if (head || again.empty() || again.i64(0, 0) != num(ObjectState::live)) continue;
    if (repair)
      SV_CO_CHECK(co_await db.write(Ctx{}, [lost = key, owner = row.owner](sql::Tx& tx) {
        return fail_asset(tx, owner, lost);
      }));
    report.findings.push_back(
        {.kind = "missing_object", .key = key, .detail = {}, .repaired = repair});
  }
  co_return Result<>{};
}

// What is dead and no job will remove.
Task<Result<>> check_purges(sql::Database& db, ObjectStore& objects, FsckMode mode,
                            FsckReport& report) {
  const bool repair = mode == FsckMode::repair;
  SV_CO_TRY(const auto unpurged, co_await db.query(Ctx{}, kUnpurged,
                                                   {ObjectState::dead, JobKind::purge,
                                                    JobState::queued, JobState::running}));
  for (std::size_t i = 0; i < unpurged.size(); ++i) {
    const std::string key = unpurged.text(i, 0);
    if (repair) SV_CO_CHECK(co_await remove_object(db, objects, key));
    report.findings.push_back(
        {.kind = "unpurged_object", .key = key, .detail = {}, .repaired = repair});
  }
  co_return Result<>{};
}

}  // namespace

Task<Result<FsckReport>> fsck(sql::Database& db, ObjectStore& objects, const Clock& clock,
                              FsckMode mode) {
  FsckReport report;
  // Objects first: one that is written or purged between the two looks is asked for again.
  SV_CO_TRY(const auto there, co_await list_objects(objects));
  SV_CO_TRY(LedgerByKey ledger, co_await read_ledger(db, report));
  SV_CO_CHECK(co_await check_objects(db, objects, mode, there, ledger, report));
  SV_CO_CHECK(co_await check_ledger(db, objects, clock.now_ms(), mode, ledger, report));
  SV_CO_CHECK(co_await check_purges(db, objects, mode, report));
  SV_CO_CHECK(co_await check_rows(db, mode, report));
  co_return report;
}

Task<Result<std::vector<NeededObject>>> needed_objects(sql::Database& db) {
  SV_CO_TRY(auto rows, co_await db.query(Ctx{}, kNeeded, {ObjectState::live, ObjectState::staged}));
  std::vector<NeededObject> out;
  out.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool known = rows.i64(i, 2) == num(ObjectState::live);
    out.push_back(
        {.key = rows.text(i, 0), .bytes = known ? std::optional(rows.i64(i, 1)) : std::nullopt});
  }
  co_return out;
}

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers = R"(
      SELECT author_id
      FROM video_videos
      WHERE status <> $1
      UNION
      SELECT user_id
      FROM video_inbox
      UNION
      SELECT user_id
      FROM video_readers
      UNION
      SELECT user_id
      FROM video_unwanted
      UNION
      SELECT user_id
      FROM video_request_keys
      UNION
      SELECT author_id
      FROM video_large_authors)";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, kUsers, {Status::deleted}));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  co_return co_await sv::find_drift(db, checks());
}

}  // namespace sv::video
