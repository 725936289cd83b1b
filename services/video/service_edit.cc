#include <cstdlib>

#include "services/parts/events.h"
#include "services/video/local_service.h"
#include "services/video/media_access.h"
#include "services/video/progress.h"
#include "services/video/rules.h"

namespace sv::video {
namespace {

// One statement, so that what it tells fits together. Primary keys, and the unique key of jobs.
constexpr std::string_view kProcessing = R"(
    SELECT v.status, a.error, a.retryable, a.master_file, a.sprite_file, j.kind, j.state, j.percent, j.error
    FROM video_videos v
    JOIN video_assets a ON a.id = v.asset_id
    LEFT JOIN video_jobs j ON (j.subject = a.id OR j.subject = v.id)
        AND (j.subject = v.id OR j.kind <> $2) AND j.kind <> $3 AND j.kind <> $5
    WHERE v.id = $1 AND v.status <> $4)";
// primary key
constexpr std::string_view kRenditionStates = R"(
    SELECT name, width, height, bit_rate, bytes, state, file
    FROM video_renditions
    WHERE asset_id = $1
    ORDER BY height, name)";
// video_jobs' unique key
constexpr std::string_view kEndImage = R"(
    UPDATE video_jobs
    SET state = $2
    WHERE subject = $1 AND kind = $3 AND state = $4)";
constexpr std::string_view kEndJobs = R"(
    UPDATE video_jobs
    SET state = $2
    WHERE subject = $1 AND state <> $3 AND kind <> $4)";
constexpr std::string_view kEndAsset = "UPDATE video_assets SET state = $2 WHERE id = $1";

Result<VideoPtr> video_now(sql::Tx& tx, VideoId id) {
  SV_TRY(auto row, find_video(tx, id));
  if (!row) return fail(Errc::not_found, "video_not_found");
  return row;
}

}  // namespace

// A video never changes its owner, so this may be asked before the transaction.
Task<Result<>> LocalService::check_owner(const Ctx& ctx, UserId user, VideoId id) {
  SV_CO_TRY(const auto row, co_await state_.load_one(ctx, id));
  if (row && row->owned_by(user)) co_return Result<>{};
  if (!row || !row->visible_to(user)) co_return fail(Errc::not_found, "video_not_found");
  SV_CO_CHECK(co_await may_see_author(ctx, user, *row));
  co_return fail(Errc::forbidden, "not_owner");
}

Task<Result<>> LocalService::update_video_info(const Ctx& ctx, const UpdateVideoInfoReq& req) {
  std::optional<std::string> title;
  std::optional<std::vector<std::string>> tags;
  std::optional<Visibility> visibility;
  if (req.title) { SV_CO_TRY(title, clean_title(*req.title)); }
  if (req.description) SV_CO_CHECK(check_description(*req.description));
  if (req.tags) { SV_CO_TRY(tags, clean_tags(*req.tags)); }
  if (req.visibility) {
    visibility = parse_visibility(*req.visibility);
    if (!visibility) co_return invalid("visibility", "invalid");
  }
  SV_CO_CHECK(co_await check_owner(ctx, req.user_id, req.video_id));
  auto rev = state_.deps.ids.next();
  co_return co_await state_.deps.db.write(
      ctx,
      [this, title, tags, visibility, rev, description = req.description,
       id = req.video_id](sql::Tx& tx) -> Result<> {
        SV_TRY(auto before, video_now(tx, id));
        VideoRow after = *before;
        if (title) after.title = *title;
        if (description) after.description = *description;
        if (tags) after.tags = *tags;
        if (visibility) {
          // Links that were good for more people than now must stop working.
          if (num(*visibility) > num(before->visibility)) after.media_rev = rev;
          after.visibility = *visibility;
        }
        return state_.save(tx, *before, std::move(after));
      });
}

