#pragma once

#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "idl/social.h"
#include "platform/core/flat_map.h"
#include "platform/core/ids.h"

namespace sv {

// Who was blocked and muted when the social service last said so: for when it is silent. Blocks and
// mutes only, for what forbids is remembered and what permits is not. A bounded number, of any
// viewers. Thread-safe.
class LastBlocks {
 public:
  using Parts = FlatMap<UserId, social::SocialParts>;

  explicit LastBlocks(std::size_t pairs = 262'144) : limit_(pairs) {}

  void learn(UserId viewer, const Parts& answer);
  Parts of(UserId viewer) const;

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t pairs_ = 0;
  std::unordered_map<UserId, Parts> viewers_;
};

}  // namespace sv
