#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "platform/auth/key_ring.h"
#include "platform/core/error.h"
#include "platform/ports/clock.h"

namespace sv::auth {

// Links to media that is not public: an HMAC over a path prefix (the folder of one video), so that
// one signature opens a playlist and all its segments. The key is derived from the ring's, which
// never signs two kinds of things with one key. Thread-safe.
class UrlSigner {
 public:
  UrlSigner(const KeyRing& keys, const Clock& clock) : keys_(keys), clock_(clock) {}

  // "exp=<unix s>&kid=…&sig=…" for every path that starts with `prefix`, which ends in '/'. The
  // expiry is `ttl` from now rounded up to the hour: within an hour the same prefix gets the same
  // text, so players and caches see one URL.
  std::string sign(std::string_view prefix, std::chrono::seconds ttl) const;

  // The decoded query values as given; `prefix` is the folder that the requested path lies in, as
  // it was signed.
  // Errc::forbidden "link_invalid" or "link_expired".
  Result<> verify(std::string_view prefix, std::string_view exp, std::string_view kid,
                  std::string_view sig) const;

 private:
  const KeyRing& keys_;
  const Clock& clock_;
};

}  // namespace sv::auth
