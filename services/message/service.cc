#include "services/message/service.h"

#include "services/message/local_service.h"

namespace sv::message {

LocalService::LocalService(const MessageDeps& deps, const MessageOptions& options)
    : deps_(deps),
      options_(options),
      people_(deps.services, deps.metrics),
      users_(deps.metrics, "user", "who exists"),
      ties_(deps.metrics, "social", "follows and blocks"),
      privacy_(deps.metrics, "user", "whose messages are wanted"),
      keys_("message_request_keys", deps.clock),
      notices_(deps.ids, generations_) {
  deps_.events.group(
      {.name = "message.notifications",
       .topics = {"social.followed", "social.follow_requested", "social.blocked",
                  "interaction.liked", "interaction.commented", "video.changed", "user.deleted"},
       .db = deps_.db,
       .prepare = [this](const std::vector<Event>& events) { return consume(events); }});
}

std::unique_ptr<MessageApi> make_message_service(const MessageDeps& deps,
                                                 const MessageOptions& options) {
  return std::make_unique<LocalService>(deps, options);
}

}  // namespace sv::message
