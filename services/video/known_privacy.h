#pragma once

#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "services/parts/object_cache.h"
#include "services/parts/people.h"
#include "services/video/state.h"

namespace sv::video {

// What was heard last of authors' privacy, in rows, so that a restart does not forget it.
// Thread-safe.
class KnownPrivacy final : public PrivacyMemory {
 public:
  explicit KnownPrivacy(State& state) : state_(state) {}

  void learn(UserId author, bool is_private) override;
  Task<std::unordered_map<UserId, bool>> recall(const Ctx& ctx,
                                                std::vector<UserId> authors) override;
  // Writes what is new; what cannot be written waits for the next time.
  Task<Result<>> flush();

 private:
  static constexpr std::size_t kLimit = 100'000;  // waiting; more is learnt when it is heard again

  Task<Result<std::unordered_map<UserId, bool>>> read(const Ctx& ctx,
                                                      std::vector<std::int64_t> authors);
  Task<Result<>> write(std::map<UserId, bool> batch);

  State& state_;
  // What other instances heard meanwhile is in the rows.
  ObjectCache<UserId, bool> last_{state_.deps.memory()};
  std::mutex mutex_;
  std::map<UserId, bool> waiting_;
};

}  // namespace sv::video
