#include <algorithm>

#include <fmt/format.h>
#include <boost/system/system_error.hpp>

#include "platform/core/exception.h"
#include "platform/core/log.h"
#include "platform/core/scratch_folder.h"
#include "services/video/media_access.h"
#include "services/video/pipeline.h"

namespace sv::video {
namespace {

using namespace std::chrono_literals;

constexpr int kQuickSlots = 2;  // the poster of a video is made while it is remuxed
constexpr std::int64_t kLeaseMs = 60'000;
constexpr std::int64_t kStaleMs = 24LL * 3600 * 1000;
constexpr std::int64_t kWaitMs = 5'000;       // for what is not the job's doing
constexpr std::int64_t kLongestMs = 600'000;  // between two tries of a job

// video_jobs_ready
constexpr std::string_view kDue = R"(
    SELECT id, subject, kind, attempts
    FROM video_jobs
    WHERE lane = $1 AND state = 0 /* queued */ AND not_before <= $2
    ORDER BY rank, id
    LIMIT 1)";
// video_jobs_ready
constexpr std::string_view kQueue = R"(
    SELECT kind, count(*), min(not_before)
    FROM video_jobs
    WHERE state = 0 /* queued */ AND not_before <= $1
    GROUP BY kind)";
// video_jobs_leased
constexpr std::string_view kRunning =
    "SELECT id FROM video_jobs WHERE state = 1 /* running */ LIMIT 1";
constexpr std::string_view kExpire = R"(
    UPDATE video_jobs
    SET state = $2
    WHERE state = 1 /* running */ AND lease_until < $1)";
constexpr std::string_view kTake = R"(
    UPDATE video_jobs
    SET state = $3, attempts = $4, run = $5, lease_until = $6, worker = $7
    WHERE id = $1 AND state = $2)";
// The lease: (id, run) of a job that is running ($3).
constexpr std::string_view kHeld =
    "SELECT id FROM video_jobs WHERE id = $1 AND run = $2 AND state = $3";
constexpr std::string_view kRenew = R"(
    UPDATE video_jobs
    SET lease_until = $4, percent = CASE WHEN percent < $5 THEN $5 ELSE percent END
    WHERE id = $1 AND run = $2 AND state = $3)";
constexpr std::string_view kEnd = R"(
    UPDATE video_jobs
    SET state = $4, error = $5
    WHERE id = $1 AND run = $2 AND state = $3)";
constexpr std::string_view kAgain = R"(
    UPDATE video_jobs
    SET state = $4, attempts = $5, not_before = $6, error = $7
    WHERE id = $1 AND run = $2 AND state = $3)";
constexpr std::string_view kOfOthers = R"(
    UPDATE video_jobs
    SET state = $2
    WHERE state = $3 AND worker <> $1)";
constexpr std::string_view kOfMine = R"(
    UPDATE video_jobs
    SET state = $2, attempts = attempts - 1
    WHERE state = $3 AND worker = $1)";
// video_objects_owner
constexpr std::string_view kOwned = "SELECT object_key, state FROM video_objects WHERE owner = $1";
constexpr std::string_view kForgetMany =
    "DELETE FROM video_objects WHERE object_key = $1 AND state <> $2";
// video_objects_unsettled
constexpr std::string_view kUnfinished = R"(
    SELECT object_key
    FROM video_objects
    WHERE state <> 1 /* live */ AND changed < $1
        AND (state = $3 OR (state = $4 AND changed < $2)))";

// Nothing was tried, or nothing could have succeeded: costs the job no attempt.
bool must_wait(const Error& error) {
  return error.code == Errc::storage_full || error.token == "scratch_unusable" ||
         error.token == "storage_busy" || error.token == "media_jail" ||
         error.token == "media_busy" || error.token == "purge_waits";
}

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

Pipeline::Pipeline(State& state)
    : state_(state),
      worker_(state.deps.ids.next()),
      started_(state.now()),
      executor_(asio::make_strand(state.deps.executor)),
      bell_(executor_),
      outcomes_(state.deps.supervisor.loop("video.jobs")) {
  for (JobKind kind : kJobKinds) {
    const metrics::Labels labels{{"kind", job_name(kind)}};
    waiting_.emplace(
        kind, Waiting{.jobs = state.deps.metrics.gauge("shortvideo_jobs_waiting",
                                                       "Jobs whose time has come", labels),
                      .seconds = state.deps.metrics.gauge(
                          "shortvideo_jobs_oldest_wait_seconds",
                          "How long the oldest of the jobs whose time has come waits", labels)});
  }
}

