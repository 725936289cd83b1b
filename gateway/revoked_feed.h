#pragma once

#include "idl/services.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"
#include "platform/ports/clock.h"

namespace sv::gateway {

// Hears from the user service which sessions have ended, wherever they ended.
class RevokedFeed {
 public:
  RevokedFeed(const Services& services, auth::RevokedSessions& revoked, const Clock& clock)
      : services_(services), revoked_(revoked), clock_(clock) {}

  // All that is not known yet; at first all there are.
  Task<Result<>> pull();
  // The same every 300 ms, so that an ended session is refused within a second. Until it is
  // cancelled.
  Task<> follow(SupervisedLoop& loop);

 private:
  const Services& services_;
  auth::RevokedSessions& revoked_;
  const Clock& clock_;
  std::int64_t last_ms_ = 0;  // the latest end heard of, of the database's clock
};

}  // namespace sv::gateway
