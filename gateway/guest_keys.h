#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "idl/video.h"
#include "platform/core/ctx.h"
#include "platform/ports/clock.h"

namespace sv::gateway {

// The name under which the video service counts a guest's views: an HMAC of address and agent under
// the salt of the window that runs. Neither leaves this process. Thread-safe.
class GuestKeys {
 public:
  explicit GuestKeys(const Clock& clock) : clock_(clock) {}

  // Asks for the salt once a window; fails as the video service does.
  Task<Result<std::string>> of(const Ctx& ctx, video::VideoApi& videos);

 private:
  Task<Result<std::string>> salt(const Ctx& ctx, video::VideoApi& videos);

  const Clock& clock_;
  std::mutex mutex_;
  std::string salt_;
  std::int64_t until_ms_ = 0;  // on this process's clock
};

}  // namespace sv::gateway
