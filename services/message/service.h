#pragma once

#include <memory>

#include "idl/services.h"
#include "platform/core/metrics.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"

namespace sv::message {

// All outlive the service.
struct MessageDeps {
  sql::Database& db;
  const Clock& clock;
  IdSource& ids;
  EventBus& events;
  const Services& services;  // asked for people, their privacy and ties, and for videos
  metrics::Registry& metrics;
};

// Private messages of two people, and notifications. Subscribes to `events`: make it before they
// start. Thread-safe.
std::unique_ptr<MessageApi> make_message_service(const MessageDeps& deps);

}  // namespace sv::message