void Pipeline::start(TaskGroup& group) {
  const auto spawn = [&](const std::string& name, Round round) {
    group.spawn(executor_, [&loop = state_.deps.supervisor.loop(name), round = std::move(round)] {
      return supervise(loop, round);
    });
  };
  spawn("video.queue", [this] { return measure_queue(); });
  if (!state_.deps.media) return;
  for (int i = 1; i <= kQuickSlots; ++i)
    spawn(fmt::format("video.quick.{}", i), [this] { return slot(Lane::quick); });
  for (int i = 1; i <= std::max(1, state_.options.workers); ++i)
    spawn(fmt::format("video.encoding.{}", i), [this] { return slot(Lane::encoding); });
  spawn("video.leases", [this] { return keep_leases(); });
}

// One job, or a second without one: a slot looks on its own too, for jobs whose time has come and
// those that other processes queued.
Task<Result<>> Pipeline::slot(Lane lane) {
  const auto seen = bell_.rings();
  SV_CO_TRY(const auto job, co_await claim(lane));
  if (!job) {
    co_await bell_.wait(1s, seen);
    co_return Result<>{};
  }
  SV_CO_TRY(const auto rest, co_await run(*job));
  if (rest > 0ms) co_await pause(rest);
  co_return Result<>{};
}

// By the database's clock: instances must agree on when a lease ends.
Task<Result<>> Pipeline::keep_leases() {
  co_await pause(2s);
  SV_CO_TRY(const auto running, co_await state_.deps.db.query(Ctx{}, kRunning));
  if (running.empty()) co_return Result<>{};
  co_return co_await state_.deps.db.write(Ctx{}, [this](sql::Tx& tx) { return leases_tx(tx); });
}

Result<> Pipeline::leases_tx(sql::Tx& tx) {
  SV_TRY(const std::int64_t now, tx.now_ms());
  std::vector<sql::Params> leases;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [run, r] : running_)
      leases.push_back(
          sql::Params{r->job.id, run, JobState::running, now + kLeaseMs, r->percent.load()});
  }
  SV_CHECK(tx.execute_many(kRenew, leases));
  SV_CHECK(tx.execute(kExpire, {now, num(JobState::queued)}));
  return {};
}

Task<Result<>> Pipeline::measure_queue() {
  const auto now = state_.now();
  SV_CO_TRY(const auto rows, co_await state_.deps.db.query(Ctx{}, kQueue, {now}));
  std::map<JobKind, std::pair<std::int64_t, std::int64_t>> seen;
  for (std::size_t i = 0; i < rows.size(); ++i)
    seen[static_cast<JobKind>(rows.i64(i, 0))] = {rows.i64(i, 1), (now - rows.i64(i, 2)) / 1000};
  for (const auto& [kind, gauges] : waiting_) {
    gauges.jobs.set(seen[kind].first);
    gauges.seconds.set(seen[kind].second);
  }
  co_await pause(2s);
  co_return Result<>{};
}

Task<Result<std::optional<Job>>> Pipeline::claim(Lane lane) {
  SV_CO_TRY(auto due, co_await state_.deps.db.query(
                          Ctx{}, kDue, {num(lane), state_.now()}));  // an idle slot must not write
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
          .attempt = rows.i64(0, 3) + 1,
          .run = state_.deps.ids.next()};
  SV_TRY(const std::int64_t taken_ms, tx.now_ms());
  SV_TRY(auto taken, tx.execute(kTake, {job.id, JobState::queued, JobState::running, job.attempt,
                                        job.run, taken_ms + kLeaseMs, worker_}));
  if (taken != 1) return std::nullopt;  // another process was faster
  if (job.kind == JobKind::probe) SV_CHECK(touch_videos(tx, job.subject, Status::probing));
  return job;
}

Task<Result<std::chrono::milliseconds>> Pipeline::run(Job job) {
  Result<> outcome;
  try {
    outcome = co_await attempt(job);
  } catch (const std::exception& e) { outcome = std::unexpected(error_of(e)); } catch (...) {
    outcome = fail(Errc::internal, {}, "an exception of no known kind");
  }
  untrack(job);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  const auto rest = report(job, outcome);
  if (!outcome) {
    SV_CO_CHECK(co_await settle(job, outcome.error()));
    SV_CO_CHECK(co_await discard(job));
  }
  co_return rest;
}

