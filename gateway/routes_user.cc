#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

user::UserApi& users(Call& call) { return *call.edge.deps.services.user; }

// A registration with an idempotency key may be answered by a password, so guessing is bounded as
// it is at a login.
Task<Result<user::LoginRegisterResp>> sign_up(Call& call, const user::RegisterReq& in) {
  const bool keyed = !call.ctx.idempotency_key.empty();
  if (keyed) SV_CO_CHECK(co_await call.edge.limits.login_allowed(call.ctx, in.username));
  auto reply = co_await users(call).register_(call.ctx, in);
  if (keyed && !reply && reply.error().token == "idempotency_mismatch")
    co_await call.edge.limits.login_failed(call.ctx, in.username);
  if (reply) call.signed_in = reply->user.id;
  co_return reply;
}

Task<Result<user::LoginRegisterResp>> login(Call& call, const user::LoginReq& in) {
  SV_CO_CHECK(co_await call.edge.limits.login_allowed(call.ctx, in.username));
  auto reply = co_await users(call).login(call.ctx, in);
  if (!reply && reply.error().token == "wrong_credentials")
    co_await call.edge.limits.login_failed(call.ctx, in.username);
  if (reply) call.signed_in = reply->user.id;
  co_return reply;
}

Task<Result<user::RefreshResp>> refresh(Call& call, const user::RefreshReq& in) {
  SV_CO_TRY(auto reply, co_await users(call).refresh(call.ctx, in));
  if (const auto claims = call.edge.tokens.verify(reply.token)) call.signed_in = claims->user;
  co_return reply;
}

Task<Result<>> logout(Call& call) {
  co_return co_await users(call).logout(call.ctx, {.user_id = call.ctx.caller});
}

Task<Result<http::SessionListResp>> sessions(Call& call) {
  SV_CO_TRY(auto reply, co_await users(call).list_sessions(call.ctx, {.user_id = call.ctx.caller}));
  co_return http::SessionListResp{.sessions = std::move(reply.sessions)};
}

Task<Result<>> remove_session(Call& call, const user::RemoveSessionReq& in) {
  co_return co_await users(call).remove_session(call.ctx, by_caller(call, in));
}

Task<Result<User>> user_by_id(Call& call, UserId id) {
  SV_CO_TRY(auto reply, co_await users(call).get_user_info(
                            call.ctx, {.user_id = id, .current_user_id = call.ctx.caller}));
  co_return std::move(reply.user);
}

Task<Result<User>> profile(Call& call, const user::UserInfoReq& in) {
  co_return co_await user_by_id(call, in.user_id ? in.user_id : call.ctx.caller);
}

Task<Result<User>> detail(Call& call, const http::UserDetailReq& in) {
  co_return co_await user_by_id(call, in.user_id);
}

Task<Result<>> update(Call& call, const user::UpdateUserReq& in) {
  co_return co_await users(call).update_user(call.ctx, by_caller(call, in));
}

Task<Result<user::CheckUsernameResp>> check(Call& call, const user::CheckUsernameReq& in) {
  co_return co_await users(call).check_username(call.ctx, in);
}

Task<Result<user::UserStats>> stats(Call& call, const user::UserStatsReq& in) {
  SV_CO_TRY(auto reply, co_await users(call).get_user_stats(call.ctx, in));
  co_return std::move(reply.stats);
}

Task<Result<>> privacy(Call& call, const user::UpdatePrivacyReq& in) {
  co_return co_await users(call).update_privacy(call.ctx, by_caller(call, in));
}

Task<Result<>> delete_account(Call& call, const user::DeleteAccountReq& in) {
  co_return co_await users(call).delete_account(call.ctx, by_caller(call, in));
}

constexpr Route kRoutes[] = {
    post<sign_up>("/api/user/register", Access::open, "Create an account and sign in",
                  RateClass::register_),
    post<login>("/api/user/login", Access::open, "Sign in", RateClass::login),
    post<refresh>("/api/user/refresh", Access::open,
                  "A new access token; the refresh token rotates, and using one again, later than "
                  "in auth.refresh_grace, ends its sessions"),
    post<logout>("/api/auth/user/logout", Access::required, "End this session"),
    get<sessions>("/api/auth/user/sessions", Access::required, "The caller's sessions"),
    remove<remove_session>("/api/auth/user/session", Access::required,
                           "End one of the caller's sessions"),
    get<profile>("/api/auth/user/profile", Access::required, "A user, the caller by default"),
    put<update>("/api/auth/user/update", Access::required, "Change avatar, about or password"),
    put<privacy>("/api/auth/user/privacy", Access::required,
                 "Who sees the account, its likes, and may write to it"),
    api_route<delete_account, Body::json>("DELETE", "/api/auth/user/account", Access::required,
                                          RateClass::write, "Delete the caller's account"),
    get_cached<detail>("/api/user/detail", "One user"),
    get<check>("/api/user/check", Access::open, "Whether a user name is free"),
    get<stats>("/api/user/stats", Access::optional, "A user's counters"),
};

}  // namespace

std::span<const Route> user_routes() { return kRoutes; }

}  // namespace sv::gateway
