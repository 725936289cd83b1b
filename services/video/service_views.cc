#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "services/video/local_service.h"

namespace sv::video {
namespace {

constexpr std::int64_t kHalfLifeMs = 24LL * 3600 * 1000;
constexpr double kUnit = 1e6;

constexpr std::string_view kSee = R"(
    INSERT INTO video_views (viewer, video_id, day)
    VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING)";
// video_views_day
constexpr std::string_view kForgetViewers = "DELETE FROM video_views WHERE day < $1";
constexpr std::string_view kAddBatch =
    "INSERT INTO video_view_batches (id, made_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING";
// video_view_batches_by_time
constexpr std::string_view kForgetBatches = "DELETE FROM video_view_batches WHERE made_ms < $1";
constexpr std::int64_t kBatchKeptMs = 24LL * 3600 * 1000;
// By primary key.
constexpr std::string_view kAddStats = R"(
    INSERT INTO video_stats (video_id, raw, counted, hot)
    VALUES ($1, $2, $3, 0)
    ON CONFLICT (video_id) DO UPDATE SET
      raw = video_stats.raw + excluded.raw,
      counted = video_stats.counted + excluded.counted)";
constexpr std::string_view kStats =
    "SELECT video_id, raw, counted, hot FROM video_stats WHERE video_id = any($1)";
constexpr std::string_view kSetHot = "UPDATE video_stats SET hot = $2 WHERE video_id = $1";

// An address or an agent in the clear is none, whoever sends it.
Result<> check_viewer_key(std::string_view key) {
  constexpr std::size_t kLongest = 128;
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (key.size() > kLongest || !std::ranges::all_of(key, plain))
    return invalid("viewer_key", "invalid");
  return {};
}

}  // namespace

std::int64_t heat(std::int64_t now_ms, std::int64_t views) {
  return std::llround(
      (static_cast<double>(now_ms) / kHalfLifeMs + std::log2(static_cast<double>(views))) * kUnit);
}

std::int64_t add_heat(std::int64_t a, std::int64_t b) {
  auto [low, high] = std::minmax(a, b);
  return high +
         std::llround(std::log2(1 + std::exp2(static_cast<double>(low - high) / kUnit)) * kUnit);
}

ViewBuffer::ViewBuffer(State& state)
    : state_(state),
      refused_(state.deps.metrics.counter("shortvideo_views_refused_total",
                                          "Views that were refused because too many wait")) {}

bool ViewBuffer::add(VideoId video, const std::string& viewer) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() + (trying_ ? trying_->size() : 0) >= kLimit) {
    refused_.add();
    return false;
  }
  ++waiting_.raw[video];
  if (!viewer.empty()) waiting_.viewers.emplace(viewer, video);
  return true;
}

bool ViewBuffer::tried_before() {
  std::lock_guard lock(mutex_);
  return trying_ != nullptr;
}

std::shared_ptr<const ViewBuffer::Batch> ViewBuffer::next() {
  std::lock_guard lock(mutex_);
  if (trying_ || waiting_.raw.empty()) return trying_;
  waiting_.id = state_.deps.ids.next();
  trying_ = std::make_shared<const Batch>(std::exchange(waiting_, {}));
  return trying_;
}

// What was tried before and one new batch: under steady views the next second's are never done.
Task<Result<>> ViewBuffer::flush() {
  for (int left = tried_before() ? 2 : 1; left > 0; --left) {
    const auto batch = next();
    if (!batch) break;
    SV_CO_CHECK(co_await state_.deps.db.write(
        Ctx{}, [this, batch](sql::Tx& tx) { return write(tx, *batch); },
        sql::Isolation::read_committed));
    std::lock_guard lock(mutex_);
    trying_.reset();
  }
  co_return Result<>{};
}

