#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/supervisor.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/sql.h"

namespace sv {

struct LocalEventsOptions {
  std::chrono::milliseconds retention =
      std::chrono::days(7);  // trimming never passes the slowest consumer
  std::chrono::milliseconds poll = std::chrono::seconds(1);  // should a wake-up be missed
};

// The event log of installations without a broker: publish() adds a row in the transaction's own
// database, relays tail the outbox table. SQLite has one writer, which gives numbers in the order
// of commits: `id > position` misses nothing. Elsewhere a row waits in a table of its own until a
// loop gives it its number, after its commit. Each of `sources` has been migrated with
// local_events_migrations(), owner "event". Consumers run on `executor`, each in a loop of its own
// that `supervisor` knows as "events.<consumer>".
std::unique_ptr<EventBus> make_local_events(std::vector<sql::Database*> sources, const Clock& clock,
                                            asio::any_io_executor executor, Supervisor& supervisor,
                                            LocalEventsOptions options);
std::span<const sql::Migration> local_events_migrations();

}  // namespace sv
