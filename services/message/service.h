#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "idl/services.h"
#include "platform/core/metrics.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"
#include "services/parts/object_cache.h"

namespace sv::message {

// All outlive the service.
struct MessageDeps {
  sql::Database& db;
  const Clock& clock;
  IdSource& ids;
  EventBus& events;
  const Services& services;  // asked for people, their privacy and ties, and for videos
  metrics::Registry& metrics;
  std::chrono::milliseconds memory_age{0};  // 0: no other process writes db

  Memory memory() const { return {.clock = clock, .age = memory_age, .owner = Service::message}; }
};

struct MessageOptions {
  std::int64_t before_accept = 0;  // what a stranger may write into a request; 0: any number
};

// Private messages of two people, and notifications. Subscribes to `events`: make it before they
// start. Thread-safe.
std::unique_ptr<MessageApi> make_message_service(const MessageDeps& deps,
                                                 const MessageOptions& options);

}  // namespace sv::message
