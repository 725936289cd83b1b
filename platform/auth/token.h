#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "platform/auth/key_ring.h"
#include "platform/auth/verified_tokens.h"
#include "platform/core/error.h"
#include "platform/core/ids.h"
#include "platform/ports/clock.h"

namespace sv::auth {

struct Claims {
  UserId user{};
  std::string session;  // sid; empty in tokens of Go services
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
  bool operator==(const Claims&) const = default;
};

// Access tokens: JWT, HS256 only (RFC 7519; the algorithm is ours to choose, never the token's).
// Claims user_id (number), sub (the same as text), sid, iat, exp. Thread-safe.
class TokenSigner {
 public:
  TokenSigner(const KeyRing& keys, const Clock& clock) : keys_(keys), clock_(clock) {}

  std::string sign(UserId user, std::string_view session, std::chrono::milliseconds ttl) const;

  // Anything but a token that one of our keys signed and that has not expired is
  // Errc::unauthenticated "invalid_token", the reason in `detail`. A token without kid is checked
  // only against a key with kid "". Whether the session was revoked is not asked here.
  Result<Claims> verify(std::string_view token) const;

 private:
  Result<Claims> check(std::string_view token) const;  // all but the time

  const KeyRing& keys_;
  const Clock& clock_;
  const VerifiedTokens<Claims> known_;
};

}  // namespace sv::auth
