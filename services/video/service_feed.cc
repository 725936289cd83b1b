#include <algorithm>

#include "platform/core/cursor.h"
#include "services/video/local_service.h"
#include "services/video/media_access.h"

namespace sv::video {
namespace {

constexpr std::size_t kHead = 1000;  // entries of the feed that are kept in memory
constexpr std::size_t kTies = 100;   // how far a page may run over to end on a whole second

// video_videos_feed
constexpr std::string_view kFeed = R"(
    SELECT id, publish_time
    FROM video_videos
    WHERE listed = 1 AND (publish_time, id) < ($1, $2)
    ORDER BY publish_time DESC, id DESC
    LIMIT $3)";
// video_videos_author
constexpr std::string_view kMine = R"(
    SELECT id, create_time
    FROM video_videos
    WHERE author_id = $1 AND id < $2 AND status <> $4
    ORDER BY id DESC
    LIMIT $3)";

}  // namespace

Task<Result<std::vector<Entry>>> LocalService::feed_entries(const Ctx& ctx, Entry after,
                                                            std::size_t count) {
  co_return co_await state_.entries_in(ctx, {.name = "feed", .sql = kFeed, .kept = kHead}, after,
                                       count);
}

// Rows that lists may show, in order; null for the others.
Task<Result<std::vector<VideoPtr>>> LocalService::listed(const Ctx& ctx, std::vector<VideoId> ids) {
  SV_CO_TRY(auto rows, co_await state_.load(ctx, std::move(ids)));
  for (auto& row : rows)
    if (row && !row->listed) row.reset();
  co_return rows;
}

// Pages are refilled: what the viewer may not see leaves no gap.
Task<Result<FeedResp>> LocalService::get_feed(const Ctx& ctx, const FeedReq& req) {
  const auto size = page_size(req.page_size);
  SV_CO_TRY(auto cursor, decode_cursor("feed", req.cursor.value_or("")));
  if (req.latest_time < 0 || req.latest_time > kNewestFirst.key / 1000)
    co_return invalid("latest_time", "out_of_range");
  Entry after = cursor.value_or(kNewestFirst);
  if (!cursor && req.latest_time > 0) after = {.key = req.latest_time * 1000, .id = 0};

  FeedResp out;
  bool more = true;
  for (int round = 0; more && out.videos.size() < size && round < kRefills; ++round) {
    SV_CO_TRY(auto entries, co_await feed_entries(ctx, after, size + 1 + (cursor ? 0 : kTies)));
    const auto wanted = size - out.videos.size();
    auto end = std::min(wanted, entries.size());
    if (!cursor)
      while (end > 0 && end < entries.size() && end < wanted + kTies &&
             entries[end].key / 1000 == entries[end - 1].key / 1000)
        ++end;
    more = entries.size() > end;
    entries.resize(end);
    if (end > 0) after = entries.back();
    SV_CO_TRY(auto rows, co_await listed(ctx, ids_of(entries)));
    auto shown = co_await compose(ctx, req.user_id, std::move(rows), Kind::feed);
    if (out.videos.empty()) out.videos = std::move(shown);
    else std::ranges::move(shown, std::back_inserter(out.videos));
  }
  out.next_time = after == kNewestFirst ? req.latest_time : after.key / 1000;
  out.next_cursor = more ? encode_cursor("feed", after) : "";
  co_return out;
}

Task<Result<VideoDetailResp>> LocalService::get_video_detail(const Ctx& ctx,
                                                             const VideoDetailReq& req) {
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, req.video_id));
  if (!row || !row->visible_to(req.current_user_id))
    co_return fail(Errc::not_found, "video_not_found");
  auto videos = co_await compose(ctx, req.current_user_id, std::vector{row});
  if (videos.empty()) {  // hidden, or not known whether
    SV_CO_CHECK(co_await may_see_author(ctx, req.current_user_id, *row));
    co_return fail(Errc::unavailable, "user_unavailable");  // back just now
  }
  co_return VideoDetailResp{.video = std::move(videos[0])};
}

Task<Result<BatchVideoInfoResp>> LocalService::batch_get_video_info(const Ctx& ctx,
                                                                    const BatchVideoInfoReq& req) {
  if (req.video_ids.size() > 200) co_return invalid("video_ids", "too_long");
  SV_CO_TRY(auto rows, co_await state_.load(ctx, req.video_ids));
  std::erase_if(rows,
                [&](const VideoPtr& row) { return !row || !row->visible_to(req.current_user_id); });
  BatchVideoInfoResp out;
  for (auto& v : co_await compose(ctx, req.current_user_id, std::move(rows))) {
    auto id = v.id;
    out.videos.insert_or_assign(id, std::move(v));
  }
  co_return out;
}

