#include "services/parts/events.h"
#include "services/social/local_service.h"

namespace sv::social {
namespace {

Result<> check_pair(UserId user, UserId target, std::string_view self) {
  if (!user) return fail(Errc::unauthenticated);
  if (!target) return invalid("target_user_id", "required");
  if (user == target) return fail(Errc::rejected, self);
  return {};
}

}  // namespace

Task<Result<FollowActionResp>> LocalService::follow_action(const Ctx& ctx,
                                                           const FollowActionReq& req) {
  SV_CO_CHECK(check_pair(req.user_id, req.target_user_id, "cannot_follow_self"));
  if (!req.action) {
    SV_CO_CHECK(co_await deps_.db.write(ctx, [this, req](sql::Tx& tx) -> Result<> {
      SV_TRY(const Ties ties, graph_.ties_now(tx, req.user_id, req.target_user_id));
      return end_following(tx, req.user_id, req.target_user_id, ties);
    }));
    co_return FollowActionResp{};
  }
  SV_CO_TRY(const auto hidden, co_await private_among(ctx, {req.target_user_id}));
  const bool ask = hidden.contains(req.target_user_id);
  SV_CO_TRY(const bool requested, co_await deps_.db.write(ctx, [this, req, ask](sql::Tx& tx) {
    return follow(tx, req.user_id, req.target_user_id, ask);
  }));
  FollowActionResp out;
  if (requested) out.requested = true;
  co_return out;
}

Result<bool> LocalService::follow(sql::Tx& tx, UserId user, UserId target, bool ask) {
  SV_CHECK(gone_.check(tx, user, target));
  SV_TRY(const Ties ties, graph_.ties_now(tx, user, target));
  if (ties.blocked()) return fail(Errc::not_found, "user_not_found");
  if (ties.to(Kind::follow)) return false;
  if (!ask) {
    SV_CHECK(begin_following(tx, user, target, ties));
    return false;
  }
  SV_TRY(const bool asked, graph_.add(tx, Kind::request, user, target));
  if (asked)
    SV_CHECK(publish_event(deps_.events, tx, target, 0,
                           events::SocialFollowRequested{.user = user, .target = target}));
  return true;
}

Task<Result<>> LocalService::answer_request(const Ctx& ctx, const AnswerRequestReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  if (!req.from_user_id) co_return invalid("user_id", "required");
  co_return co_await deps_.db.write(ctx, [this, req](sql::Tx& tx) { return answer(tx, req); });
}

// A request that is not there was answered, or never made: refusing it changes nothing, accepting
// it needs one.
Result<> LocalService::answer(sql::Tx& tx, const AnswerRequestReq& req) {
  const UserId user = req.from_user_id, target = req.user_id;
  if (!req.accept) {
    SV_CHECK(graph_.remove(tx, Kind::request, user, target));
    return {};
  }
  SV_TRY(const Ties ties, graph_.ties_now(tx, user, target));
  if (ties.to(Kind::follow)) return {};
  if (!ties.to(Kind::request)) return fail(Errc::not_found, "request_not_found");
  return begin_following(tx, user, target, ties);
}

Task<Result<>> LocalService::block_action(const Ctx& ctx, const BlockActionReq& req) {
  SV_CO_CHECK(check_pair(req.user_id, req.target_user_id, "cannot_block_self"));
  if (req.action) SV_CO_CHECK(co_await check_exists(ctx, req.target_user_id));
  co_return co_await deps_.db.write(ctx, [this, req](sql::Tx& tx) { return block(tx, req); });
}

// Also someone who blocked the caller: a guest sees him anyway, and who unblocks only to look again
// must find the door shut.
Result<> LocalService::block(sql::Tx& tx, const BlockActionReq& req) {
  const UserId user = req.user_id, target = req.target_user_id;
  if (!req.action) {
    SV_CHECK(graph_.remove(tx, Kind::block, user, target));
    return {};
  }
  SV_CHECK(gone_.check(tx, user, target));
  SV_TRY(const bool fresh, graph_.add(tx, Kind::block, user, target));
  if (!fresh) return {};
  SV_TRY(const Ties ties, graph_.ties_now(tx, user, target));
  SV_CHECK(end_following(tx, user, target, ties));
  SV_CHECK(end_following(tx, target, user, ties.flipped()));
  return publish_event(deps_.events, tx, user, 0,
                       events::SocialBlocked{.user = user, .target = target});
}

Task<Result<>> LocalService::mute_action(const Ctx& ctx, const MuteActionReq& req) {
  SV_CO_CHECK(check_pair(req.user_id, req.target_user_id, "cannot_mute_self"));
  if (req.action) SV_CO_CHECK(co_await check_exists(ctx, req.target_user_id));
  co_return co_await deps_.db.write(ctx, [this, req](sql::Tx& tx) { return mute(tx, req); });
}

Result<> LocalService::mute(sql::Tx& tx, const MuteActionReq& req) {
  const UserId user = req.user_id, target = req.target_user_id;
  if (!req.action) {
    SV_CHECK(graph_.remove(tx, Kind::mute, user, target));
    return {};
  }
  SV_CHECK(gone_.check(tx, user, target));
  SV_TRY(const Ties ties, graph_.ties_now(tx, user, target));
  if (ties.blocked()) return fail(Errc::not_found, "user_not_found");
  SV_CHECK(graph_.add(tx, Kind::mute, user, target));
  return {};
}

Result<> LocalService::begin_following(sql::Tx& tx, UserId user, UserId target, Ties ties) {
  if (ties.to(Kind::request)) SV_CHECK(graph_.remove(tx, Kind::request, user, target));
  SV_CHECK(graph_.add(tx, Kind::follow, user, target));
  if (ties.from(Kind::follow)) {
    SV_CHECK(graph_.add(tx, Kind::friends, user, target));
    SV_CHECK(graph_.add(tx, Kind::friends, target, user));
  }
  return publish_event(deps_.events, tx, target, 0,
                       events::SocialFollowed{.user = user, .target = target});
}

Result<> LocalService::end_following(sql::Tx& tx, UserId user, UserId target, Ties ties) {
  if (ties.to(Kind::request)) SV_CHECK(graph_.remove(tx, Kind::request, user, target));
  if (!ties.to(Kind::follow)) return {};
  SV_CHECK(graph_.remove(tx, Kind::follow, user, target));
  if (ties.from(Kind::follow)) {
    SV_CHECK(graph_.remove(tx, Kind::friends, user, target));
    SV_CHECK(graph_.remove(tx, Kind::friends, target, user));
  }
  return publish_event(deps_.events, tx, target, 0,
                       events::SocialUnfollowed{.user = user, .target = target});
}

}  // namespace sv::social
