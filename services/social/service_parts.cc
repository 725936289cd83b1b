#include <algorithm>

#include "services/social/local_service.h"

namespace sv::social {
namespace {

constexpr std::size_t kMaxBatch = 200;

std::size_t id_limit(std::int32_t asked) {
  return asked <= 0 ? 1000 : static_cast<std::size_t>(std::min(asked, 10'000));
}

}  // namespace

// To a person, an edge of a private account exists only for its followers and for the two at its
// ends.
Task<Result<CheckFollowResp>> LocalService::check_follow(const Ctx& ctx,
                                                         const CheckFollowReq& req) {
  if (!req.user_id) co_return invalid("user_id", "required");
  if (!req.target_user_id) co_return invalid("target_user_id", "required");
  const UserId ends[] = {req.user_id, req.target_user_id};
  bool told = true;
  if (req.current_user_id) {
    const UserId viewer = *req.current_user_id;
    SV_CO_TRY(const auto hidden, co_await private_among(ctx, {std::begin(ends), std::end(ends)}));
    SV_CO_TRY(const auto seen,
              co_await graph_.ties(ctx, viewer, {std::begin(ends), std::end(ends)}));
    for (const UserId end : ends) {
      if (seen.at(end).blocked()) co_return fail(Errc::not_found, "user_not_found");
      if (hidden.contains(end) && !seen.at(end).to(Kind::follow)) told = false;
    }
    told = told || std::ranges::find(ends, viewer) != std::end(ends);
  }
  CheckFollowResp out{.is_following = false, .is_followed_by = false, .is_mutual = false};
  if (!told) co_return out;
  SV_CO_TRY(const Ties ties, co_await graph_.tie(ctx, req.user_id, req.target_user_id));
  out.is_following = ties.to(Kind::follow);
  out.is_followed_by = ties.from(Kind::follow);
  out.is_mutual = ties.mutual();
  co_return out;
}

Task<Result<CheckMutualFollowResp>> LocalService::check_mutual_follow(
    const Ctx& ctx, const CheckMutualFollowReq& req) {
  if (!req.user_id1) co_return invalid("user_id1", "required");
  if (!req.user_id2) co_return invalid("user_id2", "required");
  SV_CO_TRY(const Ties ties, co_await graph_.tie(ctx, req.user_id1, req.user_id2));
  co_return CheckMutualFollowResp{.is_mutual_follow = ties.mutual()};
}

Task<Result<BatchCheckFollowResp>> LocalService::batch_check_follow(
    const Ctx& ctx, const BatchCheckFollowReq& req) {
  if (!req.user_id) co_return invalid("user_id", "required");
  if (req.target_user_ids.size() > kMaxBatch) co_return invalid("target_user_ids", "too_long");
  SV_CO_TRY(const auto ties, co_await graph_.ties(ctx, req.user_id, req.target_user_ids));
  BatchCheckFollowResp out;
  for (const auto& [id, tie] : ties) out.follow_status[id] = tie.to(Kind::follow);
  co_return out;
}

Task<Result<FollowStatsResp>> LocalService::get_follow_stats(const Ctx& ctx,
                                                             const FollowStatsReq& req) {
  if (!req.user_id) co_return invalid("user_id", "required");
  SV_CO_TRY(const auto found, co_await graph_.counts(ctx, {req.user_id}));
  const Counts& c = found.at(req.user_id);
  co_return FollowStatsResp{.stats = {.user_id = req.user_id,
                                      .follow_count = c.following,
                                      .follower_count = c.followers,
                                      .friend_count = c.friends}};
}

Task<Result<SocialPartsResp>> LocalService::get_social_parts(const Ctx& ctx,
                                                             const SocialPartsReq& req) {
  if (req.user_ids.size() > kMaxBatch) co_return invalid("user_ids", "too_long");
  SV_CO_TRY(const auto ties, co_await graph_.ties(ctx, req.user_id, req.user_ids));
  SocialPartsResp out;
  for (const auto& [id, tie] : ties)
    out.parts[id] = {.is_follow = tie.to(Kind::follow),
                     .is_followed_by = tie.from(Kind::follow),
                     .is_blocked = tie.to(Kind::block),
                     .has_blocked = tie.from(Kind::block),
                     .is_muted = tie.to(Kind::mute)};
  if (!req.with_counts) co_return out;
  SV_CO_TRY(const auto counts, co_await graph_.counts(ctx, req.user_ids));
  for (const auto& [id, c] : counts) {
    out.parts[id].follow_count = c.following;
    out.parts[id].follower_count = c.followers;
  }
  co_return out;
}

Task<Result<FollowIdsResp>> LocalService::get_following_ids(const Ctx& ctx,
                                                            const FollowIdsReq& req) {
  if (!req.user_id) co_return invalid("user_id", "required");
  FollowIdsResp out;
  SV_CO_TRY(out.user_ids,
            co_await graph_.following_ids(ctx, req.user_id, req.after, id_limit(req.limit)));
  co_return out;
}

Task<Result<FollowIdsResp>> LocalService::get_follower_ids(const Ctx& ctx,
                                                           const FollowIdsReq& req) {
  if (!req.user_id) co_return invalid("user_id", "required");
  FollowIdsResp out;
  SV_CO_TRY(out.user_ids,
            co_await graph_.follower_ids(ctx, req.user_id, req.after, id_limit(req.limit)));
  co_return out;
}

}  // namespace sv::social
