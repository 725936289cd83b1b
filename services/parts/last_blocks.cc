#include "services/parts/last_blocks.h"

namespace sv {

void LastBlocks::learn(UserId viewer, const Parts& answer) {
  const std::lock_guard lock(mutex_);
  auto known = viewers_.find(viewer);
  for (const auto& [id, part] : answer) {
    const social::SocialParts kept{
        .is_blocked = part.is_blocked, .has_blocked = part.has_blocked, .is_muted = part.is_muted};
    if (kept == social::SocialParts{}) {
      if (known != viewers_.end()) pairs_ -= known->second.erase(id);
      continue;
    }
    if (known == viewers_.end()) known = viewers_.try_emplace(viewer).first;
    if (known->second.insert_or_assign(id, kept).second) ++pairs_;
  }
  if (known != viewers_.end() && known->second.empty()) viewers_.erase(known);
  while (pairs_ > limit_) {
    pairs_ -= viewers_.begin()->second.size();
    viewers_.erase(viewers_.begin());
  }
}

LastBlocks::Parts LastBlocks::of(UserId viewer) const {
  const std::lock_guard lock(mutex_);
  const auto known = viewers_.find(viewer);
  return known == viewers_.end() ? Parts{} : known->second;
}

}  // namespace sv
