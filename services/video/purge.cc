#include "services/video/pipeline.h"

namespace sv::video {

// Bytes first, each checked to be gone, then the rows.
Task<Result<>> Pipeline::purge(Job job) {
  SV_CO_TRY(auto busy, co_await state_.deps.db.query(R"(
                SELECT id
                FROM video_jobs
                WHERE subject = $1 AND state = 1 AND id <> $2)",
                                                     {job.subject, job.id}));
  if (!busy.empty())
    co_return fail(Errc::unavailable, "purge_waits");  // its outputs are still to come
  SV_CO_TRY(auto rows, co_await state_.deps.db.query(
                           "SELECT object_key FROM video_objects WHERE owner = $1 AND state = 2",
                           {job.subject}));  // video_objects_owner
  std::vector<sql::Params> gone;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SV_CO_CHECK(co_await state_.deps.objects.remove(rows.text(i, 0)));
    auto head = co_await state_.deps.objects.head(rows.text(i, 0));
    if (head || head.error().code != Errc::not_found)
      co_return fail(Errc::unavailable, "purge_failed", rows.text(i, 0));
    gone.push_back(sql::Params{rows.text(i, 0)});
  }
  co_return co_await state_.deps.db.write(Ctx{}, [this, job, gone](sql::Tx& tx) -> Result<> {
    if (!gone.empty())
      SV_CHECK(
          tx.execute_many("DELETE FROM video_objects WHERE object_key = $1 AND state = 2", gone));
    return purge_rows(tx, job);
  });
}

Result<> Pipeline::purge_rows(sql::Tx& tx, const Job& job) {
  SV_CHECK(complete(tx, job));
  SV_TRY(auto video,
         tx.execute("DELETE FROM video_videos WHERE id = $1 AND status = 9", {job.subject}));
  if (video > 0) {
    SV_CHECK(tx.execute("DELETE FROM video_stats WHERE video_id = $1", {job.subject}));
    SV_CHECK(tx.execute("DELETE FROM video_views WHERE video_id = $1",
                        {job.subject}));  // video_views_video
    SV_CHECK(tx.execute("DELETE FROM video_request_keys WHERE result = $1", {job.subject}));
    SV_CHECK(tx.execute("DELETE FROM video_jobs WHERE subject = $1 AND kind = 3", {job.subject}));
  }
  SV_TRY(auto asset,
         tx.execute("DELETE FROM video_assets WHERE id = $1 AND state = 3", {job.subject}));
  if (asset > 0) {
    SV_CHECK(tx.execute("DELETE FROM video_renditions WHERE asset_id = $1", {job.subject}));
    SV_CHECK(tx.execute("DELETE FROM video_jobs WHERE subject = $1 AND kind <> 3", {job.subject}));
  } else {
    SV_CHECK(tx.execute("DELETE FROM video_jobs WHERE id = $1", {job.id}));
  }
  return {};
}

}  // namespace sv::video
