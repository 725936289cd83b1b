#pragma once

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/event_letters.h"
#include "platform/adapters/local_events.h"
#include "platform/core/metrics.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {

// Alone, a poll so rare that a missed wake-up shows.
inline LocalEventsOptions options_of(BusUse use) {
  return {.poll = use == BusUse::alone ? std::chrono::hours(1) : std::chrono::milliseconds(5),
          .tries = kEventTries};
}

// A bus on a database that has its tables, and the event loop of its consumers.
struct DatabaseBusSetup : EventBusSetup {
  using Make = std::function<std::unique_ptr<EventBus>(DatabaseBusSetup&)>;
  DatabaseBusSetup(std::shared_ptr<sql::Database> on, const Make& make) : db(std::move(on)) {
    made = make(*this);
    loop = std::thread([this] { io.run(); });
  }
  ~DatabaseBusSetup() override {
    made->stop();
    db.reset();
    guard.reset();
    loop.join();
  }
  EventBus& bus() override { return *made; }
  sql::Database& database() override { return *db; }
  std::vector<DeadEvent> dead() override {
    std::vector<DeadEvent> out;
    auto letters = run_task(list_dead_letters(*db));
    EXPECT_TRUE(succeeded(letters));
    for (const DeadLetter& d : *letters)
      out.push_back({.consumer = d.consumer,
                     .id = d.id,
                     .topic = d.topic,
                     .key = d.key,
                     .tries = d.tries,
                     .error = d.error,
                     .parked = d.parked});
    return out;
  }
  Result<> replay(std::string consumer, std::string key) override {
    auto done = run_task(replay_letters(*db, std::move(consumer), std::move(key)));
    if (!done) return std::unexpected(done.error());
    return {};
  }
  Result<> drop(std::string consumer, std::int64_t id) override {
    auto done = run_task(drop_letter(*db, std::move(consumer), id));
    if (!done) return std::unexpected(done.error());
    return *done ? Result<>{} : fail(Errc::not_found);
  }

  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  std::shared_ptr<sql::Database> db;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(io);
  std::unique_ptr<EventBus> made;
  std::thread loop;
};

struct LocalEventsSetup final : DatabaseBusSetup {
  LocalEventsSetup(std::shared_ptr<sql::Database> on, const Clock& clock,
                   LocalEventsOptions options)
      : DatabaseBusSetup(std::move(on), [&](DatabaseBusSetup& of) {
          return make_local_events({of.db.get()}, clock, of.io.get_executor(), of.supervisor,
                                   of.metrics, options);
        }) {}
};

}  // namespace sv::testing
