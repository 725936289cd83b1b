#pragma once

#include <chrono>
#include <memory>

#include "idl/interaction.h"
#include "idl/services.h"
#include "platform/core/metrics.h"
#include "platform/core/revision.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"
#include "services/parts/object_cache.h"

namespace sv::interaction {

// All outlive the service.
struct InteractionDeps {
  sql::Database& db;
  const Clock& clock;
  IdSource& ids;
  EventBus& events;
  ContentRevision& revision;
  const Services& services;  // asked for videos and people
  metrics::Registry& metrics;
  std::chrono::milliseconds memory_age{0};  // 0: no other process writes db

  Memory memory() const {
    return {.clock = clock, .age = memory_age, .owner = Service::interaction};
  }
};

// Likes, stars, comments, shares, reports, and their counters. Subscribes to `events`: make it
// before they start. Thread-safe.
class InteractionService : public InteractionApi {
 public:
  // Writes what callers wait for and refuses what comes later. Blocks; call it while the callers'
  // event loops still run, not on one of them.
  virtual void stop() = 0;
};

std::unique_ptr<InteractionService> make_interaction_service(const InteractionDeps& deps);

}  // namespace sv::interaction