Result<> ViewBuffer::write(sql::Tx& tx, const Batch& batch) {
  const auto now = state_.now();
  SV_TRY(const std::int64_t is_new, tx.execute(kAddBatch, {batch.id, now}));
  if (is_new == 0) return {};  // the answer to its COMMIT was lost
  SV_CHECK(tx.execute(kForgetBatches, {now - kBatchKeptMs}));
  const auto day = now / state_.options.view_window.count();
  SV_TRY(const auto counted, count_new(tx, batch, day));
  std::vector<sql::Params> sums;
  std::vector<std::int64_t> videos;
  for (const auto& [video, n] : batch.raw) {
    const auto c = counted.find(video);
    sums.push_back({video, n, c == counted.end() ? 0 : c->second});
    videos.push_back(video.value);
  }
  SV_CHECK(tx.execute_many(kAddStats, sums));
  // The rows are this work's until its COMMIT: what is read now is what comes of them.
  SV_TRY(const auto rows, tx.query(kStats, {std::move(videos)}));
  struct Totals {
    std::int64_t raw, counted;
  };
  std::map<VideoId, Totals> totals;
  std::vector<sql::Params> warmer;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const VideoId video(rows.i64(i, 0));
    totals[video] = {.raw = rows.i64(i, 1), .counted = rows.i64(i, 2)};
    const auto c = counted.find(video);
    if (c == counted.end()) continue;
    const std::int64_t hot = rows.i64(i, 3), more = heat(now, c->second);
    warmer.push_back({video, hot == 0 ? more : add_heat(hot, more)});
  }
  SV_CHECK(tx.execute_many(kSetHot, warmer));
  SV_CHECK(tx.execute(kForgetViewers, {day - 1}));
  tx.on_commit([this, totals = std::move(totals), any = !counted.empty()] {
    for (const auto& [video, total] : totals)
      state_.rows.update(video, [&t = total](const VideoPtr& row) {
        row->views->raw = t.raw;
        row->views->counted = t.counted;
      });
    if (any) ++state_.ranked;
  });
  return {};
}

// Of people who have not seen it today, whichever instance they told.
Result<std::map<VideoId, std::int64_t>> ViewBuffer::count_new(sql::Tx& tx, const Batch& batch,
                                                              std::int64_t day) {
  std::vector<sql::Params> views;
  for (const auto& [viewer, video] : batch.viewers) views.push_back({viewer, video, day});
  std::map<VideoId, std::int64_t> out;
  if (views.empty()) return out;
  SV_TRY(const auto fresh, tx.execute_each(kSee, views));
  std::size_t i = 0;
  for (const auto& [viewer, video] : batch.viewers)
    if (const auto& added = fresh[i++]; added && *added > 0) ++out[video];
  return out;
}

// Everything that waits for the next write is tried, whatever fails before it.
Task<Result<>> LocalService::flush_views() {
  auto views = co_await views_.flush();
  auto salts = co_await salts_.forget_past();
  auto privacy = co_await privacy_.flush();
  SV_CO_CHECK(std::move(views));
  SV_CO_CHECK(std::move(salts));
  co_return privacy;
}

Task<Result<ViewSaltResp>> LocalService::get_view_salt(const Ctx& ctx, const ViewSaltReq&) {
  SV_CO_TRY(auto salt, co_await salts_.current(ctx));
  co_return ViewSaltResp{.salt = std::move(salt.text), .left_ms = salts_.left_ms()};
}

Task<Result<>> LocalService::record_view(const Ctx& ctx, const RecordViewReq& req) {
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, req.video_id));
  if (!row || row->status != Status::ready || !row->visible_to(req.user_id))
    co_return fail(Errc::not_found, "video_not_found");
  SV_CO_CHECK(co_await may_see_author(ctx, req.user_id, *row, Purpose::write));
  if (req.watched_ms < 0) co_return invalid("watched_ms", "out_of_range");
  if (!req.user_id) SV_CO_CHECK(check_viewer_key(req.viewer_key));
  bool qualified =
      req.watched_ms >= 3000 || (row->duration_ms > 0 && req.watched_ms * 2 >= row->duration_ms);
  std::string viewer;
  if (qualified && req.user_id && !row->owned_by(req.user_id))
    viewer = fmt::format("u{}", req.user_id);
  if (qualified && !req.user_id && !req.viewer_key.empty()) viewer = "g" + req.viewer_key;
  if (!views_.add(req.video_id, viewer))
    co_return fail(Errc::unavailable, "busy", "the view buffer is full");
  co_return Result<>{};
}

Task<Result<VideoStatsResp>> LocalService::get_video_stats(const Ctx& ctx,
                                                           const VideoStatsReq& req) {
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, req.video_id));
  if (!row || !row->visible_to(ctx.caller)) co_return fail(Errc::not_found, "video_not_found");
  SV_CO_CHECK(co_await may_see_author(ctx, ctx.caller, *row));
  VideoStatsResp out;
  out.stats.video_id = row->id;
  out.stats.view_count = row->views->counted;
  auto counts = co_await state_.deps.services.interaction->get_video_interaction_parts(
      ctx, {.user_id = {}, .video_ids = {row->id}});
  if (counts) {
    const auto& parts = counts->parts[row->id];
    out.stats.like_count = parts.like_count;
    out.stats.comment_count = parts.comment_count;
    out.stats.share_count = parts.share_count;
  } else {
    absent_counts_.add();
  }
  if (row->owned_by(ctx.caller)) out.stats.raw_view_count = row->views->raw;
  co_return out;
}

}  // namespace sv::video
