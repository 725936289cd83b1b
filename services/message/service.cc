#include "services/message/service.h"

#include "services/message/local_service.h"
#include "services/parts/events.h"

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
       .topics = topics<events::SocialFollowed, events::SocialFollowRequested,
                        events::SocialBlocked, events::InteractionLiked,
                        events::InteractionCommented, events::VideoChanged, events::UserDeleted>(),
       .db = deps_.db,
       .prepare = [this](const std::vector<Event>& events) { return consume(events); }});
}

std::unique_ptr<MessageApi> make_message_service(const MessageDeps& deps,
                                                 const MessageOptions& options) {
  return std::make_unique<LocalService>(deps, options);
}

}  // namespace sv::message
