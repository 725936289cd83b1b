#include "gateway/auth.h"

#include "gateway/edge.h"

namespace sv::gateway {
namespace {

// "Bearer <token>", the scheme in any case (RFC 9110 §11.1).
Result<std::string_view> bearer(std::string_view header) {
  if (header.empty()) return fail(Errc::unauthenticated, "authorization_required");
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return fail(Errc::unauthenticated, "authorization_format");
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if (char c = header[i]; (c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) != kScheme[i])
      return fail(Errc::unauthenticated, "authorization_format");
  header.remove_prefix(kScheme.size());
  if (header.contains(' ')) return fail(Errc::unauthenticated, "authorization_format");
  return header;
}

Result<auth::Claims> verify(std::string_view header, const auth::TokenSigner& tokens,
                            const auth::RevokedSessions& revoked) {
  SV_TRY(const auto token, bearer(header));
  SV_TRY(auto claims, tokens.verify(token));
  if (revoked.contains(claims.session))
    return fail(Errc::unauthenticated, "invalid_token", "the session has ended");
  return claims;
}

}  // namespace

Result<Identity> identify(std::string_view authorization, Access access,
                          const auth::TokenSigner& tokens, const auth::RevokedSessions& revoked) {
  if (access == Access::open || (access == Access::optional && authorization.empty()))
    return Identity{};
  if (!revoked.known()) {  // it may be one that has ended: nobody, until somebody can tell
    if (!needs_token(access)) return Identity{};
    return fail(Errc::unavailable, "user_unavailable");
  }
  auto claims = verify(authorization, tokens, revoked);
  if (claims) return Identity{.user = claims->user, .session = std::move(claims->session)};
  if (needs_token(access)) return std::unexpected(std::move(claims.error()));
  return Identity{.bad_token = true};
}

Task<Result<>> require_moderator(Call& call) {
  SV_CO_TRY(const std::string_view token, bearer(call.x.header("Authorization")));
  const user::CheckSessionReq ask{.token = std::string(token)};
  SV_CO_TRY(const auto session,
            co_await call.edge.deps.services.user->check_session(call.ctx, ask));
  if (!session.moderator) co_return fail(Errc::not_found, "unknown_route");
  call.ctx.moderator = true;
  co_return Result<>{};
}

}  // namespace sv::gateway
