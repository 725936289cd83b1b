#pragma once

#include <chrono>
#include <memory>

#include "idl/services.h"
#include "idl/social.h"
#include "platform/core/metrics.h"
#include "platform/core/revision.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/sql.h"
#include "services/parts/object_cache.h"

namespace sv::social {

// All outlive the service.
struct SocialDeps {
  sql::Database& db;  // this service's own tables, migrated
  const Clock& clock;
  EventBus& events;
  ContentRevision& revision;
  const Services& services;  // user: who exists, whose account is private, and the people in lists
  metrics::Registry& metrics;
  std::chrono::milliseconds memory_age{0};  // 0: no other process writes db

  Memory memory() const { return {.clock = clock, .age = memory_age, .owner = Service::social}; }
};

// Who follows, blocks and mutes whom. Subscribes to `events`: make it before they start.
// Thread-safe.
std::unique_ptr<SocialApi> make_social_service(const SocialDeps& deps);

}  // namespace sv::social
