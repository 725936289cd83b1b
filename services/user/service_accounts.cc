#include "platform/auth/password.h"
#include "services/user/local_service.h"
#include "services/user/rules.h"
#include "services/user/username.h"

namespace sv::user {
namespace {

std::unexpected<Error> busy() {
  return std::unexpected(Error{.code = Errc::unavailable,
                               .token = "busy",
                               .field = {},
                               .detail = "bcrypt has more to do than it can",
                               .retry_after = std::chrono::seconds(1)});
}

constexpr std::string_view kRegister = "register";

// What an idempotency key stands for, without the password: of that there is only the slow hash.
std::string body_of(const RegisterReq& req) {
  const std::string avatar = req.avatar.value_or("");
  return fmt::format("{} {} {} {} {}", req.username.size(), req.username, avatar.size(), avatar,
                     req.about.value_or(""));
}

}  // namespace

// Whose caller has been told that it takes too long is not worth 100 ms of a core: a crowd would
// keep the pool busy for nobody.
Task<Result<std::string>> LocalService::hash_password(const Ctx& ctx, std::string password) {
  auto hash = co_await offload(deps_.bcrypt_pool,
                               [password = std::move(password), cost = options_.bcrypt_cost,
                                deadline = ctx.deadline]() -> std::optional<std::string> {
                                 if (std::chrono::steady_clock::now() >= deadline)
                                   return std::nullopt;
                                 return auth::hash_password(password, cost);
                               });
  if (!hash || !*hash) co_return busy();
  co_return std::move(**hash);
}

Task<Result<bool>> LocalService::verify_password(const Ctx& ctx, std::string password,
                                                 std::string hash) {
  const auto same = co_await offload(deps_.bcrypt_pool,
                                     [password = std::move(password), hash = std::move(hash),
                                      deadline = ctx.deadline]() -> std::optional<bool> {
                                       if (std::chrono::steady_clock::now() >= deadline)
                                         return std::nullopt;
                                       return auth::verify_password(password, hash);
                                     });
  if (!same || !*same) co_return busy();
  co_return **same;
}

Task<Result<LoginRegisterResp>> LocalService::register_(const Ctx& ctx, const RegisterReq& req) {
  SV_CO_TRY(const std::string key, username_key(req.username));
  SV_CO_CHECK(auth::check_new_password("password", req.password));
  SV_CO_CHECK(check_profile(req.avatar, req.about));
  // Before the costly hash; who comes first among those who pass here is decided by the unique
  // index.
  SV_CO_TRY(const sql::Rows taken, co_await deps_.db.query(ctx, store::kAccountByKey, {key}));
  if (!taken.empty()) co_return co_await register_again(ctx, req);
  SV_CO_TRY(std::string hash, co_await hash_password(ctx, req.password));

  const NewAccount account{.id = UserId(deps_.ids.next()),
                           .username = req.username,
                           .key = key,
                           .password_hash = std::move(hash),
                           .avatar = req.avatar.value_or(""),
                           .about = req.about.value_or("")};
  Opened session = make_session(ctx, account.id);
  auto done = co_await deps_.db.write(
      ctx, [this, ctx, account, body = body_of(req), row = session.row](sql::Tx& tx) {
        return register_tx(tx, ctx, account, row, body);
      });
  if (!done && done.error().code == Errc::conflict) co_return co_await register_again(ctx, req);
  if (!done) co_return std::unexpected(std::move(done.error()));
  co_return co_await signed_in(ctx, std::move(session));
}

Result<> LocalService::register_tx(sql::Tx& tx, const Ctx& ctx, const NewAccount& account,
                                   const NewSession& session, const std::string& body) {
  SV_TRY(const auto before, request_keys_.find(tx, ctx, UserId{}, kRegister, body));
  if (before) return fail(Errc::conflict, "unique_violation");  // a twin was faster
  SV_CHECK(writes_.insert_account(tx, account));
  SV_CHECK(request_keys_.remember(tx, ctx, UserId{}, kRegister, body, account.id.value));
  return writes_.open_session(tx, session);
}

Task<Result<LoginRegisterResp>> LocalService::register_again(const Ctx& ctx,
                                                             const RegisterReq& req) {
  if (ctx.idempotency_key.empty()) co_return fail(Errc::rejected, "username_taken");
  SV_CO_TRY(const auto made,
            co_await deps_.db.write(ctx, [this, ctx, body = body_of(req)](sql::Tx& tx) {
              return request_keys_.find(tx, ctx, UserId{}, kRegister, body);
            }));
  if (!made) co_return fail(Errc::rejected, "username_taken");
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kPasswordById, {*made}));
  if (rows.empty())
    co_return fail(Errc::rejected, "username_taken");  // it was, when this request looked
  co_return co_await sign_in(ctx, UserId(*made), rows.text(0, 0), req.password,
                             {.code = Errc::unprocessable,
                              .token = "idempotency_mismatch",
                              .field = {},
                              .detail = "another password"});
}

