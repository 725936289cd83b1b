#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"
#include "platform/testing/run.h"

namespace sv::testing {

// 1001, 1002, …
class CountingIds final : public IdSource {
 public:
  std::int64_t next() override { return ++last_; }

 private:
  std::atomic<std::int64_t> last_{1000};
};

// Keeps what was committed, and hands the subscriber what a test says, as the log of other services
// would.
class RecordingEvents final : public EventBus {
 public:
  Result<> publish(sql::Tx& tx, Event event) override {
    tx.on_commit([this, event = std::move(event)] {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    });
    return {};
  }
  void subscribe(std::string, std::vector<std::string> topics, Consumer consumer) override {
    topics_ = std::move(topics);
    consumer_ = std::move(consumer);
  }
  void start() override {}
  void stop() override {}

  // In the order of commits, since the last call.
  std::vector<Event> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }
  Result<> deliver(const std::vector<Event>& events) {
    for (const Event& e : events)
      EXPECT_NE(std::ranges::find(topics_, e.topic), topics_.end())
          << "nobody subscribed to " << e.topic;
    return run_task(consumer_(events));
  }

 private:
  std::mutex mutex_;
  std::vector<Event> events_;
  std::vector<std::string> topics_;
  Consumer consumer_;
};

}  // namespace sv::testing
