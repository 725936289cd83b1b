#include "app/local_services.h"

#include "services/message/service.h"
#include "services/social/service.h"
#include "services/user/service.h"

namespace sv {
namespace {

constexpr std::chrono::hours kLinkLife{
    6};  // of a signed media URL: longer than the longest video plays

}  // namespace

std::filesystem::path scratch_of(const Storage& storage) {
  return std::filesystem::absolute(storage.own / "scratch");
}

LocalServices::LocalServices(const Config& c, const ServiceParts& p, Services& services) {
  Storage& storage = p.storage;
  const Roles roles = roles_of(c);
  if (roles.has("user")) {
    user_ = user::make_user_service({.db = storage.of("user"),
                                     .clock = storage.clock,
                                     .ids = storage.ids_of("user"),
                                     .keys = p.keys,
                                     .revoked = p.revoked,
                                     .bcrypt_pool = p.bcrypt_pool,
                                     .events = p.events,
                                     .revision = p.revision,
                                     .services = services,
                                     .metrics = storage.metrics,
                                     .disk = *storage.disk,
                                     .media = p.tools,
                                     .memory_age = storage.memory_age("user")},
                                    {.access_ttl = c.access_ttl,
                                     .refresh_ttl = c.refresh_ttl,
                                     .refresh_grace = c.refresh_grace,
                                     .scratch = scratch_of(storage),
                                     .public_url = c.public_url,
                                     .bcrypt_cost = static_cast<int>(c.bcrypt_cost)});
    services.user = user_.get();
  }
  if (roles.has("video") || roles.transcode) {
    video_ = video::make_video_service(
        {.db = storage.of("video"),
         .clock = storage.clock,
         .ids = storage.ids_of("video"),
         .objects = *storage.objects,
         .events = p.events,
         .search = *p.search,
         .services = services,
         .revision = p.revision,
         .metrics = storage.metrics,
         .supervisor = storage.supervisor,
         .files = *storage.disk,
         .executor = p.background,
         .media = roles.transcode ? p.tools : nullptr,
         .sign = [&signer =
                      p.signer](std::string_view prefix) { return signer.sign(prefix, kLinkLife); },
         .memory_age = storage.memory_age("video")},
        {.public_url = c.public_url,
         .scratch = scratch_of(storage),
         .workers = static_cast<int>(c.transcode_workers),
         .embedded = !roles.cluster});
    if (roles.has("video")) services.video = video_.get();
  }
  if (roles.has("interaction")) {
    interaction_ =
        interaction::make_interaction_service({.db = storage.of("interaction"),
                                               .clock = storage.clock,
                                               .ids = storage.ids_of("interaction"),
                                               .events = p.events,
                                               .revision = p.revision,
                                               .services = services,
                                               .metrics = storage.metrics,
                                               .memory_age = storage.memory_age("interaction")});
    services.interaction = interaction_.get();
  }
  if (roles.has("message")) {
    message_ = message::make_message_service({.db = storage.of("message"),
                                              .clock = storage.clock,
                                              .ids = storage.ids_of("message"),
                                              .events = p.events,
                                              .services = services,
                                              .metrics = storage.metrics,
                                              .memory_age = storage.memory_age("message")},
                                             {.before_accept = c.messages_before_accept});
    services.message = message_.get();
  }
  if (roles.has("social")) {
    social_ = social::make_social_service({.db = storage.of("social"),
                                           .clock = storage.clock,
                                           .events = p.events,
                                           .revision = p.revision,
                                           .services = services,
                                           .metrics = storage.metrics,
                                           .memory_age = storage.memory_age("social")});
    services.social = social_.get();
  }
}

void LocalServices::start() {
  if (video_) video_->start();
}

void LocalServices::stop() {
  if (interaction_) interaction_->stop();
  if (video_) video_->stop();
}

}  // namespace sv