// All by one author: either the viewer may see them or none.
Task<Result<UserVideoListResp>> LocalService::get_user_video_list(const Ctx& ctx,
                                                                  const UserVideoListReq& req) {
  auto size = page_size(req.page_size);
  SV_CO_TRY(auto cursor, decode_cursor("user", req.cursor.value_or("")));
  SV_CO_TRY(const Person author,
            co_await people_.look_up_one(ctx, req.current_user_id, req.user_id));
  if (author.gone || author.blocked) co_return fail(Errc::not_found, "user_not_found");
  UserVideoListResp out;
  out.next_cursor = "";
  if (author.hidden()) co_return out;  // a private account shows that it has nothing for others
  const Entry after = cursor.value_or(kNewestFirst);
  const auto skipped = cursor ? 0 : page_offset(req.page, size);
  SV_CO_TRY(auto entries, co_await author_entries(ctx, req.user_id, after, skipped + size + 1));
  entries.erase(entries.begin(),
                entries.begin() + static_cast<std::ptrdiff_t>(std::min(skipped, entries.size())));
  bool more = entries.size() > size;
  if (more) entries.resize(size);
  SV_CO_TRY(auto rows, co_await listed(ctx, ids_of(entries)));
  SV_CO_TRY(auto counts, co_await state_.counts_of(ctx, {req.user_id}));
  out.videos = co_await compose(ctx, req.current_user_id, std::move(rows));
  out.total_count = static_cast<std::int32_t>(counts[req.user_id].listed);
  if (more) out.next_cursor = encode_cursor("user", entries.back());
  co_return out;
}

Task<Result<ListMineResp>> LocalService::list_mine(const Ctx& ctx, const ListMineReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  auto size = page_size(req.page_size);
  SV_CO_TRY(auto cursor, decode_cursor("mine", req.cursor));
  SV_CO_TRY(
      auto found,
      co_await state_.deps.db.query(
          ctx, kMine, {req.user_id, cursor.value_or(kNewestFirst).id, size + 1, Status::deleted}));
  auto entries = read_entries(found);
  bool more = entries.size() > size;
  if (more) entries.resize(size);
  SV_CO_TRY(auto rows, co_await state_.load(ctx, ids_of(entries)));
  SV_CO_TRY(auto counts, co_await state_.counts_of(ctx, {req.user_id}));
  ListMineResp out;
  out.videos = co_await compose(ctx, req.user_id, std::move(rows));
  out.total = counts[req.user_id].owned;
  out.next_cursor = more ? encode_cursor("mine", entries.back()) : "";
  co_return out;
}

Task<Result<GetUserVideoCountResp>> LocalService::get_user_video_count(
    const Ctx& ctx, const GetUserVideoCountReq& req) {
  if (!req.user_id) co_return GetUserVideoCountResp{};
  SV_CO_TRY(auto counts, co_await state_.counts_of(ctx, {req.user_id}));
  co_return GetUserVideoCountResp{.count = counts[req.user_id].listed};
}

Task<Result<GetTotalVideoCountResp>> LocalService::get_total_video_count(
    const Ctx& ctx, const GetTotalVideoCountReq&) {
  SV_CO_TRY(auto counts, co_await state_.counts_of(ctx, {UserId{}}));
  co_return GetTotalVideoCountResp{.count = counts[UserId{}].listed};
}

Task<Result<UserVideoPartsResp>> LocalService::get_user_video_parts(const Ctx& ctx,
                                                                    const UserVideoPartsReq& req) {
  if (req.user_ids.size() > 200) co_return invalid("user_ids", "too_long");
  std::vector<UserId> ids = req.user_ids;
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  std::erase(ids, UserId{});
  SV_CO_TRY(const auto counts, co_await state_.counts_of(ctx, ids));
  UserVideoPartsResp out;
  for (const auto& [id, n] : counts) out.parts[id].video_count = n.listed;
  co_return out;
}

Task<Result<VideoBriefsResp>> LocalService::get_video_briefs(const Ctx& ctx,
                                                             const VideoBriefsReq& req) {
  if (req.video_ids.size() > 200) co_return invalid("video_ids", "too_long");
  SV_CO_TRY(auto rows, co_await state_.load(ctx, req.video_ids));
  VideoBriefsResp out;
  for (const auto& row : rows) {
    if (!row || !row->visible_to(req.current_user_id)) continue;
    const bool failed = row->status == Status::failed && req.with_failed.value_or(false);
    if (row->status != Status::ready && !failed) continue;
    VideoBrief& brief = out.briefs[row->id];
    brief = {.id = row->id,
             .author_id = row->author,
             .title = row->title,
             .cover_url = {},
             .duration_ms = row->duration_ms};
    if (req.without_covers.value_or(false)) continue;
    // Signed in any case: a part asks nobody whether the author's account is private.
    brief.cover_url = links(*row, false).to(row->cover.empty() ? row->poster : row->cover);
  }
  co_return out;
}

}  // namespace sv::video