Task<Result<>> Pipeline::attempt(Job job) {
  track(job);
  if (job.kind == JobKind::purge) co_return co_await purge(job);  // makes room: wants none
  SV_CO_TRY(auto folder,
            co_await ScratchFolder::make(state_.deps.files,
                                         state_.options.scratch / fmt::format("{}", job.run)));
  auto outcome = co_await perform(job, folder.path());
  co_await folder.remove();
  co_return outcome;
}

// A job that fails alone is no sign that the machine cannot work: who uploads something odd must
// not take the process out of service.
std::chrono::milliseconds Pipeline::report(const Job& job, const Result<>& outcome) {
  if (!outcome && (outcome.error().token == "lease_lost" || outcome.error().token == "purge_waits"))
    return 0ms;
  if (outcome || permanent(outcome.error())) {
    outcomes_.succeeded();
    return 0ms;
  }
  if (last_failed_.exchange(job.id) != job.id || must_wait(outcome.error()))
    return outcomes_.failed(outcome.error());
  outcomes_.stumbled(outcome.error());
  return 0ms;
}

Task<Result<>> Pipeline::perform(Job job, std::filesystem::path folder) {
  if (job.kind == JobKind::image) co_return co_await image(job, folder);
  SV_CO_TRY(auto asset, co_await find_asset(state_.deps.db, job.subject));
  if (!asset || asset->state == AssetState::dead)
    co_return co_await state_.deps.db.write(Ctx{},
                                            [this, job](sql::Tx& tx) { return complete(tx, job); });
  Work work{.job = job, .asset = *asset, .source = {}, .folder = folder};
  if (job.kind == JobKind::playlist) co_return co_await playlist(std::move(work));
  SV_CO_TRY(work.source,
            co_await state_.deps.objects.local_copy(asset->source_key, folder / "source"));
  switch (job.kind) {
    case JobKind::probe:
      co_return co_await probe(std::move(work));
    case JobKind::cover:
      co_return co_await cover(std::move(work));
    case JobKind::first:
      co_return co_await first(std::move(work));
    case JobKind::sprite:
      co_return co_await sprite(std::move(work));
    case JobKind::ladder:
      co_return co_await ladder(std::move(work));
    default:
      co_return fail(Errc::internal, {}, "unknown job kind");
  }
}

Result<> Pipeline::complete(sql::Tx& tx, const Job& job) {
  SV_TRY(const auto done,
         tx.execute(kEnd, {job.id, job.run, JobState::running, JobState::done, ""}));
  if (done != 1) return fail(Errc::conflict, "lease_lost");
  return {};
}

Result<> Pipeline::check_lease(sql::Tx& tx, const Job& job) {
  SV_TRY(const auto held, tx.query(kHeld, {job.id, job.run, JobState::running}));
  if (held.empty()) return fail(Errc::conflict, "lease_lost");
  return {};
}

// What a failed attempt wrote. Nobody else writes below its prefix; where the answer to its last
// transaction was lost, that may have made the objects the asset's all the same.
Task<Result<>> Pipeline::discard(Job job) {
  const std::string prefix = attempt_prefix(job);
  SV_CO_TRY(const auto rows, co_await state_.deps.db.query(Ctx{}, kOwned, {job.subject}));
  std::vector<sql::Params> gone;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows.text(i, 0).starts_with(prefix)) continue;
    if (rows.i64(i, 1) == num(ObjectState::live)) co_return Result<>{};
    gone.push_back(sql::Params{rows.text(i, 0), ObjectState::live});
  }
  // Listed, not read from the ledger: of a deleted asset's a purge may have taken the rows.
  SV_CO_TRY(const auto written, co_await state_.deps.objects.list(prefix));
  for (const auto& object : written) SV_CO_CHECK(co_await state_.deps.objects.remove(object.key));
  if (gone.empty()) co_return Result<>{};
  co_return co_await state_.deps.db.write(Ctx{}, [gone](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute_many(kForgetMany, gone));
    return {};
  });
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
  const bool waits = must_wait(error);
  const bool purge = job.kind == JobKind::purge;  // tried until it is done
  if (!waits && !purge && (permanent(error) || job.attempt >= state_.options.attempts))
    return bury(tx, job, error);
  const std::int64_t pause =
      waits ? kWaitMs
            : std::min(kLongestMs, state_.options.retry_base.count()
                                       << std::min<std::int64_t>(job.attempt - 1, 10));
  SV_CHECK(tx.execute(kAgain,
                      {job.id, job.run, JobState::running, JobState::queued,
                       waits ? job.attempt - 1 : job.attempt, state_.now() + pause, error.token}));
  return {};
}