Task<Result<LoginRegisterResp>> LocalService::sign_in(const Ctx& ctx, UserId user, std::string hash,
                                                      std::string password, Error refusal) {
  SV_CO_TRY(const bool right, co_await verify_password(ctx, std::move(password), hash));
  if (!right || !user) co_return std::unexpected(std::move(refusal));
  Opened session = make_session(ctx, user);
  SV_CO_CHECK(co_await deps_.db.write(
      ctx, [this, user, hash, refusal, row = session.row](sql::Tx& tx) -> Result<> {
        // The password may have been changed while this one was being verified; that ended all
        // sessions, so none may begin with the old one.
        SV_TRY(const sql::Rows now, tx.query(store::kPasswordById, {user}));
        if (now.empty() || now.text(0, 0) != hash) return std::unexpected(refusal);
        return writes_.open_session(tx, row);
      }));
  co_return co_await signed_in(ctx, std::move(session));
}

// One answer and one cost for an unknown name and a wrong password.
Task<Result<LoginRegisterResp>> LocalService::login(const Ctx& ctx, const LoginReq& req) {
  UserId user{};
  std::string hash = auth::dummy_hash(options_.bcrypt_cost);
  // An impossible name is looked up like any other: "" is no one's key.
  const std::string key = username_key(req.username).value_or("");
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kLoginByKey, {key}));
  if (!rows.empty()) {
    user = UserId(rows.i64(0, 0));
    hash = rows.text(0, 1);
  }
  co_return co_await sign_in(
      ctx, user, std::move(hash), req.password,
      {.code = Errc::rejected, .token = "wrong_credentials", .field = {}, .detail = {}});
}

Task<Result<>> LocalService::update_user(const Ctx& ctx, const UpdateUserReq& req) {
  SV_CO_CHECK(check_profile(req.avatar, req.about));
  std::string old_hash, new_hash;
  if (req.new_password) {
    if (req.old_password.value_or("").empty()) co_return invalid("old_password", "required");
    SV_CO_CHECK(auth::check_new_password("new_password", *req.new_password));
    SV_CO_TRY(const sql::Rows rows,
              co_await deps_.db.query(ctx, store::kPasswordById, {req.user_id}));
    if (rows.empty()) co_return fail(Errc::not_found, "user_not_found");
    old_hash = rows.text(0, 0);
    SV_CO_TRY(const bool right, co_await verify_password(ctx, *req.old_password, old_hash));
    if (!right) co_return fail(Errc::rejected, "wrong_old_password");
    SV_CO_TRY(new_hash, co_await hash_password(ctx, *req.new_password));
  }
  const std::int64_t kept = session_id(ctx.session);
  co_return co_await deps_.db.write(ctx, [this, req, old_hash, new_hash, kept](sql::Tx& tx) {
    return update_tx(tx, req, old_hash, new_hash, kept);
  });
}

