#pragma once

#include <set>

#include "services/parts/gone_people.h"
#include "services/parts/peer.h"
#include "services/social/graph.h"
#include "services/social/service.h"

namespace sv::social {

// The service itself; others see SocialApi (service.h).
class LocalService final : public SocialApi {
 public:
  explicit LocalService(const SocialDeps& deps);

  // service_actions.cc
  Task<Result<FollowActionResp>> follow_action(const Ctx& ctx, const FollowActionReq& req) override;
  Task<Result<>> answer_request(const Ctx& ctx, const AnswerRequestReq& req) override;
  Task<Result<>> block_action(const Ctx& ctx, const BlockActionReq& req) override;
  Task<Result<>> mute_action(const Ctx& ctx, const MuteActionReq& req) override;

  // service_lists.cc
  Task<Result<FollowListResp>> get_follow_list(const Ctx& ctx, const FollowListReq& req) override;
  Task<Result<FollowerListResp>> get_follower_list(const Ctx& ctx,
                                                   const FollowerListReq& req) override;
  Task<Result<FriendListResp>> get_friend_list(const Ctx& ctx, const FriendListReq& req) override;
  Task<Result<RelationListResp>> get_blocked_list(const Ctx& ctx,
                                                  const RelationListReq& req) override;
  Task<Result<RelationListResp>> get_muted_list(const Ctx& ctx,
                                                const RelationListReq& req) override;
  Task<Result<RequestListResp>> get_request_list(const Ctx& ctx,
                                                 const RelationListReq& req) override;

  // service_parts.cc
  Task<Result<CheckFollowResp>> check_follow(const Ctx& ctx, const CheckFollowReq& req) override;
  Task<Result<CheckMutualFollowResp>> check_mutual_follow(const Ctx& ctx,
                                                          const CheckMutualFollowReq& req) override;
  Task<Result<BatchCheckFollowResp>> batch_check_follow(const Ctx& ctx,
                                                        const BatchCheckFollowReq& req) override;
  Task<Result<FollowStatsResp>> get_follow_stats(const Ctx& ctx,
                                                 const FollowStatsReq& req) override;
  Task<Result<SocialPartsResp>> get_social_parts(const Ctx& ctx,
                                                 const SocialPartsReq& req) override;
  Task<Result<FollowIdsResp>> get_following_ids(const Ctx& ctx, const FollowIdsReq& req) override;
  Task<Result<FollowIdsResp>> get_follower_ids(const Ctx& ctx, const FollowIdsReq& req) override;

 private:
  // service.cc. Those of `users` whose account is private; user_not_found when one of them does not
  // exist, user_unavailable while nobody can tell.
  Task<Result<std::set<UserId>>> private_among(const Ctx& ctx, std::vector<UserId> users);
  Task<Result<>> check_exists(const Ctx& ctx, UserId user);
  Task<Result<Effect>> forget_users(const std::vector<Event>& events);

  // service_actions.cc. `ties` is what the transaction found between the two.
  Result<bool> follow(sql::Tx& tx, UserId user, UserId target, bool ask);  // true: it was asked for
  Result<> answer(sql::Tx& tx, const AnswerRequestReq& req);
  Result<> block(sql::Tx& tx, const BlockActionReq& req);
  Result<> mute(sql::Tx& tx, const MuteActionReq& req);
  Result<> begin_following(sql::Tx& tx, UserId user, UserId target, Ties ties);
  Result<> end_following(sql::Tx& tx, UserId user, UserId target, Ties ties);

  // service_lists.cc
  struct Page {
    std::vector<User> users;
    std::string next_cursor;
    std::int64_t total = 0;
  };
  struct PageReq {
    UserId owner, viewer;
    std::int32_t page = 1, page_size = 10;
    std::string cursor;
  };
  Task<Result<Page>> list(const Ctx& ctx, List list, PageReq req);
  Task<Result<>> may_see_lists_of(const Ctx& ctx, UserId viewer, UserId owner);
  Task<Result<std::vector<User>>> visible(const Ctx& ctx, List list, const PageReq& req,
                                          const std::vector<Entry>& entries);
  Task<Result<RelationListResp>> own_list(const Ctx& ctx, List list, const RelationListReq& req);

  const SocialDeps deps_;
  Graph graph_;
  const Peer users_;
  const GonePeople gone_{"social_gone"};
};

}  // namespace sv::social
