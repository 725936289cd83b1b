#include "platform/core/encoding.h"
#include "platform/crypto/random.h"
#include "platform/crypto/sha256.h"
#include "services/user/local_service.h"
#include "services/user/rules.h"

namespace sv::user {
namespace {

std::unexpected<Error> bad_token(std::string why) {
  return fail(Errc::unauthenticated, "invalid_token", std::move(why));
}

// The table holds the hash of `used` and the salt: neither tells the successor, both tokens are 256
// bits that only their holder has.
std::string successor_of(const std::string& used, const std::string& salt) {
  return base64url_encode(hmac_sha256(used, salt));
}

std::int64_t seconds(std::chrono::milliseconds ms) {
  return std::chrono::duration_cast<std::chrono::seconds>(ms).count();
}

}  // namespace

LocalService::Opened LocalService::make_session(const Ctx& ctx, UserId user) {
  Opened out;
  out.refresh_token = random_token();
  out.row = {.id = deps_.ids.next(),
             .user = user,
             .refresh_hash = token_hash(out.refresh_token),
             .address = tame(ctx.address),
             .user_agent = tame(ctx.user_agent),
             .expires_ms = deps_.clock.now_ms() + options_.refresh_ttl.count()};
  return out;
}

Task<Result<LoginRegisterResp>> LocalService::signed_in(const Ctx& ctx, Opened session) {
  Ctx own = ctx;
  own.caller = session.row.user;
  SV_CO_TRY(User me, co_await user(own, own.caller, own.caller));
  co_return LoginRegisterResp{
      .user = std::move(me),
      .token = tokens_.sign(session.row.user, std::to_string(session.row.id), options_.access_ttl),
      .refresh_token = std::move(session.refresh_token),
      .expires_in = seconds(options_.access_ttl)};
}

Task<Result<RefreshResp>> LocalService::refresh(const Ctx& ctx, const RefreshReq& req) {
  SV_CO_TRY(Turned turned,
            co_await deps_.db.write(ctx, [this, ctx, token = req.refresh_token](sql::Tx& tx) {
              return turn_refresh(tx, ctx, token);
            }));
  if (turned.successor.empty()) co_return bad_token("refresh token was used before");
  co_return RefreshResp{
      .token = tokens_.sign(turned.user, std::to_string(turned.session), options_.access_ttl),
      .refresh_token = std::move(turned.successor),
      .expires_in = seconds(options_.access_ttl)};
}

Result<LocalService::Turned> LocalService::turn_refresh(sql::Tx& tx, const Ctx& ctx,
                                                        const std::string& token) {
  const std::int64_t now = deps_.clock.now_ms();
  SV_TRY(const sql::Rows rows, tx.query(store::kRefresh, {token_hash(token)}));
  if (rows.empty()) return bad_token("refresh token is unknown");
  const RefreshRow row = read_refresh(rows, 0);
  if (row.ended_ms != 0 || row.expires_ms <= now) return bad_token("session has ended");
  Turned out{.user = row.user, .session = row.session, .successor = {}};
  if (row.used_ms == 0) {
    SV_TRY(out.successor, rotate(tx, ctx, row.session, token));
  } else if (!row.salt.empty() && now - row.used_ms < options_.refresh_grace.count()) {
    out.successor = successor_of(token, row.salt);
  } else {
    // Two parties hold this token and one of them is not the owner: the family ends, and that must
    // be committed.
    SV_CHECK(writes_.end_session(tx, row.user, row.session));
  }
  return out;
}

Result<std::string> LocalService::rotate(sql::Tx& tx, const Ctx& ctx, std::int64_t session,
                                         const std::string& token) {
  const std::int64_t now = deps_.clock.now_ms(), ttl = options_.refresh_ttl.count();
  const std::string salt = random_token();
  std::string successor = successor_of(token, salt);
  SV_CHECK(tx.execute(store::kUseRefresh, {token_hash(token), now, salt}));
  SV_CHECK(tx.execute(store::kInsertRefresh, {token_hash(successor), session}));
  SV_CHECK(tx.execute(store::kTouchSession,
                      {session, now, now + ttl, tame(ctx.address), tame(ctx.user_agent)}));
  SV_CHECK(tx.execute(store::kForgetUsedRefresh, {session, now - ttl}));
  return successor;
}

// A token without a session (of a Go service) has nothing that could end.
Task<Result<>> LocalService::logout(const Ctx& ctx, const LogoutReq& req) {
  co_return co_await deps_.db.write(
      ctx, [this, user = req.user_id, session = session_id(ctx.session)](sql::Tx& tx) -> Result<> {
        SV_CHECK(writes_.end_session(tx, user, session));
        return {};
      });
}

Task<Result<ListSessionsResp>> LocalService::list_sessions(const Ctx& ctx,
                                                           const ListSessionsReq& req) {
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, store::kSessions, {req.user_id, deps_.clock.now_ms()}));
  const std::int64_t current = session_id(ctx.session);
  ListSessionsResp out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out.sessions.push_back({.id = rows.i64(i, 0),
                            .create_time = rows.i64(i, 1) / 1000,
                            .last_seen = rows.i64(i, 2) / 1000,
                            .address = rows.text(i, 3),
                            .user_agent = rows.text(i, 4),
                            .current = rows.i64(i, 0) == current});
  }
  co_return out;
}

Task<Result<>> LocalService::remove_session(const Ctx& ctx, const RemoveSessionReq& req) {
  co_return co_await deps_.db.write(
      ctx, [this, user = req.user_id, session = req.id](sql::Tx& tx) -> Result<> {
        SV_TRY(const bool ended, writes_.end_session(tx, user, session));
        if (!ended) return fail(Errc::not_found, "session_not_found");
        return {};
      });
}

Result<auth::Claims> LocalService::check_token(std::string_view token) const {
  SV_TRY(auth::Claims claims, tokens_.verify(token));
  if (deps_.revoked.contains(claims.session)) return bad_token("session has ended");
  return claims;
}

Task<Result<RevokedSessionsResp>> LocalService::get_revoked_sessions(
    const Ctx& ctx, const RevokedSessionsReq& req) {
  constexpr std::int64_t kPage = 1000;
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kEndedSessions,
                                                          {req.after_ms, req.after_id, kPage}));
  RevokedSessionsResp out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.sessions.push_back(
        {.id = rows.i64(i, 0), .ended_ms = rows.i64(i, 1), .until_ms = rows.i64(i, 2)});
  out.more = static_cast<std::int64_t>(rows.size()) == kPage;
  co_return out;
}

Task<Result<bool>> LocalService::verify_token(const Ctx&, const std::string& token) {
  co_return check_token(token).has_value();
}

Task<Result<CheckSessionResp>> LocalService::check_session(const Ctx& ctx,
                                                           const CheckSessionReq& req) {
  SV_CO_TRY(const auth::Claims claims, check_token(req.token));
  SV_CO_TRY(const std::vector<AccountPtr> found, co_await accounts(ctx, {claims.user}));
  if (found.empty()) co_return bad_token("user is gone");
  co_return CheckSessionResp{
      .user_id = claims.user, .session = claims.session, .moderator = found.front()->is_admin};
}

}  // namespace sv::user