Result<> LocalService::update_tx(sql::Tx& tx, const UpdateUserReq& req, const std::string& old_hash,
                                 const std::string& new_hash, std::int64_t kept) {
  const UserId id = req.user_id;
  if (!new_hash.empty()) {
    SV_TRY(const bool replaced,
           writes_.update_account(tx, store::kReplacePassword, id, {id, new_hash, old_hash}));
    if (!replaced) return fail(Errc::rejected, "wrong_old_password");  // a twin was faster
    SV_CHECK(writes_.end_sessions_but(tx, id, kept));
  }
  if (req.avatar || req.about || new_hash.empty()) {
    SV_TRY(const bool found,
           writes_.update_account(tx, store::kSetProfile, id, {id, req.avatar, req.about}));
    if (!found) return fail(Errc::not_found, "user_not_found");
  }
  return {};
}

Task<Result<CheckUsernameResp>> LocalService::check_username(const Ctx& ctx,
                                                             const CheckUsernameReq& req) {
  SV_CO_TRY(const std::string key, username_key(req.username));
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, store::kTakenKeys, {std::vector<std::string>{key}}));
  co_return CheckUsernameResp{.available = rows.empty()};
}

Task<Result<BatchCheckUsernamesResp>> LocalService::batch_check_usernames(
    const Ctx& ctx, const BatchCheckUsernamesReq& req) {
  if (req.usernames.size() > kMaxBatch) co_return invalid("usernames", "too_long");
  std::vector<std::string> keys;
  for (const std::string& name : req.usernames)
    if (auto key = username_key(name)) keys.push_back(std::move(*key));
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kTakenKeys, {keys}));
  std::vector<std::string_view> taken;
  for (std::size_t i = 0; i < rows.size(); ++i) taken.push_back(rows.text(i, 0));
  BatchCheckUsernamesResp out;
  for (const std::string& name : req.usernames) {
    const auto key = username_key(name);
    out.available_map[name] = key && std::ranges::find(taken, *key) == taken.end();
  }
  co_return out;
}

Task<Result<>> LocalService::update_privacy(const Ctx& ctx, const UpdatePrivacyReq& req) {
  if (req.message_from && *req.message_from != "everyone" && *req.message_from != "followed" &&
      *req.message_from != "none")
    co_return invalid("message_from", "invalid");
  co_return co_await change_account(
      ctx, store::kSetPrivacy, req.user_id,
      {req.user_id, req.is_private, req.message_from, req.show_likes});
}

Task<Result<>> LocalService::delete_account(const Ctx& ctx, const DeleteAccountReq& req) {
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, store::kPasswordById, {req.user_id}));
  if (rows.empty()) co_return fail(Errc::not_found, "user_not_found");
  const std::string hash = rows.text(0, 0);
  SV_CO_TRY(const bool right, co_await verify_password(ctx, req.password, hash));
  if (!right) co_return fail(Errc::rejected, "wrong_old_password");
  co_return co_await deps_.db.write(ctx, [this, id = req.user_id, hash](sql::Tx& tx) -> Result<> {
    SV_TRY(const bool deleted, writes_.delete_account(tx, id, hash));
    if (!deleted)
      return fail(Errc::rejected,
                  "wrong_old_password");  // it changed while this one was being verified
    return {};
  });
}

Task<Result<>> LocalService::change_account(const Ctx& ctx, std::string_view statement, UserId id,
                                            sql::Params params) {
  co_return co_await deps_.db.write(
      ctx, [this, statement, id, params = std::move(params)](sql::Tx& tx) -> Result<> {
        SV_TRY(const bool found, writes_.update_account(tx, statement, id, params));
        if (!found) return fail(Errc::not_found, "user_not_found");
        return {};
      });
}

// Counts come from social's edges; only a social service that is not ours has to report them.
Task<Result<>> LocalService::update_follow_count(const Ctx& ctx, const UpdateFollowCountReq& req) {
  if (!options_.foreign_social) co_return fail(Errc::forbidden);
  co_return co_await change_account(ctx, store::kAddFollows, req.user_id, {req.user_id, req.delta});
}

Task<Result<>> LocalService::update_follower_count(const Ctx& ctx,
                                                   const UpdateFollowerCountReq& req) {
  if (!options_.foreign_social) co_return fail(Errc::forbidden);
  co_return co_await change_account(ctx, store::kAddFollowers, req.user_id,
                                    {req.user_id, req.delta});
}

}  // namespace sv::user