// A video a transaction, so that the writer is never held for long. Repeats find nothing left.
Task<Result<Effect>> LocalService::purge_accounts(const std::vector<Event>& events) {
  constexpr std::string_view kSome = R"(
      SELECT id
      FROM video_videos
      WHERE author_id = $1 AND status <> $2
      LIMIT 100)";  // video_videos_author
  const Ctx ctx;
  for (const auto& event : events) {
    SV_CO_TRY(const auto deleted, read_event<events::UserDeleted>(event));
    const UserId user = deleted.id;
    SV_CO_CHECK(co_await state_.deps.db.write(
        ctx, [this, user](sql::Tx& tx) { return state_.gone.add(tx, user); }));
    for (;;) {
      SV_CO_TRY(const auto some,
                co_await state_.deps.db.query(ctx, kSome, {user, Status::deleted}));
      if (some.empty()) break;
      for (std::size_t i = 0; i < some.size(); ++i)
        if (auto gone =
                co_await delete_video(ctx, {.video_id = VideoId(some.i64(i, 0)), .user_id = user});
            !gone && gone.error().code != Errc::not_found)
          co_return std::unexpected(gone.error());
    }
    SV_CO_CHECK(co_await state_.deps.db.write(ctx, [this, user](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute("DELETE FROM video_views WHERE viewer = $1", {fmt::format("u{}", user)}));
      SV_CHECK(tx.execute("DELETE FROM video_inbox WHERE user_id = $1", {user}));
      SV_CHECK(tx.execute("DELETE FROM video_readers WHERE user_id = $1", {user}));
      SV_CHECK(tx.execute("DELETE FROM video_unwanted WHERE user_id = $1", {user}));
      SV_CHECK(tx.execute("DELETE FROM video_request_keys WHERE user_id = $1", {user}));
      SV_CHECK(tx.execute("DELETE FROM video_large_authors WHERE author_id = $1", {user}));
      SV_CHECK(tx.execute("DELETE FROM video_privacy WHERE author_id = $1", {user}));
      tx.on_commit([this, user] { unwanted_.erase(user); });
      return {};
    }));
  }
  co_return Effect{};
}

Task<Result<>> LocalService::delete_video(const Ctx& ctx, const DeleteVideoReq& req) {
  SV_CO_CHECK(co_await check_owner(ctx, req.user_id, req.video_id));
  co_return co_await state_.deps.db.write(
      ctx, [this, id = req.video_id](sql::Tx& tx) { return delete_tx(tx, id); });
}

// The bytes go with the jobs that this queues.
Result<> LocalService::delete_tx(sql::Tx& tx, VideoId id) {
  SV_TRY(const auto before, video_now(tx, id));
  VideoRow after = *before;
  after.status = Status::deleted;
  SV_CHECK(state_.save(tx, *before, std::move(after)));
  const auto now = state_.now();
  if (!before->cover.empty()) SV_CHECK(kill_object(tx, cover_key(id, before->cover), now));
  SV_CHECK(kill_object(tx, cover_source_key(id.value), now));
  SV_CHECK(tx.execute(kEndImage, {id, JobState::done, JobKind::image, JobState::queued}));
  SV_TRY(const auto others, videos_of_asset(tx, before->asset));
  if (others.empty()) {
    SV_CHECK(tx.execute(kEndAsset, {before->asset, AssetState::dead}));
    SV_CHECK(
        tx.execute(kEndJobs, {before->asset, JobState::done, JobState::running, JobKind::purge}));
    SV_CHECK(kill_objects(tx, before->asset, now));
    if (before->asset != id.value)
      SV_CHECK(state_.queue(tx, before->asset, JobKind::purge, Lane::quick));
  }
  return state_.queue(tx, id.value, JobKind::purge, Lane::quick);
}

