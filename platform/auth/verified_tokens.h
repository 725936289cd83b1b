#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "platform/auth/key_ring.h"

namespace sv::auth {

// Access tokens whose signature was found good: a client shows the same one with every request.
// One holds while the keys are those it was checked with; whether it has expired is for the caller
// to see. Bounded: a full shard is emptied. Thread-safe.
template <class Claims>
class VerifiedTokens {
 public:
  std::optional<Claims> find(std::string_view token, const KeyRing::Keys& keys) const {
    Shard& shard = shard_of(token);
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.tokens.find(token);
    if (at == shard.tokens.end() || at->second.keys != keys) return std::nullopt;
    return at->second.claims;
  }
  void put(std::string_view token, const KeyRing::Keys& keys, const Claims& claims) const {
    Shard& shard = shard_of(token);
    const std::lock_guard lock(shard.mutex);
    if (shard.tokens.size() >= kOfShard) shard.tokens.clear();
    shard.tokens.insert_or_assign(std::string(token), Known{.keys = keys, .claims = claims});
  }

 private:
  static constexpr std::size_t kShards = 16, kOfShard = 1024;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view token) const {
      return std::hash<std::string_view>{}(token);
    }
  };
  struct Known {
    KeyRing::Keys keys;
    Claims claims;
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<std::string, Known, Hash, std::equal_to<>> tokens;
  };
  Shard& shard_of(std::string_view token) const { return shards_[Hash{}(token) % kShards]; }

  mutable std::array<Shard, kShards> shards_;
};

}  // namespace sv::auth
