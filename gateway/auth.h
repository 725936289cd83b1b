#pragma once

#include <string_view>

#include "gateway/route.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/auth/token.h"
#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::gateway {

struct Identity {
  UserId user{};  // 0: a guest
  std::string session{};
  bool bad_token = false;  // a guest because the token was bad
};

// Who calls, by the Authorization header. On a route that requires a caller:
// authorization_required, authorization_format or invalid_token (401), user_unavailable (503) while
// it is not known which sessions have ended. Elsewhere whatever is wrong makes a guest.
Result<Identity> identify(std::string_view authorization, Access access,
                          const auth::TokenSigner& tokens, const auth::RevokedSessions& revoked);

// Asks the user service, once a request, for a token says nothing of roles: who is promoted or
// demoted need not sign in again. Sets ctx.moderator; unknown_route for everyone else, so that
// nobody learns what moderators have.
Task<Result<>> require_moderator(Call& call);

}  // namespace sv::gateway
