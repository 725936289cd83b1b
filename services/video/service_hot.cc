#include <fmt/format.h>

#include "platform/core/cursor.h"
#include "services/parts/events.h"
#include "services/video/local_service.h"

// The hot list: what is seen, liked, commented and shared now weighs more than what was (views.h).
namespace sv::video {
namespace {

constexpr std::int64_t kRanked = 500;
// A ranking is made again after this, or when this instance hears that the order may have changed.
constexpr std::int64_t kRankingMs = 1000;

// In views.
constexpr std::int64_t kLike = 3, kComment = 4, kShare = 5;

// video_stats_hot, then primary keys
constexpr std::string_view kHot = R"(
    SELECT s.video_id
    FROM video_stats s
    JOIN video_videos v ON v.id = s.video_id AND v.listed = 1
    ORDER BY s.hot DESC, s.video_id DESC
    LIMIT $1)";
// Primary keys. A video without a row was never listed, or is purged.
constexpr std::string_view kEngaged =
    "SELECT video_id, hot, engaged FROM video_stats WHERE video_id = any($1)";
constexpr std::string_view kEngage =
    "UPDATE video_stats SET hot = $2, engaged = $3 WHERE video_id = $1";

}  // namespace

// Consumer of interaction.counted, which tells how many there are, not what was added: events may
// come twice, late and in any order.
Task<Result<Effect>> LocalService::hear_counts(const std::vector<Event>& events) {
  std::map<VideoId, Engagement> told;
  for (const Event& event : events) {
    SV_CO_TRY(const auto counts, read_event<events::InteractionCounted>(event));
    const std::int64_t weight =
        kLike * counts.likes + kComment * counts.comments + kShare * counts.shares;
    Engagement& most = told[counts.video];
    if (weight > most.weight) most = {.weight = weight, .time_ms = event.time_ms};
  }
  co_return Effect{.apply = [this, told = std::move(told)](sql::Tx& tx) { return warm(tx, told); }};
}

Result<> LocalService::warm(sql::Tx& tx, const std::map<VideoId, Engagement>& told) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, engagement] : told) ids.push_back(id.value);
  SV_TRY(const sql::Rows rows, tx.query(kEngaged, {std::move(ids)}));
  std::vector<sql::Params> updates;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t hot = rows.i64(i, 1), engaged = rows.i64(i, 2);
    const Engagement& now = told.at(VideoId(rows.i64(i, 0)));
    if (now.weight <= engaged) continue;
    const std::int64_t warmer =
        engaged < 0 ? hot : add_heat(hot, heat(now.time_ms, now.weight - engaged));
    updates.push_back({rows.i64(i, 0), warmer, now.weight});
  }
  if (updates.empty()) return {};
  SV_CHECK(tx.execute_many(kEngage, updates));
  tx.on_commit([this] { ++state_.ranked; });
  return {};
}

Task<Result<RankingPtr>> LocalService::current_ranking(const Ctx& ctx) {
  const auto revision = state_.ranked.load();
  const auto now = state_.now();
  {
    std::lock_guard lock(ranking_mutex_);
    if (ranking_ && ranked_ == revision && now - ranking_->made_ms < kRankingMs) co_return ranking_;
  }
  SV_CO_TRY(const auto rows, co_await state_.deps.db.query(ctx, kHot, {kRanked}));
  auto ranking = std::make_shared<Ranking>();
  ranking->id = state_.deps.ids.next();
  ranking->made_ms = now;
  for (std::size_t i = 0; i < rows.size(); ++i) ranking->ids.push_back(rows.i64(i, 0));
  std::lock_guard lock(ranking_mutex_);
  ranking_ = ranking;
  ranked_ = revision;
  co_return ranking;
}

// The first page takes the order of this moment and keeps it when there is a second one; later
// pages stay in it, so nothing repeats.
Task<Result<HotVideoResp>> LocalService::get_hot_videos(const Ctx& ctx, const HotVideoReq& req) {
  const auto size = page_size(req.page_size);
  SV_CO_TRY(const auto cursor, decode_cursor("hot", req.cursor.value_or("")));
  RankingPtr ranking;
  if (cursor) {
    SV_CO_TRY(ranking, co_await rankings_.find(ctx, cursor->key, 0));
  } else {
    SV_CO_TRY(ranking, co_await current_ranking(ctx));
  }
  const auto& ids = ranking->ids;
  auto at = cursor ? static_cast<std::size_t>(std::max<std::int64_t>(cursor->id, 0)) : 0;
  HotVideoResp out;
  while (out.videos.size() < size && at < ids.size()) {  // some are not for this viewer
    const auto end = std::min(ids.size(), at + size - out.videos.size());
    SV_CO_TRY(auto rows, co_await listed(ctx, std::vector<VideoId>(
                                                  ids.begin() + static_cast<std::ptrdiff_t>(at),
                                                  ids.begin() + static_cast<std::ptrdiff_t>(end))));
    std::ranges::move(co_await compose(ctx, req.user_id, std::move(rows), Kind::feed),
                      std::back_inserter(out.videos));
    at = end;
  }
  out.next_cursor = "";
  if (at >= ids.size()) co_return out;
  SV_CO_CHECK(co_await rankings_.keep(ctx, ranking));
  out.next_cursor = encode_cursor("hot", {.key = ranking->id, .id = static_cast<std::int64_t>(at)});
  co_return out;
}

}  // namespace sv::video