// The last try failed. What a video can do without (poster, sprite, its author's cover) and its
// content cannot give is done with; all else is dead and can be retried, where that may help.
Result<> Pipeline::bury(sql::Tx& tx, const Job& job, const Error& error) {
  const bool lost = permanent(error);
  const bool extra =
      job.kind == JobKind::cover || job.kind == JobKind::sprite || job.kind == JobKind::image;
  const std::string token = error.code == Errc::internal || error.code == Errc::unavailable
                                ? "processing_failed"
                                : error.token;
  SV_TRY(const auto ended,
         tx.execute(kEnd, {job.id, job.run, JobState::running,
                           lost && extra ? JobState::done : JobState::dead, token}));
  if (ended != 1) return {};  // someone else runs it now
  switch (job.kind) {
    case JobKind::probe:
    case JobKind::first:
      return fail_asset(tx, job, token, !lost);
    case JobKind::cover:  // what shows no poster may still play: the next job tells
      return queue_first(tx, job.subject);
    case JobKind::image:  // the frame stays the cover
      if (!lost) return {};
      SV_CHECK(kill_object(tx, cover_source_key(job.subject), state_.now()));
      return state_.queue(tx, job.subject, JobKind::purge, Lane::quick);
    case JobKind::ladder:
      SV_CHECK(
          tx.execute("UPDATE video_renditions SET state = $2 WHERE asset_id = $1 AND state = $3",
                     {job.subject, num(RenditionState::failed), num(RenditionState::queued)}));
      return {};
    case JobKind::sprite:
    case JobKind::purge:
    case JobKind::playlist:
      return {};
  }
  return {};
}

Result<> Pipeline::fail_asset(sql::Tx& tx, const Job& job, const std::string& token,
                              bool retryable) {
  SV_TRY(const auto failed, tx.execute(R"(
             UPDATE video_assets
             SET state = $2, error = $3, retryable = $4
             WHERE id = $1 AND state = $5)",
                                       {job.subject, num(AssetState::failed), token, retryable,
                                        num(AssetState::processing)}));
  if (failed == 0) return {};  // it can be watched, or is deleted
  return touch_videos(tx, job.subject, Status::failed);
}

Result<> Pipeline::queue_first(sql::Tx& tx, std::int64_t id) {
  SV_TRY(const auto asset, find_asset(tx, id));
  if (!asset || asset->state != AssetState::processing) return {};
  return state_.queue(tx, id, JobKind::first,
                      asset->info.remuxable() ? Lane::quick : Lane::encoding);
}

Task<int> Pipeline::run_due() {
  int n = 0;
  for (bool any = true; any;) {
    any = false;
    for (auto lane : {Lane::quick, Lane::encoding}) {
      auto job = co_await claim(lane);
      if (!job || !*job) continue;
      if (auto recorded = co_await run(**job); !recorded)
        log::error("video", "cannot record a failed job",
                   {{"job", (*job)->id}, {"error", recorded.error().detail}});
      any = true;
      ++n;
    }
  }
  co_return n;
}

Task<Result<>> Pipeline::recover() {
  co_await offload(state_.deps.files, [scratch = state_.options.scratch] {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry(scratch, ignored), end; entry != end;
         entry.increment(ignored))
      std::filesystem::remove_all(entry->path(), ignored);
    return true;
  });
  bool embedded = state_.options.embedded;
  if (embedded) {
    SV_CO_CHECK(co_await state_.deps.db.write(Ctx{}, [worker = worker_](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute(kOfOthers, {worker, JobState::queued, JobState::running}));
      return {};
    }));
  }
  auto old = started_ - kStaleMs;
  SV_CO_TRY(auto rows, co_await state_.deps.db.query(Ctx{}, kUnfinished,
                                                     {embedded ? started_ : old, old,
                                                      ObjectState::writing, ObjectState::staged}));
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
    SV_CHECK(tx.execute(kOfMine, {worker, JobState::queued, JobState::running}));
    return {};
  });
}

std::shared_ptr<Pipeline::Running> Pipeline::track(const Job& job) {
  std::lock_guard lock(mutex_);
  auto& entry = running_[job.run];
  if (!entry) {
    entry = std::make_shared<Running>();
    entry->job = job;
  }
  return entry;
}

void Pipeline::untrack(const Job& job) {
  std::lock_guard lock(mutex_);
  running_.erase(job.run);
}

}  // namespace sv::video
