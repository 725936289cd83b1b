#include "services/user/service.h"

#include "platform/auth/flat_json.h"
#include "services/user/local_service.h"

namespace sv::user {
namespace {

// What other processes (instances, the command line) changed. What this one changed is applied
// before its caller is answered; twice does no harm.
Task<Result<>> apply(const std::vector<Event>& events, AccountCache& cache,
                     auth::RevokedSessions& revoked) {
  for (const Event& event : events) {
    if (event.topic == "user.changed") {
      cache.erase(UserId(event.key_id()));
      continue;
    }
    const auto payload = auth::parse_flat_json(event.payload);
    if (!payload) co_return fail(Errc::internal, "event_invalid", event.topic);
    const auto* session = auth::find_member(*payload, "session");
    const auto* until = auth::find_member(*payload, "until");
    if (session == nullptr || until == nullptr)
      co_return fail(Errc::internal, "event_invalid", event.topic);
    revoked.add(std::get<std::string>(*session), std::get<std::int64_t>(*until));
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
                     .topics = {"user.changed", "user.session_ended"},
                     .hear = [this](const std::vector<Event>& events) {
                       return apply(events, cache_, deps_.revoked);
                     }});
}

std::unique_ptr<UserApi> make_user_service(const UserDeps& deps, const UserOptions& options) {
  return std::make_unique<LocalService>(deps, options);
}

}  // namespace sv::user
