#include "platform/auth/key_ring.h"

#include <mutex>
#include <stdexcept>

#include "platform/crypto/sha256.h"

namespace sv::auth {

KeyRing::KeyRing(std::vector<Key> keys) { replace(std::move(keys)); }

Result<> KeyRing::validate(const std::vector<Key>& keys) {
  const auto bad = [](std::string detail) {
    return fail(Errc::invalid_argument, "auth_keys_invalid", std::move(detail));
  };
  if (keys.empty()) return bad("auth.keys is empty: give at least one {kid, secret}");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Key& key = keys[i];
    const bool plain = std::ranges::all_of(key.kid, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '_' || c == '-';
    });
    if (!plain || key.kid.size() > 64)
      return bad("auth.keys: a kid is 0 to 64 of A-Z a-z 0-9 . _ -");
    if (key.secret.size() < kMinSecretBytes)
      return bad(fmt::format("auth.keys: the secret of kid '{}' is shorter than {} bytes", key.kid,
                             kMinSecretBytes));
    for (std::size_t j = 0; j < i; ++j)
      if (keys[j].kid == key.kid)
        return bad(fmt::format("auth.keys: kid '{}' is given twice", key.kid));
  }
  return {};
}

void KeyRing::replace(std::vector<Key> keys) {
  if (auto ok = validate(keys); !ok) throw std::invalid_argument(ok.error().detail);
  for (Key& key : keys) key.link_secret = hmac_sha256(key.secret, "shortvideo media link v1");
  auto next = std::make_shared<const std::vector<Key>>(std::move(keys));
  std::unique_lock lock(mutex_);
  keys_ = std::move(next);
}

KeyRing::Keys KeyRing::snapshot() const {
  std::shared_lock lock(mutex_);
  return keys_;
}

Key KeyRing::signer() const { return snapshot()->front(); }

std::optional<Key> KeyRing::find(std::string_view kid) const {
  const auto keys = snapshot();
  for (const Key& key : *keys)
    if (key.kid == kid) return key;
  return std::nullopt;
}

}  // namespace sv::auth
