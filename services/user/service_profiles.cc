#include "platform/core/cursor.h"
#include "platform/core/when_all.h"
#include "platform/text/text.h"
#include "services/user/local_service.h"
#include "services/user/rules.h"
#include "services/user/username.h"

namespace sv::user {

// No query when all are cached, one otherwise.
Task<Result<std::vector<AccountPtr>>> LocalService::accounts(const Ctx& ctx,
                                                             std::vector<UserId> ids) {
  std::vector<AccountPtr> out;
  std::unordered_map<UserId, AccountPtr> found;
  std::vector<std::int64_t> missing;
  for (UserId id : ids) {
    auto [at, fresh] = found.try_emplace(id);
    if (!fresh) continue;
    at->second = cache_.find(ctx, id).value_or(nullptr);
    if (!at->second) missing.push_back(id.value);
  }
  if (!missing.empty()) {
    const auto stamp = cache_.stamp();
    SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kAccountsByIds, {missing}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto account = std::make_shared<const Account>(read_account(rows, i));
      cache_.put(stamp, account->id, account);
      found[account->id] = std::move(account);
    }
  }
  for (UserId id : ids)
    if (auto at = found.find(id); at != found.end() && at->second)
      out.push_back(std::exchange(at->second, {}));
  co_return out;
}

// Counts and relations are parts that their owners give; what an absent or silent owner does not
// give is 0 and false. The last known blocks hold while nobody can tell.
Task<std::vector<User>> LocalService::compose(const Ctx& ctx, UserId viewer,
                                              std::vector<AccountPtr> accounts) {
  std::vector<User> out;
  if (accounts.empty()) co_return out;
  std::vector<UserId> ids;
  for (const AccountPtr& a : accounts) ids.push_back(a->id);
  auto given = [&](auto reply, const Peer& owner) {
    if (reply) return std::move(reply->parts);
    owner.silent(ctx, reply.error());
    return decltype(reply->parts){};
  };
  const video::UserVideoPartsReq of_videos{.user_ids = ids};
  const interaction::UserInteractionPartsReq of_likes{.user_ids = ids};
  const social::SocialPartsReq of_ties{
      .user_id = viewer, .user_ids = std::move(ids), .with_counts = true};
  auto [video_parts, like_parts, tie_parts] =
      co_await when_all(deps_.services.video->get_user_video_parts(ctx, of_videos),
                        deps_.services.interaction->get_user_interaction_parts(ctx, of_likes),
                        deps_.services.social->get_social_parts(ctx, of_ties));
  auto videos = given(std::move(video_parts), videos_);
  auto likes = given(std::move(like_parts), likes_);
  auto ties = known_ties(ctx, viewer, std::move(tie_parts));
  out.reserve(accounts.size());
  for (const AccountPtr& a : accounts) {
    const social::SocialParts& tie = ties[a->id];
    if (tie.has_blocked) continue;
    User& u = out.emplace_back();
    u.id = a->id;
    u.username = a->username;
    u.avatar = a->avatar;
    u.about = a->about;
    u.follow_count = options_.foreign_social ? a->follow_count : tie.follow_count;
    u.follower_count = options_.foreign_social ? a->follower_count : tie.follower_count;
    u.is_follow = tie.is_follow;
    u.video_count = videos[a->id].video_count;
    u.like_count = likes[a->id].likes_received;
    u.is_private = a->is_private;
    u.is_blocked = tie.is_blocked;
  }
  co_return out;
}

LastBlocks::Parts LocalService::known_ties(const Ctx& ctx, UserId viewer,
                                           Result<social::SocialPartsResp> answer) {
  if (answer) {
    if (viewer) blocks_.learn(viewer, answer->parts);
    return std::move(answer->parts);
  }
  if (!ties_.silent(ctx, answer.error()) || !viewer) return {};
  note_uncertain(ctx);
  return blocks_.of(viewer);
}

Task<Result<User>> LocalService::user(const Ctx& ctx, UserId viewer, UserId id) {
  SV_CO_TRY(std::vector<AccountPtr> found, co_await accounts(ctx, {id}));
  std::vector<User> users = co_await compose(ctx, viewer, std::move(found));
  if (users.empty()) co_return fail(Errc::not_found, "user_not_found");
  co_return std::move(users.front());
}

Task<Result<UserInfoResp>> LocalService::get_user_info(const Ctx& ctx, const UserInfoReq& req) {
  SV_CO_TRY(User found, co_await user(ctx, req.current_user_id,
                                      req.user_id ? req.user_id : req.current_user_id));
  co_return UserInfoResp{.user = std::move(found)};
}

