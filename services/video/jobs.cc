#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "platform/core/log.h"
#include "services/video/media_access.h"
#include "services/video/pipeline.h"

namespace sv::video {
namespace {

using namespace std::chrono_literals;

constexpr int kQuickSlots = 2;  // the poster of a video is made while it is remuxed
constexpr std::int64_t kLeaseMs = 60'000;
constexpr std::int64_t kStaleMs = 24LL * 3600 * 1000;

// video_jobs_ready
constexpr std::string_view kDue = R"(
    SELECT id, subject, kind, attempts
    FROM video_jobs
    WHERE lane = $1 AND state = 0 AND not_before <= $2
    ORDER BY kind, id
    LIMIT 1)";
// video_objects_unsettled
constexpr std::string_view kUnfinished = R"(
    SELECT object_key
    FROM video_objects
    WHERE changed < $1 AND (state = 0 OR (state = 3 AND changed < $2)))";

// The folder of one run; gone with it, also when the run is cancelled.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The content is at fault: another try would end the same way.
bool permanent(const Error& error) {
  switch (error.code) {
    case Errc::unprocessable:
    case Errc::unsupported_media:
    case Errc::invalid_argument:
    case Errc::payload_too_large:
    case Errc::rejected:
    case Errc::not_found:
      return true;
    default:
      return false;
  }
}

}  // namespace

Pipeline::Pipeline(VideoState& state)
    : state_(state),
      worker_(state.deps.ids.next()),
      started_(state.now()),
      executor_(asio::make_strand(state.deps.executor)) {}

void Pipeline::start(TaskGroup& group) {
  if (!state_.deps.media) return;
  int slots = kQuickSlots + std::max(1, state_.options.workers);
  for (int i = 0; i < slots; ++i) {
    timers_.push_back(std::make_shared<asio::steady_timer>(executor_));
    group.spawn(executor_, [this, lane = i < kQuickSlots ? Lane::quick : Lane::encoding,
                            timer = timers_.back()] { return slot(lane, timer); });
  }
  group.spawn(executor_, [this] { return keep_leases(); });
}

void Pipeline::wake() {
  rings_.fetch_add(1);
  asio::post(executor_, [timers = timers_] {
    for (const auto& t : timers) t->cancel();
  });
}

Task<> Pipeline::slot(Lane lane, std::shared_ptr<asio::steady_timer> timer) {
  for (;;) {
    auto seen = rings_.load();
    auto job = co_await claim(lane);
    if (job && *job) {
      co_await run(**job);
      continue;
    }
    if (!job) log::warn("video", "cannot take a job", {{"error", job.error().detail}});
    if (rings_.load() != seen) continue;
    // Also looks on its own each second: for jobs whose time has come and those that other
    // processes queued.
    timer->expires_after(1s);
    co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

Task<> Pipeline::keep_leases() {
  asio::steady_timer timer(executor_);
  for (;;) {
    timer.expires_after(2s);
    co_await timer.async_wait(asio::use_awaitable);
    std::vector<sql::Params> leases, progress;
    auto until = state_.now() + kLeaseMs;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [id, r] : running_) {
        leases.push_back(sql::Params{id, r->job.attempt, until});
        if (r->to > r->from)
          progress.push_back(
              sql::Params{r->asset, r->from + (r->to - r->from) * r->percent.load() / 100});
      }
    }
    auto now = state_.now();
    auto expired = co_await state_.deps.db.query(R"(
            SELECT id
            FROM video_jobs
            WHERE state = 1 AND lease_until < $1
            LIMIT 1)",
                                                 {now});  // video_jobs_leased
    bool lost = expired && !expired->empty();
    if (leases.empty() && !lost) continue;
    auto done =
        co_await state_.deps.db.write(Ctx{}, [leases, progress, now](sql::Tx& tx) -> Result<> {
          if (!leases.empty())
            SV_CHECK(tx.execute_many(R"(
          UPDATE video_jobs
          SET lease_until = $3
          WHERE id = $1 AND attempts = $2 AND state = 1)",
                                     leases));
          if (!progress.empty())
            SV_CHECK(tx.execute_many(
                "UPDATE video_assets SET progress = $2 WHERE id = $1 AND progress < $2", progress));
          SV_CHECK(tx.execute(
              "UPDATE video_jobs SET state = 0 WHERE state = 1 AND lease_until < $1", {now}));
          return {};
        });
    if (!done) log::warn("video", "cannot renew leases", {{"error", done.error().detail}});
  }
}

