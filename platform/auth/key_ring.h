#pragma once

#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"

namespace sv::auth {

struct Key {
  std::string kid;  // "" is the key of tokens without kid (those of Go services)
  std::string secret;
  std::string link_secret = {};  // of links to media; KeyRing derives it
};

constexpr std::size_t kMinSecretBytes =
    32;  // HS256 wants as many bits as its hash has (RFC 7518 §3.2)

// The HMAC keys of this installation. The first one signs, all verify: rotate by putting a new key
// first and dropping the old one when its tokens have expired. Thread-safe; replace() takes effect
// at the next call.
class KeyRing {
 public:
  explicit KeyRing(std::vector<Key> keys);  // validate() first
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  // An empty list, a kid that is given twice or is not [A-Za-z0-9._-]{0,64}, a short secret: a
  // sentence that says so in `detail`.
  static Result<> validate(const std::vector<Key>& keys);
  void replace(std::vector<Key> keys);

  // Another one after each replace().
  using Keys = std::shared_ptr<const std::vector<Key>>;
  Keys snapshot() const;

  Key signer() const;
  std::optional<Key> find(std::string_view kid) const;

 private:
  mutable std::shared_mutex mutex_;
  Keys keys_;
};

}  // namespace sv::auth