Task<Result<UserInfoResp>> LocalService::get_user_info_by_username(
    const Ctx& ctx, const UserInfoByUsernameReq& req) {
  const auto key = username_key(req.username);
  if (!key) co_return fail(Errc::not_found, "user_not_found");
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kAccountByKey, {*key}));
  if (rows.empty()) co_return fail(Errc::not_found, "user_not_found");
  std::vector<AccountPtr> found{std::make_shared<const Account>(read_account(rows, 0))};
  std::vector<User> users = co_await compose(ctx, ctx.caller, std::move(found));
  if (users.empty()) co_return fail(Errc::not_found, "user_not_found");
  co_return UserInfoResp{.user = std::move(users.front())};
}

Task<Result<BatchUserInfoResp>> LocalService::batch_get_user_info(const Ctx& ctx,
                                                                  const BatchUserInfoReq& req) {
  if (req.user_ids.size() > kMaxBatch) co_return invalid("user_ids", "too_long");
  SV_CO_TRY(std::vector<AccountPtr> found, co_await accounts(ctx, req.user_ids));
  std::vector<User> users = co_await compose(ctx, req.current_user_id, std::move(found));
  BatchUserInfoResp out;
  for (User& u : users) {
    const UserId id = u.id;
    out.users.emplace(id, std::move(u));
  }
  co_return out;
}

Task<Result<UserStatsResp>> LocalService::get_user_stats(const Ctx& ctx, const UserStatsReq& req) {
  SV_CO_TRY(const User u, co_await user(ctx, ctx.caller, req.user_id));
  const auto received = co_await deps_.services.interaction->get_user_interaction_parts(
      ctx, {.user_ids = {req.user_id}});
  if (!received) likes_.silent(ctx, received.error());
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kCount));
  UserStatsResp out;
  out.stats = {.user_id = u.id,
               .video_count = u.video_count.value_or(0),
               .total_likes_received = u.like_count.value_or(0),
               .total_comments = received ? received->parts.at(req.user_id).comments_received : 0};
  out.total_user_count = rows.i64(0, 0);
  co_return out;
}

Task<Result<SearchUsersResp>> LocalService::search_users(const Ctx& ctx,
                                                         const SearchUsersReq& req) {
  SV_CO_CHECK(check_text("keyword", req.keyword, 100));
  const std::string word = like_literal(fold_text(req.keyword));
  if (word.empty()) co_return invalid("keyword", "required");
  const std::size_t size = page_size(req.page_size);
  const std::string pattern = "%" + word + "%";
  SearchUsersResp out;
  SV_CO_TRY(const sql::Rows count, co_await deps_.db.query(ctx, store::kSearchCount, {pattern}));
  out.total = count.i64(0, 0);
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, store::kSearch,
                                    {pattern, word + "%", size, page_offset(req.page, size)}));
  std::vector<AccountPtr> found;
  for (std::size_t i = 0; i < rows.size(); ++i)
    found.push_back(std::make_shared<const Account>(read_account(rows, i)));
  out.users = co_await compose(ctx, ctx.caller, std::move(found));
  co_return out;
}

Task<Result<UserBriefsResp>> LocalService::get_user_briefs(const Ctx& ctx,
                                                           const UserBriefsReq& req) {
  if (req.user_ids.size() > kMaxBatch) co_return invalid("user_ids", "too_long");
  SV_CO_TRY(const std::vector<AccountPtr> found, co_await accounts(ctx, req.user_ids));
  UserBriefsResp out;
  std::vector<UserId>& hidden = out.private_ids.emplace();
  for (const AccountPtr& a : found) {
    out.briefs[a->id] = {
        .id = a->id, .username = a->username, .avatar = a->avatar, .is_follow = false};
    if (a->is_private) hidden.push_back(a->id);
  }
  co_return out;
}

Task<Result<PrivacyOfResp>> LocalService::get_privacy_of(const Ctx& ctx, const PrivacyOfReq& req) {
  if (req.user_ids.size() > kMaxBatch) co_return invalid("user_ids", "too_long");
  SV_CO_TRY(const std::vector<AccountPtr> found, co_await accounts(ctx, req.user_ids));
  PrivacyOfResp out;
  for (const AccountPtr& a : found)
    out.privacy[a->id] = {
        .is_private = a->is_private, .message_from = a->message_from, .show_likes = a->show_likes};
  co_return out;
}

}  // namespace sv::user
