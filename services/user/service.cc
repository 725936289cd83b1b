#include "services/user/service.h"

#include "services/parts/events.h"
#include "services/user/local_service.h"

namespace sv::user {
namespace {

// What other processes (instances, the command line) changed. What this one changed is applied
// before its caller is answered; twice does no harm.
Task<Result<>> hear(const std::vector<Event>& heard, AccountCache& cache,
                    auth::RevokedSessions& revoked) {
  for (const Event& event : heard) {
    if (is<events::UserChanged>(event)) {
      cache.erase(UserId(event.key_id()));
      continue;
    }
    SV_CO_TRY(const auto ended, read_event<events::UserSessionEnded>(event));
    revoked.add(ended.session, ended.until_ms);
  }
  co_return Result<>{};
}

}  // namespace

LocalService::LocalService(const UserDeps& deps, const UserOptions& options)
    : deps_(deps),
      options_(options),
      tokens_(deps.keys, deps.clock),
      videos_(deps.metrics, "video", "counts of videos"),
      likes_(deps.metrics, "interaction", "counts of likes"),
      ties_(deps.metrics, "social", "follows and blocks"),
      writes_(deps.events, deps.revoked, cache_, deps.revision, deps.clock, options.access_ttl),
      request_keys_("user_request_keys", deps.clock) {
  deps_.events.each({.name = "user.memory",
                     .topics = topics<events::UserChanged, events::UserSessionEnded>(),
                     .hear = [this](const std::vector<Event>& heard) {
                       return hear(heard, cache_, deps_.revoked);
                     }});
}

std::unique_ptr<UserApi> make_user_service(const UserDeps& deps, const UserOptions& options) {
  return std::make_unique<LocalService>(deps, options);
}

}  // namespace sv::user
