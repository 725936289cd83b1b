#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "platform/core/cursor.h"
#include "platform/core/log.h"
#include "services/video/rules.h"

namespace sv::video {
namespace {

constexpr std::int64_t kRanked = 500;
constexpr std::int64_t kRankingMs =
    60'000;  // a ranking is made again after this, or when the listed videos change
constexpr std::int64_t kRankingKeptMs = 3600'000;  // a cursor into one works this long

// video_stats_hot, then primary keys
constexpr std::string_view kHot = R"(
    SELECT s.video_id
    FROM video_stats s
    JOIN video_videos v ON v.id = s.video_id AND v.listed = 1
    ORDER BY s.hot DESC, s.video_id DESC
    LIMIT $1)";
// Numbered pages are cut from this many best hits after those that the viewer may not see were
// taken out, so that `total` counts what can be seen and pages have no gaps; what comes behind them
// is neither.
constexpr std::int64_t kExactHits = 200;
constexpr std::int64_t kFillPage = 200;
constexpr std::string_view kListed =
    "SELECT id FROM video_videos WHERE listed = 1 AND id > $1 ORDER BY id LIMIT $2";  // primary key
constexpr std::string_view kRanking =
    "SELECT made, videos FROM video_rankings WHERE id = $1";  // primary key

}  // namespace

Task<Result<SearchVideoResp>> VideoRules::search_video(const Ctx& ctx, const SearchVideoReq& req) {
  if (req.keyword.empty()) co_return invalid("keyword", "required");
  if (req.keyword.size() > 400) co_return invalid("keyword", "too_long");
  const auto size = page_size(req.page_size);
  auto at = page_offset(req.page, size);
  SV_CO_TRY(const auto hits, co_await state_.deps.search.search(req.keyword, 0, kExactHits));
  SV_CO_TRY(auto best, co_await found(ctx, req.current_user_id, hits.ids));
  SearchVideoResp out;
  out.total_count = static_cast<std::int32_t>(
      hits.total - static_cast<std::int64_t>(hits.ids.size() - best.size()));
  std::vector<VideoPtr> rows;
  for (; at < best.size() && rows.size() < size; ++at) rows.push_back(best[at]);
  if (rows.size() < size && hits.total > kExactHits) {
    const auto behind = static_cast<std::int64_t>(at - best.size());
    SV_CO_TRY(const auto rest,
              co_await state_.deps.search.search(req.keyword, kExactHits + behind,
                                                 static_cast<std::int64_t>(size - rows.size())));
    SV_CO_TRY(auto more, co_await found(ctx, req.current_user_id, rest.ids));
    std::ranges::move(more, std::back_inserter(rows));
  }
  out.videos = co_await compose(ctx, req.current_user_id, std::move(rows));
  co_return out;
}

// The index follows within a second; what the viewer may see of it is decided here.
Task<Result<std::vector<VideoPtr>>> VideoRules::found(const Ctx& ctx, UserId viewer,
                                                      const std::vector<std::int64_t>& hits) {
  SV_CO_TRY(auto rows, co_await listed(std::vector<VideoId>(hits.begin(), hits.end())));
  std::erase(rows, nullptr);
  std::vector<UserId> authors;
  for (const auto& row : rows) authors.push_back(row->author);
  const People people = co_await people_.look_up(ctx, viewer, std::move(authors));
  std::erase_if(rows, [&](const VideoPtr& row) {
    return people.at(row->author).hidden() || people.at(row->author).muted;
  });
  co_return rows;
}

// Consumer of video.changed: brings the index to the state of the rows. Repeats and old events do
// no harm.
Task<Result<>> VideoRules::index_events(std::vector<Event> events) {
  std::map<std::int64_t, std::int64_t> revisions;
  for (const auto& event : events) {
    auto& revision = revisions[event.key_id()];
    revision = std::max(revision, event.revision);
  }
  co_return co_await index_rows(std::move(revisions));
}

// Ids with the revision at which a row that is gone has left.
Task<Result<>> VideoRules::index_rows(std::map<std::int64_t, std::int64_t> revisions) {
  std::vector<VideoId> ids;
  for (const auto& [id, revision] : revisions) ids.emplace_back(id);
  SV_CO_TRY(auto rows, co_await state_.load_committed(ids));
  std::vector<SearchDocument> documents;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& row = rows[i];
    if (row && row->listed) {
      auto views = static_cast<double>(row->views->counted.load());
      documents.push_back(
          {.id = row->id.value,
           .revision = row->revision,
           .title = row->title,
           .body = fmt::format("{} {}", fmt::join(row->tags, " "), row->description),
           .boost = 1 + std::log10(1 + views)});
    } else {
      SV_CO_CHECK(co_await state_.deps.search.remove(
          {ids[i].value}, row ? row->revision : revisions[ids[i].value]));
    }
  }
  if (!documents.empty()) SV_CO_CHECK(co_await state_.deps.search.upsert(std::move(documents)));
  co_return Result<>{};
}

