#pragma once

#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "services/parts/peer.h"
#include "services/video/state.h"

namespace sv::video {

// The following feed of people who read it. Videos of authors with fewer than kLarge followers are
// pushed to recent readers when they appear; the others' are merged at reading (what the rules do),
// for a million rows a video would be worse than one more query.
class Inboxes {
 public:
  static constexpr std::int64_t kLarge = 10'000;
  static constexpr std::int64_t kReaderMs =
      7LL * 24 * 3600'000;  // who did not read for longer gets nothing pushed, and a new inbox at
                            // the next read

  explicit Inboxes(State& state)
      : state_(state), social_(state.deps.metrics, "social", "who follows whom") {}

  static std::string list_name(UserId user) {
    return fmt::format("inbox {}", user);
  }  // of State::lists

  // Brings the inbox in line with whom `user` follows now, whatever happened since the last read.
  Task<Result<>> open(const Ctx& ctx, UserId user);
  // Those of the large authors whom `user` follows.
  Task<Result<std::vector<std::int64_t>>> large_authors(const Ctx& ctx, UserId user);
  // Consumer of video.changed. Repeats do no harm.
  Task<Result<Effect>> push(const std::vector<Event>& events);

 private:
  Task<Result<std::vector<std::int64_t>>> followed(const Ctx& ctx, UserId user);
  Task<Result<>> push_one(const Ctx& ctx, VideoPtr row);

  struct Reader {
    std::int64_t seen = 0, followed = 0;
  };
  State& state_;
  const Peer social_;
  ObjectCache<UserId, Reader> readers_{state_.deps.memory()};
  ObjectCache<int, std::shared_ptr<const std::vector<UserId>>> large_{state_.deps.memory(),
                                                                      16};  // one entry, 0
};

}  // namespace sv::video
