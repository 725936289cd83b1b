#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

social::SocialApi& social_of(Call& call) { return *call.edge.deps.services.social; }

// Data only when there is something to tell: old clients know none.
Task<Result<std::optional<social::FollowActionResp>>> follow(Call& call,
                                                             const social::FollowActionReq& in) {
  SV_CO_TRY(auto reply,
            co_await social_of(call).follow_action(call.ctx, by_caller(call, in, true)));
  if (!reply.requested.value_or(false)) co_return std::nullopt;
  co_return reply;
}

Task<Result<>> unfollow(Call& call, const social::FollowActionReq& in) {
  SV_CO_CHECK(co_await social_of(call).follow_action(call.ctx, by_caller(call, in, false)));
  co_return Result<>{};
}

Task<Result<>> block(Call& call, const social::BlockActionReq& in) {
  co_return co_await social_of(call).block_action(call.ctx, by_caller(call, in, true));
}
Task<Result<>> unblock(Call& call, const social::BlockActionReq& in) {
  co_return co_await social_of(call).block_action(call.ctx, by_caller(call, in, false));
}
Task<Result<>> mute(Call& call, const social::MuteActionReq& in) {
  co_return co_await social_of(call).mute_action(call.ctx, by_caller(call, in, true));
}
Task<Result<>> unmute(Call& call, const social::MuteActionReq& in) {
  co_return co_await social_of(call).mute_action(call.ctx, by_caller(call, in, false));
}

Task<Result<>> accept(Call& call, const social::AnswerRequestReq& in) {
  social::AnswerRequestReq req = by_caller(call, in);
  req.accept = true;
  co_return co_await social_of(call).answer_request(call.ctx, req);
}
Task<Result<>> reject(Call& call, const social::AnswerRequestReq& in) {
  co_return co_await social_of(call).answer_request(call.ctx, by_caller(call, in));
}

template <class Req>
Req list_for_caller(Call& call, const Req& in) {
  Req req = in;
  if (!req.user_id) req.user_id = call.ctx.caller;
  req.current_user_id = call.ctx.caller;
  return req;
}

template <class Reply>
ListPage<User> user_page(Reply reply) {
  return {.items = std::move(reply.users),
          .next_cursor = std::move(reply.next_cursor).value_or(""),
          .total = reply.total_count};
}

Task<Result<ListPage<User>>> following(Call& call, const social::FollowListReq& in) {
  SV_CO_TRY(auto reply,
            co_await social_of(call).get_follow_list(call.ctx, list_for_caller(call, in)));
  co_return user_page(std::move(reply));
}

Task<Result<ListPage<User>>> follower(Call& call, const social::FollowerListReq& in) {
  SV_CO_TRY(auto reply,
            co_await social_of(call).get_follower_list(call.ctx, list_for_caller(call, in)));
  co_return user_page(std::move(reply));
}

Task<Result<social::RelationListResp>> friends(Call& call, const social::FriendListReq& in) {
  SV_CO_TRY(auto reply, co_await social_of(call).get_friend_list(call.ctx, by_caller(call, in)));
  co_return social::RelationListResp{.users = std::move(reply.users),
                                     .next_cursor = std::move(reply.next_cursor).value_or(""),
                                     .total = reply.total_count};
}

Task<Result<social::RelationListResp>> blocked(Call& call, const social::RelationListReq& in) {
  co_return co_await social_of(call).get_blocked_list(call.ctx, by_caller(call, in));
}
Task<Result<social::RelationListResp>> muted(Call& call, const social::RelationListReq& in) {
  co_return co_await social_of(call).get_muted_list(call.ctx, by_caller(call, in));
}
Task<Result<social::RequestListResp>> requests(Call& call, const social::RelationListReq& in) {
  co_return co_await social_of(call).get_request_list(call.ctx, by_caller(call, in));
}

Task<Result<social::CheckFollowResp>> check(Call& call, const social::CheckFollowReq& in) {
  co_return co_await social_of(call).check_follow(call.ctx, seen_by_caller(call, in));
}

constexpr Route kRoutes[] = {
    post<follow>("/api/auth/social/follow", Access::required,
                 "Follow someone; a private account is asked first"),
    post<unfollow>("/api/auth/social/unfollow", Access::required,
                   "Stop following someone, or take back a request"),
    post<block>("/api/auth/social/block", Access::required,
                "Block someone: neither sees the other any more"),
    post<unblock>("/api/auth/social/unblock", Access::required, "Take back a block"),
    post<mute>("/api/auth/social/mute", Access::required,
               "Keep someone out of the caller's feeds and notifications"),
    post<unmute>("/api/auth/social/unmute", Access::required, "Take back a mute"),
    get<following>("/api/auth/social/following", Access::required,
                   "Whom a user follows, newest first"),
    get<follower>("/api/auth/social/follower", Access::required,
                  "Who follows a user, newest first"),
    get<friends>("/api/auth/social/friends", Access::required,
                 "Those who follow the caller and are followed back"),
    get<blocked>("/api/auth/social/blocked", Access::required, "Whom the caller blocked"),
    get<muted>("/api/auth/social/muted", Access::required, "Whom the caller muted"),
    get<requests>("/api/auth/social/requests", Access::required, "Who asks to follow the caller"),
    post<accept>("/api/auth/social/request/accept", Access::required,
                 "Let someone follow the caller"),
    post<reject>("/api/auth/social/request/reject", Access::required,
                 "Turn down a request to follow the caller"),
    get<check>("/api/social/check", Access::optional, "Who of two users follows the other"),
};

}  // namespace

std::span<const Route> social_routes() { return kRoutes; }

}  // namespace sv::gateway