Task<Result<std::optional<Job>>> Pipeline::claim(Lane lane) {
  SV_CO_TRY(auto due, co_await state_.deps.db.query(
                          kDue, {num(lane), state_.now()}));  // an idle slot must not write
  if (due.empty()) co_return std::nullopt;
  co_return co_await state_.deps.db.write(Ctx{},
                                          [this, lane](sql::Tx& tx) { return claim_tx(tx, lane); });
}

Result<std::optional<Job>> Pipeline::claim_tx(sql::Tx& tx, Lane lane) {
  auto now = state_.now();
  SV_TRY(auto rows, tx.query(kDue, {num(lane), now}));
  if (rows.empty()) return std::nullopt;
  Job job{.id = rows.i64(0, 0),
          .subject = rows.i64(0, 1),
          .kind = static_cast<JobKind>(rows.i64(0, 2)),
          .attempt = rows.i64(0, 3) + 1};
  SV_TRY(auto taken, tx.execute(R"(
      UPDATE video_jobs
      SET state = 1, attempts = $2, lease_until = $3, worker = $4
      WHERE id = $1 AND state = 0)",
                                {job.id, job.attempt, now + kLeaseMs, worker_}));
  if (taken != 1) return std::nullopt;  // another process was faster
  if (job.kind == JobKind::probe) SV_CHECK(touch_videos(tx, job.subject, Status::probing));
  return job;
}

Task<> Pipeline::run(Job job) {
  Result<> outcome;
  {
    ScratchFolder folder(state_.options.scratch / fmt::format("{}", job.id));
    track(job, 0, 0);
    try {
      outcome = co_await perform(job, folder.path());
    } catch (const boost::system::system_error& e) {
      untrack(job);
      if (e.code() == asio::error::operation_aborted) throw;
      outcome = fail(Errc::internal, {}, e.what());
    } catch (const std::exception& e) { outcome = fail(Errc::internal, {}, e.what()); }
    untrack(job);
  }
  if (outcome) co_return;
  auto settled = co_await settle(job, outcome.error());
  if (!settled)
    log::error("video", "cannot record a failed job",
               {{"job", job.id}, {"error", settled.error().detail}});
}

Task<Result<>> Pipeline::perform(Job job, std::filesystem::path folder) {
  if (job.kind == JobKind::purge) co_return co_await purge(job);
  if (job.kind == JobKind::image) co_return co_await image(job, folder);
  SV_CO_TRY(auto asset, co_await find_asset(state_.deps.db, job.subject));
  if (!asset || asset->state == AssetState::dead)
    co_return co_await state_.deps.db.write(Ctx{},
                                            [this, job](sql::Tx& tx) { return complete(tx, job); });
  SV_CO_TRY(auto source,
            co_await state_.deps.objects.local_copy(asset->source_key, folder / "source"));
  switch (job.kind) {
    case JobKind::probe:
      co_return co_await probe(job, *asset, source);
    case JobKind::cover:
      co_return co_await cover(job, *asset, source, folder);
    case JobKind::first:
      co_return co_await first(job, *asset, source, folder);
    case JobKind::sprite:
      co_return co_await sprite(job, *asset, source, folder);
    case JobKind::ladder:
      co_return co_await ladder(job, *asset, source, folder);
    default:
      co_return fail(Errc::internal, {}, "unknown job kind");
  }
}

Result<> Pipeline::complete(sql::Tx& tx, const Job& job) {
  SV_TRY(auto done, tx.execute(R"(
      UPDATE video_jobs
      SET state = 2, error = ''
      WHERE id = $1 AND attempts = $2 AND state = 1)",
                               {job.id, job.attempt}));
  if (done != 1) return fail(Errc::conflict, "lease_lost");
  return {};
}

Task<Result<>> Pipeline::settle(Job job, Error error) {
  if (error.token == "lease_lost") co_return Result<>{};  // someone else runs it now
  log::warn("video", "job failed",
            {{"job", job.id},
             {"kind", job_name(job.kind)},
             {"subject", job.subject},
             {"attempt", job.attempt},
             {"token", error.token},
             {"detail", error.detail}});
  co_return co_await state_.deps.db.write(
      Ctx{}, [this, job, error](sql::Tx& tx) { return settle_tx(tx, job, error); });
}

