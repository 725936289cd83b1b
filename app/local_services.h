#pragma once

#include <filesystem>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "app/config.h"
#include "app/wiring.h"
#include "idl/services.h"
#include "platform/auth/key_ring.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/auth/signed_url.h"
#include "platform/core/offload.h"
#include "platform/core/revision.h"
#include "platform/media/media_tools.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/search_index.h"
#include "services/interaction/service.h"
#include "services/video/service.h"

namespace sv {

// What the services of a process stand on. All of it outlives them.
struct ServiceParts {
  Storage& storage;
  const auth::KeyRing& keys;
  auth::RevokedSessions& revoked;
  const auth::UrlSigner& signer;
  ThreadPool& bcrypt_pool;
  media::MediaTools* tools;  // null: no pictures are taken and no jobs run
  SearchIndex* search;       // null: without the video service
  EventBus& events;
  ContentRevision& revision;
  asio::any_io_executor background;
};

// The services that this process has.
class LocalServices {
 public:
  // Makes them and puts each into its place in `services`, which they ask for the others.
  LocalServices(const Config& config, const ServiceParts& parts, Services& services);

  void start();  // background work; returns when what a dead process left is taken over
  void stop();   // blocks

 private:
  std::unique_ptr<user::UserApi> user_;
  std::unique_ptr<video::VideoService> video_;
  std::unique_ptr<interaction::InteractionService> interaction_;
  std::unique_ptr<message::MessageApi> message_;
  std::unique_ptr<social::SocialApi> social_;
};

std::filesystem::path scratch_of(const Storage& storage);

}  // namespace sv
