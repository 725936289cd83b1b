#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

namespace in = interaction;

in::InteractionApi& interactions(Call& call) { return *call.edge.deps.services.interaction; }

Task<Result<>> like(Call& call, const in::LikeActionReq& req) {
  co_return co_await interactions(call).like_action(call.ctx, by_caller(call, req, true));
}
Task<Result<>> unlike(Call& call, const in::LikeActionReq& req) {
  co_return co_await interactions(call).like_action(call.ctx, by_caller(call, req, false));
}
Task<Result<>> star(Call& call, const in::StarActionReq& req) {
  co_return co_await interactions(call).star_action(call.ctx, by_caller(call, req, true));
}
Task<Result<>> unstar(Call& call, const in::StarActionReq& req) {
  co_return co_await interactions(call).star_action(call.ctx, by_caller(call, req, false));
}
Task<Result<>> share(Call& call, const in::ShareActionReq& req) {
  co_return co_await interactions(call).share_action(call.ctx, by_caller(call, req));
}
Task<Result<>> like_comment(Call& call, const in::CommentLikeActionReq& req) {
  co_return co_await interactions(call).comment_like_action(call.ctx, by_caller(call, req, true));
}
Task<Result<>> unlike_comment(Call& call, const in::CommentLikeActionReq& req) {
  co_return co_await interactions(call).comment_like_action(call.ctx, by_caller(call, req, false));
}

Task<Result<http::VideoListResp>> liked(Call& call, const in::LikeVideoListReq& req) {
  SV_CO_TRY(auto reply,
            co_await interactions(call).get_like_video_list(call.ctx, seen_by_caller(call, req)));
  co_return http::VideoListResp{.videos = std::move(reply.videos),
                                .next_cursor = std::move(reply.next_cursor).value_or(""),
                                .total = reply.total_count};
}

Task<Result<http::VideoListResp>> starred(Call& call, const in::StarVideoListReq& req) {
  SV_CO_TRY(auto reply,
            co_await interactions(call).get_star_video_list(call.ctx, seen_by_caller(call, req)));
  co_return http::VideoListResp{.videos = std::move(reply.videos),
                                .next_cursor = std::move(reply.next_cursor).value_or(""),
                                .total = reply.total_count};
}

Task<Result<in::CountResp>> counts(Call& call, const in::CountReq& req) {
  co_return co_await interactions(call).get_count(call.ctx, seen_by_caller(call, req));
}

Task<Result<Comment>> comment(Call& call, const in::CommentActionReq& req) {
  SV_CO_TRY(auto reply, co_await interactions(call).comment_action(call.ctx, by_caller(call, req)));
  co_return std::move(reply.comment);
}

Task<Result<>> remove_comment(Call& call, const in::DeleteCommentReq& req) {
  co_return co_await interactions(call).delete_comment(call.ctx, by_caller(call, req));
}

Task<Result<ListPage<Comment>>> comments(Call& call, const in::CommentListReq& req) {
  SV_CO_TRY(auto reply,
            co_await interactions(call).get_comment_list(call.ctx, seen_by_caller(call, req)));
  co_return ListPage<Comment>{.items = std::move(reply.comments),
                              .next_cursor = std::move(reply.next_cursor).value_or(""),
                              .total = reply.total_count};
}

Task<Result<in::ReplyListResp>> replies(Call& call, const in::ReplyListReq& req) {
  co_return co_await interactions(call).get_reply_list(call.ctx, seen_by_caller(call, req));
}

Task<Result<in::ReportResp>> report(Call& call, const in::ReportReq& req) {
  co_return co_await interactions(call).report(call.ctx, by_caller(call, req));
}

Task<Result<in::ReportListResp>> my_reports(Call& call, const in::ReportListReq& req) {
  co_return co_await interactions(call).get_reports(call.ctx, by_caller(call, req));
}

Task<Result<in::ReportListResp>> open_reports(Call& call, const in::ReportListReq& req) {
  co_return co_await interactions(call).get_reports(call.ctx, req);
}

constexpr Route kRoutes[] = {
    get_cached<comments>("/api/interaction/comments",
                         "Comments of a video, newest or hottest first, or the replies below one"),
    get_cached<replies>("/api/interaction/replies", "Replies below a comment, oldest first"),
    get<counts>("/api/interaction/counts", Access::optional, "A video's counters"),
    post<like>("/api/auth/interaction/like", Access::required, "Like a video"),
    post<unlike>("/api/auth/interaction/unlike", Access::required, "Take a like back"),
    post<star>("/api/auth/interaction/star", Access::required, "Keep a video in one's collection"),
    post<unstar>("/api/auth/interaction/unstar", Access::required,
                 "Take a video out of one's collection"),
    post<share>("/api/auth/interaction/share", Access::required,
                "Count a share; at most one a minute, video and person"),
    get<liked>("/api/auth/interaction/liked", Access::required,
               "Videos that one liked, or that a person shows as liked"),
    get<starred>("/api/auth/interaction/starred", Access::required, "One's collection"),
    post<comment>("/api/auth/interaction/comment", Access::required,
                  "Comment on a video or reply to a comment"),
    remove<remove_comment>("/api/auth/interaction/comment", Access::required,
                           "Delete one's comment, or one below one's video"),
    post<like_comment>("/api/auth/interaction/comment/like", Access::required, "Like a comment"),
    post<unlike_comment>("/api/auth/interaction/comment/unlike", Access::required,
                         "Take a like of a comment back"),
    post<report>("/api/auth/report", Access::required, "Report what breaks the rules"),
    get<my_reports>("/api/auth/report/mine", Access::required, "What the caller reported"),
    get<open_reports>("/api/admin/reports", Access::moderator, "Open reports, oldest first"),
};

}  // namespace

std::span<const Route> interaction_routes() { return kRoutes; }

}  // namespace sv::gateway