// An index that is new, or was lost, gets every listed video; what changes meanwhile comes as
// events with higher revisions.
Task<> VideoRules::fill_index() {
  auto filled = co_await state_.deps.search.filled();
  Result<> done = filled ? Result<>() : std::unexpected(filled.error());
  for (std::int64_t after = 0; done && !*filled;) {
    auto rows = co_await state_.deps.db.query(kListed, {after, kFillPage});
    if (!rows || rows->empty()) {
      done = rows ? co_await state_.deps.search.set_filled() : std::unexpected(rows.error());
      break;
    }
    std::map<std::int64_t, std::int64_t> revisions;
    for (std::size_t i = 0; i < rows->size(); ++i) revisions[after = rows->i64(i, 0)] = 0;
    done = co_await index_rows(std::move(revisions));
  }
  if (!done)
    log::error("video", "the search index is not complete, the next start goes on",
               {{"error", done.error().detail}});
}

Task<Result<std::shared_ptr<const VideoRules::Ranking>>> VideoRules::current_ranking() {
  auto revision = state_.ranked.load();
  auto now = state_.now();
  {
    std::lock_guard lock(ranking_mutex_);
    if (ranking_ && ranking_->revision == revision && now - ranking_->made < kRankingMs)
      co_return ranking_;
  }
  SV_CO_TRY(auto rows, co_await state_.deps.db.query(kHot, {kRanked}));
  auto ranking = std::make_shared<Ranking>();
  ranking->id = state_.deps.ids.next();
  ranking->made = now;
  ranking->revision = revision;
  for (std::size_t i = 0; i < rows.size(); ++i) ranking->videos.emplace_back(rows.i64(i, 0));
  std::lock_guard lock(ranking_mutex_);
  ranking_ = ranking;
  co_return ranking;
}

Task<Result<std::shared_ptr<const VideoRules::Ranking>>> VideoRules::stored_ranking(
    std::int64_t id) {
  SV_CO_TRY(auto rows, co_await state_.deps.db.query(kRanking, {id}));
  if (rows.empty() || state_.now() - rows.i64(0, 0) > kRankingKeptMs)
    co_return invalid("cursor", "invalid", "the ranking is gone");
  auto ranking = std::make_shared<Ranking>();
  ranking->id = id;
  ranking->stored = true;
  std::string_view text = rows.text(0, 1);
  while (!text.empty()) {
    std::int64_t video = 0;
    auto r = std::from_chars(text.data(), text.data() + text.size(), video);
    ranking->videos.emplace_back(video);
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(r.ptr - text.data()) + 1));
  }
  co_return ranking;
}

// The first page takes today's ranking and stores it when there is a second one; later pages stay
// in it, so nothing repeats.
Task<Result<HotVideoResp>> VideoRules::get_hot_videos(const Ctx& ctx, const HotVideoReq& req) {
  auto size = page_size(req.page_size);
  SV_CO_TRY(auto cursor, decode_cursor("hot", req.cursor.value_or("")));
  std::shared_ptr<const Ranking> ranking;
  std::size_t at = 0;
  if (cursor) {
    SV_CO_TRY(ranking, co_await stored_ranking(cursor->key));
    at = static_cast<std::size_t>(std::max<std::int64_t>(cursor->id, 0));
  } else {
    SV_CO_TRY(ranking, co_await current_ranking());
  }
  HotVideoResp out;
  while (out.videos.size() < size &&
         at < ranking->videos.size()) {  // refilled when some are not for this viewer
    auto n = std::min(size - out.videos.size(), ranking->videos.size() - at);
    auto from = ranking->videos.begin() + static_cast<std::ptrdiff_t>(at);
    SV_CO_TRY(auto rows, co_await listed(std::vector(from, from + static_cast<std::ptrdiff_t>(n))));
    std::ranges::move(co_await compose(ctx, req.user_id, std::move(rows), Kind::feed),
                      std::back_inserter(out.videos));
    at += n;
  }
  out.next_cursor = "";
  if (at < ranking->videos.size()) {
    if (!ranking->stored) {
      auto now = state_.now();
      SV_CO_CHECK(co_await state_.deps.db.write(ctx, [ranking, now](sql::Tx& tx) -> Result<> {
        std::vector<std::int64_t> ids;
        for (auto id : ranking->videos) ids.push_back(id.value);
        SV_CHECK(
            tx.execute("INSERT INTO video_rankings (id, made, videos) VALUES ($1, $2, $3) ON "
                       "CONFLICT (id) DO NOTHING",
                       {ranking->id, now, fmt::format("{}", fmt::join(ids, ","))}));
        SV_CHECK(tx.execute("DELETE FROM video_rankings WHERE made < $1", {now - kRankingKeptMs}));
        return {};
      }));
      ranking->stored = true;
    }
    out.next_cursor =
        encode_cursor("hot", {.key = ranking->id, .id = static_cast<std::int64_t>(at)});
  }
  co_return out;
}

}  // namespace sv::video
