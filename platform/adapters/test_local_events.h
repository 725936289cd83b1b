#pragma once

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/local_events.h"
#include "platform/core/metrics.h"
#include "platform/testing/port_contracts.h"

namespace sv::testing {

// The local bus on a database that has its tables, and the event loop of its consumers.
struct LocalEventsSetup final : EventBusSetup {
  LocalEventsSetup(std::unique_ptr<sql::Database> on, const Clock& clock,
                   std::chrono::milliseconds retention)
      : db(std::move(on)) {
    // A poll so rare that a missed wake-up shows.
    local = make_local_events({db.get()}, clock, io.get_executor(), supervisor,
                              {.retention = retention, .poll = std::chrono::hours(1)});
    loop = std::thread([this] { io.run(); });
  }
  ~LocalEventsSetup() override {
    local->stop();
    db.reset();
    guard.reset();
    loop.join();
  }
  EventBus& bus() override { return *local; }
  sql::Database& database() override { return *db; }

  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  std::unique_ptr<sql::Database> db;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(io);
  std::unique_ptr<EventBus> local;
  std::thread loop;
};

}  // namespace sv::testing
