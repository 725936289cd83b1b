#include "services/video/pipeline.h"

namespace sv::video {

namespace {

// video_jobs' unique key
constexpr std::string_view kBusy =
    "SELECT id FROM video_jobs WHERE subject = $1 AND state = $3 AND id <> $2";
// video_objects_owner
constexpr std::string_view kDead = R"(
    SELECT object_key
    FROM video_objects
    WHERE owner = $1 AND state = $2 AND changed <= $3)";
constexpr std::string_view kForgetDead =
    "DELETE FROM video_objects WHERE object_key = $1 AND state = $2";
// video_objects_owner
constexpr std::string_view kNextDead =
    "SELECT min(changed) FROM video_objects WHERE owner = $1 AND state = $2";
constexpr std::string_view kLater =
    "UPDATE video_jobs SET state = $2, attempts = 0, not_before = $3 WHERE id = $1";
constexpr std::string_view kForgetVideo = "DELETE FROM video_videos WHERE id = $1 AND status = $2";
constexpr std::string_view kForgetAsset = "DELETE FROM video_assets WHERE id = $1 AND state = $2";
constexpr std::string_view kForgetImage = "DELETE FROM video_jobs WHERE subject = $1 AND kind = $2";
constexpr std::string_view kForgetJobs = "DELETE FROM video_jobs WHERE subject = $1 AND kind <> $2";

}  // namespace

// Bytes first, each checked to be gone, then the rows. What is dead from a later time on is left to
// a later purge.
Task<Result<>> Pipeline::purge(Job job) {
  SV_CO_TRY(auto busy,
            co_await state_.deps.db.query(Ctx{}, kBusy, {job.subject, job.id, JobState::running}));
  if (!busy.empty())
    co_return fail(Errc::unavailable, "purge_waits");  // its outputs are still to come
  SV_CO_TRY(auto rows, co_await state_.deps.db.query(
                           Ctx{}, kDead, {job.subject, ObjectState::dead, state_.now()}));
  std::vector<sql::Params> gone;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SV_CO_CHECK(co_await state_.deps.objects.remove(rows.text(i, 0)));
    auto head = co_await state_.deps.objects.head(rows.text(i, 0));
    if (head || head.error().code != Errc::not_found)
      co_return fail(Errc::unavailable, "purge_failed", rows.text(i, 0));
    gone.push_back(sql::Params{rows.text(i, 0), ObjectState::dead});
  }
  co_return co_await state_.deps.db.write(Ctx{}, [this, job, gone](sql::Tx& tx) -> Result<> {
    if (!gone.empty()) SV_CHECK(tx.execute_many(kForgetDead, gone));
    return purge_rows(tx, job);
  });
}

Result<> Pipeline::purge_rows(sql::Tx& tx, const Job& job) {
  SV_CHECK(complete(tx, job));
  SV_TRY(auto video, tx.execute(kForgetVideo, {job.subject, Status::deleted}));
  if (video > 0) {
    SV_CHECK(tx.execute("DELETE FROM video_stats WHERE video_id = $1", {job.subject}));
    SV_CHECK(tx.execute("DELETE FROM video_views WHERE video_id = $1",
                        {job.subject}));  // video_views_video
    SV_CHECK(tx.execute("DELETE FROM video_request_keys WHERE result = $1", {job.subject}));
    SV_CHECK(tx.execute(kForgetImage, {job.subject, JobKind::image}));
  }
  SV_TRY(const auto left, tx.query(kNextDead, {job.subject, ObjectState::dead}));
  if (!left.is_null(0, 0)) {
    SV_CHECK(tx.execute(kLater, {job.id, JobState::queued, left.i64(0, 0)}));
    return {};
  }
  SV_TRY(auto asset, tx.execute(kForgetAsset, {job.subject, AssetState::dead}));
  if (asset > 0) {
    SV_CHECK(tx.execute("DELETE FROM video_renditions WHERE asset_id = $1", {job.subject}));
    SV_CHECK(tx.execute(kForgetJobs, {job.subject, JobKind::image}));
  } else {
    SV_CHECK(tx.execute("DELETE FROM video_jobs WHERE id = $1", {job.id}));
  }
  return {};
}

}  // namespace sv::video
