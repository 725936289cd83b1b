#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

video::VideoApi& videos(Call& call) { return *call.edge.deps.services.video; }

Task<Result<video::FeedResp>> feed(Call& call, const video::FeedReq& in) {
  SV_CO_TRY(auto reply, co_await videos(call).get_feed(call.ctx, by_caller(call, in)));
  if (!reply.next_cursor) reply.next_cursor.emplace();
  co_return reply;
}

Task<Result<Video>> detail(Call& call, const video::VideoDetailReq& in) {
  SV_CO_TRY(auto reply, co_await videos(call).get_video_detail(call.ctx, seen_by_caller(call, in)));
  co_return std::move(reply.video);
}

Task<Result<http::VideoListResp>> hot(Call& call, const video::HotVideoReq& in) {
  SV_CO_TRY(auto reply, co_await videos(call).get_hot_videos(call.ctx, by_caller(call, in)));
  co_return http::VideoListResp{.videos = std::move(reply.videos),
                                .next_cursor = std::move(reply.next_cursor).value_or(""),
                                .total = {}};
}

Task<Result<http::VideoListResp>> videos_of(Call& call, const http::VideosOfReq& in) {
  const video::UserVideoListReq req{.user_id = in.user_id,
                                    .current_user_id = call.ctx.caller,
                                    .page = in.page,
                                    .page_size = in.page_size,
                                    .cursor = in.cursor};
  SV_CO_TRY(auto reply, co_await videos(call).get_user_video_list(call.ctx, req));
  co_return http::VideoListResp{.videos = std::move(reply.videos),
                                .next_cursor = std::move(reply.next_cursor).value_or(""),
                                .total = reply.total_count};
}

Task<Result<video::ListMineResp>> mine(Call& call, const video::ListMineReq& in) {
  co_return co_await videos(call).list_mine(call.ctx, by_caller(call, in));
}

Task<Result<http::SearchResp>> search(Call& call, const http::SearchReq& in) {
  http::SearchResp out;
  out.page = in.page;
  out.size = in.page_size;
  if (in.type == "user") {
    const user::SearchUsersReq req{
        .keyword = in.keyword, .page = in.page, .page_size = in.page_size};
    SV_CO_TRY(auto reply, co_await call.edge.deps.services.user->search_users(call.ctx, req));
    out.users = std::move(reply.users);
    out.total = reply.total;
    co_return out;
  }
  if (in.type == "tag") {
    const video::SearchTagsReq req{
        .keyword = in.keyword, .page = in.page, .page_size = in.page_size};
    SV_CO_TRY(auto reply, co_await videos(call).search_tags(call.ctx, req));
    out.tags = std::move(reply.tags);
    out.total = reply.total;
    co_return out;
  }
  const video::SearchVideoReq req{.keyword = in.keyword,
                                  .current_user_id = call.ctx.caller,
                                  .page = in.page,
                                  .page_size = in.page_size};
  SV_CO_TRY(auto reply, co_await videos(call).search_video(call.ctx, req));
  out.videos = std::move(reply.videos);
  out.total = reply.total_count;
  co_return out;
}

Task<Result<video::VideoStats>> stats(Call& call, const video::VideoStatsReq& in) {
  SV_CO_TRY(auto reply, co_await videos(call).get_video_stats(call.ctx, in));
  co_return std::move(reply.stats);
}

Task<Result<>> view(Call& call, const video::RecordViewReq& in) {
  video::RecordViewReq req = in;
  req.user_id = call.ctx.caller;
  if (!call.ctx.caller) {
    SV_CO_TRY(req.viewer_key, co_await call.edge.guests.of(call.ctx, videos(call)));
  }
  co_return co_await videos(call).record_view(call.ctx, req);
}

Task<Result<>> update(Call& call, const video::UpdateVideoInfoReq& in) {
  co_return co_await videos(call).update_video_info(call.ctx, by_caller(call, in));
}

Task<Result<>> remove_video(Call& call, const video::DeleteVideoReq& in) {
  co_return co_await videos(call).delete_video(call.ctx, by_caller(call, in));
}

Task<Result<video::VideoStatusResp>> status(Call& call, const video::VideoStatusReq& in) {
  co_return co_await videos(call).get_video_status(call.ctx, seen_by_caller(call, in));
}

Task<Result<>> retry(Call& call, const video::RetryVideoReq& in) {
  co_return co_await videos(call).retry_video(call.ctx, by_caller(call, in));
}

Task<Result<video::VideoPageResp>> following(Call& call, const video::FollowingFeedReq& in) {
  co_return co_await videos(call).get_following_feed(call.ctx, by_caller(call, in));
}

Task<Result<video::VideoPageResp>> related(Call& call, const video::RelatedVideoReq& in) {
  co_return co_await videos(call).get_related_videos(call.ctx, seen_by_caller(call, in));
}

Task<Result<>> not_interested(Call& call, const video::NotInterestedReq& in) {
  co_return co_await videos(call).not_interested(call.ctx, by_caller(call, in));
}

Task<Result<video::VideoPageResp>> tagged(Call& call, const video::TagVideoReq& in) {
  co_return co_await videos(call).get_tag_videos(call.ctx, seen_by_caller(call, in));
}

Task<Result<video::HotTagResp>> hot_tags(Call& call, const video::HotTagReq& in) {
  co_return co_await videos(call).get_hot_tags(call.ctx, in);
}

constexpr Route kRoutes[] = {
    get_cached<feed>("/api/video/feed", "Public videos, newest first"),
    get_cached<detail>("/api/video/detail", "One video"),
    get_cached<hot>("/api/video/hot", "Public videos by popularity"),
    get_cached<videos_of>("/api/user/videos", "A user's videos, newest first"),
    get_cached<search>("/api/search", "Search videos or users"),
    get_cached<related>("/api/video/related", "Videos that share tags with one, then its author's"),
    get_cached<tagged>("/api/tag/videos", "Public videos with a tag, newest first"),
    get_cached<hot_tags>("/api/tag/hot", "Tags by the number of their public videos"),
    get<following>("/api/auth/video/following", Access::required,
                   "Videos of those whom the caller follows, newest first"),
    get<following>("/api/video/following", Access::required, "The same, beside the other feeds"),
    post<not_interested>("/api/auth/video/not_interested", Access::required,
                         "Keep a video or an author out of the caller's feeds"),
    get<stats>("/api/video/stats", Access::optional, "A video's counters"),
    post<view>("/api/video/view", Access::optional, "Report that a video was watched"),
    put<update>("/api/auth/video", Access::required,
                "Change title, description, tags or visibility"),
    remove<remove_video>("/api/auth/video", Access::required, "Delete a video"),
    get<mine>("/api/auth/video/mine", Access::required, "The caller's videos of every status"),
    get<status>("/api/auth/video/status", Access::required, "How far the processing of a video is"),
    post<retry>("/api/auth/video/retry", Access::required, "Process a failed video again"),
};

}  // namespace

std::span<const Route> video_routes() { return kRoutes; }

}  // namespace sv::gateway
