#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/metrics.h"
#include "platform/core/supervisor.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/sql.h"

namespace sv {

struct LocalEventsOptions {
  std::chrono::milliseconds retention =
      std::chrono::days(7);  // trimming never passes the slowest group
  // A group that did not run for so long holds trimming up no more.
  std::chrono::milliseconds forgotten = std::chrono::days(30);
  // For what other processes wrote; one's own events are heard of at once.
  std::chrono::milliseconds poll = std::chrono::milliseconds(500);
  int tries = 8;                            // of an event, before it is a dead letter
  std::chrono::milliseconds start{10'000};  // how long start() waits for the databases
  std::chrono::milliseconds trim = std::chrono::hours(1);  // how often
};

class LocalEventBus : public EventBus {
 public:
  // Something may have been published in a source by another bus.
  virtual void look() = 0;
  // Numbers what waits; by the names of the sources, up to which number they are committed now.
  virtual Task<Result<std::map<std::string, std::int64_t>>> ends() = 0;
};

// The event log of installations without a broker: publish() adds a row in the transaction's own
// database, relays tail the outbox table. SQLite has one writer, which gives numbers in the order
// of commits: `id > position` misses nothing. Elsewhere a row waits in a table of its own until a
// loop gives it its number, after its commit. Each of `sources`, and each database that a group
// names, has been migrated with local_events_migrations(), owner "event". Any number of processes
// may share them. Consumers run on `executor`, each in a loop of its own that `supervisor` knows as
// "events.<consumer>".
// A group that names no topics is given all.
std::unique_ptr<LocalEventBus> make_local_events(std::vector<sql::Database*> sources,
                                                 const Clock& clock, asio::any_io_executor executor,
                                                 Supervisor& supervisor, metrics::Registry& metrics,
                                                 LocalEventsOptions options);
std::span<const sql::Migration> local_events_migrations();
// The name that a source gave itself; empty: it has none yet.
Task<Result<std::string>> name_of_outbox(sql::Database& db);

}  // namespace sv