Task<Result<VideoStatusResp>> LocalService::get_video_status(const Ctx& ctx,
                                                             const VideoStatusReq& req) {
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, req.video_id));
  if (!row || !row->owned_by(req.current_user_id))
    co_return fail(Errc::not_found, "video_not_found");
  SV_CO_TRY(const auto found,
            co_await state_.deps.db.query(ctx, kProcessing,
                                          {row->id, num(JobKind::image), num(JobKind::purge),
                                           num(Status::deleted), num(JobKind::playlist)}));
  if (found.empty()) co_return fail(Errc::not_found, "video_not_found");
  std::vector<JobFacts> jobs;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!found.is_null(i, 5))
      jobs.push_back({.kind = static_cast<JobKind>(found.i64(i, 5)),
                      .state = static_cast<JobState>(found.i64(i, 6)),
                      .percent = found.i64(i, 7),
                      .error = found.text(i, 8)});
  const Progress progress = progress_of(jobs);
  const auto now = static_cast<Status>(found.i64(0, 0));
  // A COMMIT is seen here a moment before memory follows it: who is told "ready" finds it so.
  if (now != row->status) state_.rows.erase(row->id);
  const bool failed = now == Status::failed;
  VideoStatusResp out;
  out.id = row->id;
  out.status = status_name(now);
  out.progress = progress.percent;
  out.stage = progress.stage;
  if (const std::string& error = failed ? found.text(0, 1) : progress.error; !error.empty()) {
    out.error = error;
    out.message = reason_text(error, ctx.lang);
    out.retryable = failed ? found.boolean(0, 2) : progress.retryable;
  }
  SV_CO_TRY(const auto renditions,
            co_await state_.deps.db.query(ctx, kRenditionStates, {row->asset}));
  const Links to_files = links(*row, (co_await open_to_all(ctx, *row)).value_or(false));
  for (std::size_t i = 0; i < renditions.size(); ++i) {
    constexpr std::string_view kStates[] = {"queued", "ready", "failed"};
    const auto& file = renditions.text(i, 6);
    out.renditions.push_back({.name = renditions.text(i, 0),
                              .width = static_cast<std::int32_t>(renditions.i64(i, 1)),
                              .height = static_cast<std::int32_t>(renditions.i64(i, 2)),
                              .bitrate = renditions.i64(i, 3),
                              .bytes = renditions.i64(i, 4),
                              .state = std::string(kStates[renditions.i64(i, 5)]),
                              .url = to_files.to(file)});
  }
  out.hls_url = to_files.to(found.text(0, 3));
  out.sprite_url = to_files.to(found.text(0, 4));
  out.vtt_url = to_files.to(track_of(found.text(0, 4)));
  co_return out;
}

Task<Result<>> LocalService::retry_video(const Ctx& ctx, const RetryVideoReq& req) {
  SV_CO_CHECK(co_await check_owner(ctx, req.user_id, req.video_id));
  co_return co_await state_.deps.db.write(ctx, [this, id = req.video_id](sql::Tx& tx) -> Result<> {
    SV_TRY(auto row, video_now(tx, id));
    if (row->status == Status::failed && !row->retryable)
      return fail(Errc::conflict, "not_retryable");
    SV_TRY(auto revived, tx.execute(R"(
        UPDATE video_jobs
        SET state = $4, attempts = 0, not_before = $3, error = ''
        WHERE (subject = $1 OR (subject = $2 AND kind = $6)) AND state = $5)",
                                    {row->asset, row->id, state_.now(), JobState::queued,
                                     JobState::dead, JobKind::image}));
    if (revived == 0) return fail(Errc::conflict, "not_retryable");
    SV_CHECK(tx.execute("UPDATE video_renditions SET state = $2 WHERE asset_id = $1 AND state = $3",
                        {row->asset, RenditionState::queued, RenditionState::failed}));
    if (row->status == Status::failed) {
      SV_CHECK(
          tx.execute("UPDATE video_assets SET state = $2, error = '', retryable = 0 WHERE id = $1",
                     {row->asset, AssetState::processing}));
      SV_TRY(auto videos, videos_of_asset(tx, row->asset));
      for (const auto& video : videos) {
        VideoRow after = *video;
        after.status = video->duration_ms > 0 ? Status::transcoding : Status::uploaded;
        SV_CHECK(state_.save(tx, *video, std::move(after)));
      }
    }
    tx.on_commit([this] { state_.wake(); });
    return {};
  });
}

}  // namespace sv::video
