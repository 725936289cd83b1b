#include "platform/auth/token.h"

#include <limits>

#include "platform/auth/flat_json.h"
#include "platform/core/encoding.h"
#include "platform/core/json_writer.h"
#include "platform/crypto/sha256.h"

namespace sv::auth {
namespace {

constexpr std::size_t kMaxToken = 2048;
constexpr std::int64_t kMaxId = (std::int64_t{1} << 53) - 1;
constexpr std::int64_t kMaxSeconds = std::numeric_limits<std::int64_t>::max() / 1000;

auto refuse(std::string_view why) {
  return fail(Errc::unauthenticated, "invalid_token", std::string(why));
}

const std::string* text_member(const FlatObject& object, std::string_view name) {
  const FlatValue* value = find_member(object, name);
  return value == nullptr ? nullptr : std::get_if<std::string>(value);
}
const std::int64_t* number_member(const FlatObject& object, std::string_view name) {
  const FlatValue* value = find_member(object, name);
  return value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
}

// The kid that the header names ("" when it names none).
Result<std::string> read_header(std::string_view encoded) {
  const auto json = base64url_decode(encoded);
  if (!json) return refuse("header is not base64url");
  const auto header = parse_flat_json(*json);
  if (!header) return refuse("header is not a plain JSON object");
  const std::string* alg = text_member(*header, "alg");
  if (alg == nullptr || *alg != "HS256") return refuse("alg is not HS256");
  for (const auto& [name, value] : *header) {
    // Anything else (crit, jwk, jku, x5u …) asks the reader to do something; we do nothing that a
    // token asks for.
    if (name != "alg" && name != "typ" && name != "kid")
      return refuse("header has a member that we do not understand");
    if (!std::holds_alternative<std::string>(value)) return refuse("header member is not a string");
  }
  if (const std::string* typ = text_member(*header, "typ"); typ != nullptr && *typ != "JWT")
    return refuse("typ is not JWT");
  const std::string* kid = text_member(*header, "kid");
  if (kid != nullptr && kid->empty()) return refuse("kid is empty");
  return kid == nullptr ? std::string() : *kid;
}

Result<Claims> read_claims(std::string_view encoded) {
  const auto json = base64url_decode(encoded);
  if (!json) return refuse("claims are not base64url");
  const auto object = parse_flat_json(*json);
  if (!object) return refuse("claims are not a plain JSON object");
  const std::int64_t* user = number_member(*object, "user_id");
  if (user == nullptr || *user <= 0 || *user > kMaxId) return refuse("user_id is not an id");
  if (find_member(*object, "sub") != nullptr) {
    const std::string* sub = text_member(*object, "sub");
    if (sub == nullptr || *sub != std::to_string(*user)) return refuse("sub and user_id differ");
  }
  Claims claims{.user = UserId(*user), .session = {}, .issued_ms = 0, .expires_ms = 0};
  if (find_member(*object, "sid") != nullptr) {
    const std::string* sid = text_member(*object, "sid");
    if (sid == nullptr || sid->empty() || sid->size() > 64)
      return refuse("sid is not a short text");
    claims.session = *sid;
  }
  const std::int64_t* exp = number_member(*object, "exp");
  if (exp == nullptr || *exp <= 0 || *exp > kMaxSeconds)
    return refuse("exp is missing or not a time");
  claims.expires_ms = *exp * 1000;
  if (find_member(*object, "iat") != nullptr) {
    const std::int64_t* iat = number_member(*object, "iat");
    if (iat == nullptr || *iat < 0 || *iat > kMaxSeconds) return refuse("iat is not a time");
    claims.issued_ms = *iat * 1000;
  }
  if (find_member(*object, "nbf") != nullptr) return refuse("nbf is not supported");
  return claims;
}

}  // namespace

std::string TokenSigner::sign(UserId user, std::string_view session,
                              std::chrono::milliseconds ttl) const {
  const Key key = keys_.signer();
  std::string header = R"({"alg":"HS256","typ":"JWT")";
  if (!key.kid.empty()) {
    header += R"(,"kid":)";
    json::append_string(header, key.kid);
  }
  header += '}';
  const std::int64_t now = clock_.now_ms();
  std::string claims = fmt::format(R"({{"user_id":{0},"sub":"{0}","sid":)", user.value);
  json::append_string(claims, session);
  claims += fmt::format(R"(,"iat":{},"exp":{}}})", now / 1000, (now + ttl.count()) / 1000);
  std::string token = base64url_encode(header) + '.' + base64url_encode(claims);
  const std::string signature = hmac_sha256(key.secret, token);
  token += '.';
  token += base64url_encode(signature);
  return token;
}

Result<Claims> TokenSigner::verify(std::string_view token) const {
  const auto keys = keys_.snapshot();  // before the check: they may change meanwhile
  auto claims = known_.find(token, keys);
  if (!claims) {
    SV_TRY(claims, check(token));
    known_.put(token, keys, *claims);
  }
  if (clock_.now_ms() >= claims->expires_ms) return refuse("token has expired");
  return std::move(*claims);
}

Result<Claims> TokenSigner::check(std::string_view token) const {
  if (token.size() > kMaxToken) return refuse("token is too long");
  const auto first = token.find('.');
  if (first == std::string_view::npos) return refuse("token has no three parts");
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return refuse("token has no three parts");

  SV_TRY(const std::string kid, read_header(token.substr(0, first)));
  const auto key = keys_.find(kid);
  if (!key) return refuse("kid is unknown");
  const auto signature = base64url_decode(token.substr(second + 1));
  if (!signature) return refuse("signature is not base64url");
  if (!equal_constant_time(*signature, hmac_sha256(key->secret, token.substr(0, second))))
    return refuse("signature does not match");

  SV_TRY(Claims claims, read_claims(token.substr(first + 1, second - first - 1)));
  // Our own tokens always have a session: one without it could never be revoked.
  if (claims.session.empty() && !kid.empty()) return refuse("sid is missing");
  return claims;
}

}  // namespace sv::auth