Result<> Pipeline::settle_tx(sql::Tx& tx, const Job& job, const Error& error) {
  bool wait = error.token == "purge_waits";
  bool lost = permanent(error);
  if (wait || (!lost && job.attempt < state_.options.attempts)) {
    auto pause = wait ? 5000
                      : state_.options.retry_base.count()
                            << std::min<std::int64_t>(job.attempt - 1, 10);
    SV_CHECK(tx.execute(R"(
        UPDATE video_jobs
        SET state = 0, attempts = $3, not_before = $4, error = $5
        WHERE id = $1 AND attempts = $2 AND state = 1)",
                        {job.id, job.attempt, wait ? job.attempt - 1 : job.attempt,
                         state_.now() + pause, error.token}));
    return {};
  }
  SV_TRY(auto dead, tx.execute(R"(
             UPDATE video_jobs
             SET state = 3, error = $3
             WHERE id = $1 AND attempts = $2 AND state = 1)",
                               {job.id, job.attempt, error.token}));
  if (dead != 1) return {};
  if (job.kind == JobKind::image) {  // the frame stays the cover
    SV_CHECK(kill_object(tx, cover_source_key(job.subject), state_.now()));
    return state_.queue(tx, job.subject, JobKind::purge, Lane::quick);
  }
  if (job.kind == JobKind::ladder) {
    SV_CHECK(tx.execute("UPDATE video_renditions SET state = 2 WHERE asset_id = $1 AND state = 0",
                        {job.subject}));
    return {};
  }
  if (job.kind != JobKind::probe && job.kind != JobKind::first) return {};
  std::string token = error.code == Errc::internal || error.code == Errc::unavailable
                          ? "processing_failed"
                          : error.token;
  SV_CHECK(tx.execute(R"(
      UPDATE video_assets
      SET state = 2, error = $2, retryable = $3
      WHERE id = $1 AND state = 0)",
                      {job.subject, token, !lost}));
  return touch_videos(tx, job.subject, Status::failed);
}

Task<int> Pipeline::run_due() {
  int n = 0;
  for (bool any = true; any;) {
    any = false;
    for (auto lane : {Lane::quick, Lane::encoding}) {
      auto job = co_await claim(lane);
      if (!job || !*job) continue;
      co_await run(**job);
      any = true;
      ++n;
    }
  }
  co_return n;
}

Task<Result<>> Pipeline::recover() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(state_.options.scratch, ignored))
    std::filesystem::remove_all(entry, ignored);
  bool embedded = state_.options.embedded;
  if (embedded) {
    SV_CO_CHECK(co_await state_.deps.db.write(Ctx{}, [worker = worker_](sql::Tx& tx) -> Result<> {
      SV_CHECK(
          tx.execute("UPDATE video_jobs SET state = 0 WHERE state = 1 AND worker <> $1", {worker}));
      return {};
    }));
  }
  auto old = started_ - kStaleMs;
  SV_CO_TRY(auto rows,
            co_await state_.deps.db.query(kUnfinished, {embedded ? started_ : old, old}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string key = rows.text(i, 0);
    SV_CO_CHECK(co_await state_.deps.objects.discard_append(key));
    SV_CO_CHECK(co_await state_.deps.objects.remove(key));
    SV_CO_CHECK(co_await state_.deps.db.write(
        Ctx{}, [key](sql::Tx& tx) { return forget_object(tx, key); }));
  }
  co_return Result<>{};
}

Task<Result<>> Pipeline::release() {
  co_return co_await state_.deps.db.write(Ctx{}, [worker = worker_](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(R"(
        UPDATE video_jobs
        SET state = 0, attempts = attempts - 1
        WHERE state = 1 AND worker = $1)",
                        {worker}));
    return {};
  });
}

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

std::shared_ptr<Pipeline::Running> Pipeline::track(const Job& job, std::int64_t from,
                                                   std::int64_t to) {
  auto r = std::make_shared<Running>();
  r->job = job;
  r->asset = job.subject;
  r->from = from;
  r->to = to;
  std::lock_guard lock(mutex_);
  running_[job.id] = r;
  return r;
}

void Pipeline::untrack(const Job& job) {
  std::lock_guard lock(mutex_);
  running_.erase(job.id);
}

}  // namespace sv::video
