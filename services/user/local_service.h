#pragma once

#include "platform/auth/token.h"
#include "services/parts/last_blocks.h"
#include "services/parts/peer.h"
#include "services/parts/request_keys.h"
#include "services/user/service.h"
#include "services/user/writes.h"

namespace sv::user {

// The service itself; others see UserApi (service.h).
class LocalService final : public UserApi {
 public:
  LocalService(const UserDeps& deps, const UserOptions& options);

  // service_accounts.cc
  Task<Result<LoginRegisterResp>> register_(const Ctx& ctx, const RegisterReq& req) override;
  Task<Result<LoginRegisterResp>> login(const Ctx& ctx, const LoginReq& req) override;
  Task<Result<>> update_user(const Ctx& ctx, const UpdateUserReq& req) override;
  Task<Result<CheckUsernameResp>> check_username(const Ctx& ctx,
                                                 const CheckUsernameReq& req) override;
  Task<Result<BatchCheckUsernamesResp>> batch_check_usernames(
      const Ctx& ctx, const BatchCheckUsernamesReq& req) override;
  Task<Result<>> update_privacy(const Ctx& ctx, const UpdatePrivacyReq& req) override;
  Task<Result<>> delete_account(const Ctx& ctx, const DeleteAccountReq& req) override;
  Task<Result<>> update_follow_count(const Ctx& ctx, const UpdateFollowCountReq& req) override;
  Task<Result<>> update_follower_count(const Ctx& ctx, const UpdateFollowerCountReq& req) override;

  // service_avatars.cc
  Task<Result<AvatarResp>> get_avatar(const Ctx& ctx, const AvatarReq& req) override;
  Task<Result<>> update_avatar(const Ctx& ctx, const UpdateAvatarReq& req) override;

  // service_sessions.cc
  Task<Result<bool>> verify_token(const Ctx& ctx, const std::string& token) override;
  Task<Result<RefreshResp>> refresh(const Ctx& ctx, const RefreshReq& req) override;
  Task<Result<>> logout(const Ctx& ctx, const LogoutReq& req) override;
  Task<Result<ListSessionsResp>> list_sessions(const Ctx& ctx, const ListSessionsReq& req) override;
  Task<Result<>> remove_session(const Ctx& ctx, const RemoveSessionReq& req) override;
  Task<Result<CheckSessionResp>> check_session(const Ctx& ctx, const CheckSessionReq& req) override;

  // service_profiles.cc
  Task<Result<UserInfoResp>> get_user_info(const Ctx& ctx, const UserInfoReq& req) override;
  Task<Result<UserInfoResp>> get_user_info_by_username(const Ctx& ctx,
                                                       const UserInfoByUsernameReq& req) override;
  Task<Result<BatchUserInfoResp>> batch_get_user_info(const Ctx& ctx,
                                                      const BatchUserInfoReq& req) override;
  Task<Result<UserStatsResp>> get_user_stats(const Ctx& ctx, const UserStatsReq& req) override;
  Task<Result<SearchUsersResp>> search_users(const Ctx& ctx, const SearchUsersReq& req) override;
  Task<Result<UserBriefsResp>> get_user_briefs(const Ctx& ctx, const UserBriefsReq& req) override;
  Task<Result<PrivacyOfResp>> get_privacy_of(const Ctx& ctx, const PrivacyOfReq& req) override;
  Task<Result<RevokedSessionsResp>> get_revoked_sessions(const Ctx& ctx,
                                                         const RevokedSessionsReq& req) override;

 private:
  // service_accounts.cc
  Task<Result<std::string>> hash_password(const Ctx& ctx, std::string password);
  Task<Result<bool>> verify_password(const Ctx& ctx, std::string password, std::string hash);
  // A registration whose name is taken: by itself when its idempotency key says so, and then the
  // password signs in again.
  Task<Result<LoginRegisterResp>> register_again(const Ctx& ctx, const RegisterReq& req);
  // Opens a session for whom `password` belongs to; `hash` is the account's. Anything else is
  // `refusal`.
  Task<Result<LoginRegisterResp>> sign_in(const Ctx& ctx, UserId user, std::string hash,
                                          std::string password, Error refusal);
  Result<> register_tx(sql::Tx& tx, const Ctx& ctx, const NewAccount& account,
                       const NewSession& session, const std::string& body);
  // `new_hash` empty: the password stays. `kept` is the session that a new one does not end.
  Result<> update_tx(sql::Tx& tx, const UpdateUserReq& req, const std::string& old_hash,
                     const std::string& new_hash, std::int64_t kept);
  Task<Result<>> change_account(const Ctx& ctx, std::string_view statement, UserId id,
                                sql::Params params);

  // service_sessions.cc: the session's row, and the answer that hands it out once the row is
  // committed.
  struct Opened {
    NewSession row;
    std::string refresh_token;
  };
  Opened make_session(const Ctx& ctx, UserId user);
  Task<Result<LoginRegisterResp>> signed_in(const Ctx& ctx, Opened session);
  struct Turned {
    UserId user{};
    std::int64_t session = 0;
    std::string successor;  // empty: the token was used before, and its session has ended for it
  };
  Result<Turned> turn_refresh(sql::Tx& tx, const Ctx& ctx, const std::string& token);
  // The token is used now, by `ctx`; returns the one that follows.
  Result<std::string> rotate(sql::Tx& tx, const Ctx& ctx, std::int64_t session,
                             const std::string& token);
  Result<auth::Claims> check_token(std::string_view token) const;

  // service_profiles.cc: unknown ids are left out; the order is that of `ids`, each once.
  Task<Result<std::vector<AccountPtr>>> accounts(const Ctx& ctx, std::vector<UserId> ids);
  // Those who blocked the viewer are left out.
  Task<std::vector<User>> compose(const Ctx& ctx, UserId viewer, std::vector<AccountPtr> accounts);
  // What ties the viewer to those asked about; while the owner is silent, the last blocks.
  LastBlocks::Parts known_ties(const Ctx& ctx, UserId viewer,
                               Result<social::SocialPartsResp> answer);
  Task<Result<User>> user(const Ctx& ctx, UserId viewer, UserId id);

  const UserDeps deps_;
  const UserOptions options_;
  const auth::TokenSigner tokens_;
  AccountCache cache_{deps_.memory()};
  const Peer videos_, likes_, ties_;
  LastBlocks blocks_;
  const Writes writes_;
  const RequestKeys request_keys_;
};

}  // namespace sv::user
