#include "platform/auth/signed_url.h"

#include <charconv>

#include "platform/core/encoding.h"
#include "platform/crypto/sha256.h"

namespace sv::auth {
namespace {

constexpr std::int64_t kHour = 3600;

std::string signature(const Key& key, std::string_view prefix, std::int64_t exp) {
  return base64url_encode(hmac_sha256(key.link_secret, fmt::format("{}\n{}", exp, prefix)));
}

}  // namespace

std::string UrlSigner::sign(std::string_view prefix, std::chrono::seconds ttl) const {
  const Key key = keys_.signer();
  const std::int64_t until = clock_.now_ms() / 1000 + ttl.count();
  const std::int64_t exp = (until + kHour - 1) / kHour * kHour;
  return fmt::format("exp={}&kid={}&sig={}", exp, key.kid, signature(key, prefix, exp));
}

Result<> UrlSigner::verify(std::string_view prefix, std::string_view exp, std::string_view kid,
                           std::string_view sig) const {
  const auto key = keys_.find(kid);
  if (!key || exp.empty() || exp.size() > 12) return fail(Errc::forbidden, "link_invalid");
  std::int64_t until = 0;
  const auto [end, error] = std::from_chars(exp.data(), exp.data() + exp.size(), until);
  if (error != std::errc{} || end != exp.data() + exp.size())
    return fail(Errc::forbidden, "link_invalid");
  if (!equal_constant_time(signature(*key, prefix, until), sig))
    return fail(Errc::forbidden, "link_invalid");
  if (clock_.now_ms() >= until * 1000) return fail(Errc::forbidden, "link_expired");
  return {};
}

}  // namespace sv::auth
