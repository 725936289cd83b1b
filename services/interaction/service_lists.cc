#include "platform/core/cursor.h"
#include "services/interaction/local_service.h"
#include "services/interaction/rules.h"

namespace sv::interaction {

// Newest first. Videos that the viewer may not see are left out and the page goes on behind them.
Task<Result<LocalService::VideoPage>> LocalService::videos_of(const Ctx& ctx, VideoPageReq req) {
  const std::string_view route = req.kind == Edge::like ? "liked" : "starred";
  SV_CO_TRY(const auto cursor, decode_cursor(route, req.cursor));
  const std::size_t size = page_size(req.page_size);
  std::size_t skip = cursor ? 0 : page_offset(req.page, size);
  Entry place = cursor.value_or(kNewestFirst), last = place;
  VideoPage out;
  SV_CO_TRY(out.total, co_await state_.recent_total(ctx, req.owner, req.kind));
  for (bool end = false; !end;) {
    const std::size_t wanted = stride(skip, size - out.videos.size());
    SV_CO_TRY(const std::vector<Entry> entries,
              co_await state_.recent(ctx, req.owner, req.kind, place, wanted));
    end = entries.size() < wanted;
    if (entries.empty()) break;
    video::BatchVideoInfoReq ask{.current_user_id = req.viewer, .video_ids = {}};
    for (const Entry& entry : entries) ask.video_ids.emplace_back(entry.id);
    auto found = co_await state_.deps.services.video->batch_get_video_info(ctx, ask);
    if (!found) co_return videos_.unavailable(found.error().detail);
    for (const Entry& entry : entries) {
      place = entry;
      const auto at = found->videos.find(VideoId(entry.id));
      if (at == found->videos.end()) continue;
      if (skip > 0) {
        --skip;
        continue;
      }
      if (out.videos.size() == size) {
        out.next_cursor = encode_cursor(route, last);
        co_return out;
      }
      out.videos.push_back(std::move(at->second));
      last = entry;
    }
  }
  co_return out;
}

Task<Result<LikeVideoListResp>> LocalService::get_like_video_list(const Ctx& ctx,
                                                                  const LikeVideoListReq& req) {
  const UserId owner = req.user_id ? req.user_id : req.current_user_id;
  if (!owner) co_return invalid("user_id", "required");
  if (owner != req.current_user_id) {
    SV_CO_TRY(const Person person, co_await people_.look_up_one(ctx, req.current_user_id, owner));
    if (person.hidden()) co_return fail(Errc::not_found, "user_not_found");
    SV_CO_TRY(const auto privacy,
              privacy_.need(ctx, co_await state_.deps.services.user->get_privacy_of(
                                     ctx, {.user_ids = {owner}})));
    if (privacy && (!privacy->privacy.contains(owner) || !privacy->privacy.at(owner).show_likes))
      co_return fail(Errc::not_found, "likes_hidden");
  }
  SV_CO_TRY(auto page, co_await videos_of(ctx, {.kind = Edge::like,
                                                .owner = owner,
                                                .viewer = req.current_user_id,
                                                .page = req.page,
                                                .page_size = req.page_size,
                                                .cursor = req.cursor.value_or("")}));
  co_return LikeVideoListResp{.videos = std::move(page.videos),
                              .total_count = static_cast<std::int32_t>(page.total),
                              .next_cursor = std::move(page.next_cursor)};
}

// Always its owner's alone.
Task<Result<StarVideoListResp>> LocalService::get_star_video_list(const Ctx& ctx,
                                                                  const StarVideoListReq& req) {
  const UserId owner = req.user_id ? req.user_id : req.current_user_id;
  if (!owner) co_return invalid("user_id", "required");
  if (owner != req.current_user_id) {
    SV_CO_TRY(const Person person, co_await people_.look_up_one(ctx, req.current_user_id, owner));
    if (person.hidden()) co_return fail(Errc::not_found, "user_not_found");
    co_return fail(Errc::not_found, "likes_hidden");
  }
  SV_CO_TRY(auto page, co_await videos_of(ctx, {.kind = Edge::star,
                                                .owner = owner,
                                                .viewer = owner,
                                                .page = req.page,
                                                .page_size = req.page_size,
                                                .cursor = req.cursor.value_or("")}));
  co_return StarVideoListResp{.videos = std::move(page.videos),
                              .total_count = static_cast<std::int32_t>(page.total),
                              .next_cursor = std::move(page.next_cursor)};
}

}  // namespace sv::interaction
