#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "platform/core/cursor.h"
#include "platform/core/log.h"
#include "services/parts/events.h"
#include "services/video/local_service.h"

namespace sv::video {
namespace {

// Numbered pages are cut from this many best hits after those that the viewer may not see were
// taken out, so that `total` counts what can be seen and pages have no gaps; what comes behind them
// is neither.
constexpr std::int64_t kExactHits = 200;
constexpr std::int64_t kFillPage = 200;
constexpr std::string_view kListed =
    "SELECT id FROM video_videos WHERE listed = 1 AND id > $1 ORDER BY id LIMIT $2";  // primary key

}  // namespace

Task<Result<SearchVideoResp>> LocalService::search_video(const Ctx& ctx,
                                                         const SearchVideoReq& req) {
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
Task<Result<std::vector<VideoPtr>>> LocalService::found(const Ctx& ctx, UserId viewer,
                                                        const std::vector<std::int64_t>& hits) {
  SV_CO_TRY(auto rows, co_await listed(ctx, std::vector<VideoId>(hits.begin(), hits.end())));
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
Task<Result<Effect>> LocalService::index_events(std::vector<Event> events) {
  std::map<std::int64_t, std::int64_t> revisions;
  for (const auto& event : events) {
    SV_CO_TRY(const auto changed, read_event<events::VideoChanged>(event));
    auto& revision = revisions[changed.id.value];
    revision = std::max(revision, event.revision);
  }
  SV_CO_CHECK(co_await index_rows(std::move(revisions)));
  co_return Effect{};
}

// Ids with the revision at which a row that is gone has left.
Task<Result<>> LocalService::index_rows(std::map<std::int64_t, std::int64_t> revisions) {
  std::vector<VideoId> ids;
  for (const auto& [id, revision] : revisions) ids.emplace_back(id);
  SV_CO_TRY(auto rows, co_await state_.load_committed(Ctx{}, ids));
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
Task<Result<>> LocalService::fill_index() {
  SV_CO_TRY(const bool filled, co_await state_.deps.search.filled());
  if (filled) co_return Result<>{};
  for (std::int64_t after = 0;;) {
    SV_CO_TRY(const auto rows, co_await state_.deps.db.query(Ctx{}, kListed, {after, kFillPage}));
    if (rows.empty()) co_return co_await state_.deps.search.set_filled();
    std::map<std::int64_t, std::int64_t> revisions;
    for (std::size_t i = 0; i < rows.size(); ++i) revisions[after = rows.i64(i, 0)] = 0;
    SV_CO_CHECK(co_await index_rows(std::move(revisions)));
  }
}

}  // namespace sv::video
