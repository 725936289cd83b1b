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
  Result<> publish(sql::Tx& tx, std::vector<Event> events) override {
    tx.on_commit([this, events = std::move(events)] {
      const std::lock_guard lock(mutex_);
      events_.insert(events_.end(), events.begin(), events.end());
    });
    return {};
  }
  void group(Group group) override { groups_.push_back(std::move(group)); }
  void each(Each each) override { eachs_.push_back(std::move(each)); }
  Result<> start() override { return {}; }
  void stop() override {}

  // In the order of commits, since the last call.
  std::vector<Event> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }
  // To who subscribed to the first one's topic, as a bus would: an error is what made it come
  // again.
  Result<> deliver(const std::vector<Event>& events) {
    bool heard = false;
    for (Each& each : eachs_)
      if (wants(each.topics, events)) {
        SV_CHECK(run_task(each.hear(events)));
        heard = true;
      }
    if (heard) return {};
    // One instance of a group.
    for (Group& group : groups_)
      if (wants(group.topics, events)) return run_task(take(group, events));
    ADD_FAILURE() << "nobody subscribed to " << events.at(0).topic;
    return {};
  }

 private:
  static bool wants(const std::vector<std::string>& topics, const std::vector<Event>& events) {
    return std::ranges::find(topics, events.at(0).topic) != topics.end();
  }
  static Task<Result<>> take(Group& group, std::vector<Event> events) {
    while (!events.empty()) {
      SV_CO_TRY(Effect effect, co_await group.prepare(events));
      if (effect.apply) SV_CO_CHECK(co_await group.db.write(Ctx{}, effect.apply));
      const auto taken = static_cast<std::ptrdiff_t>(std::min(effect.events, events.size()));
      events.erase(events.begin(), events.begin() + taken);
    }
    co_return Result<>{};
  }

  std::mutex mutex_;
  std::vector<Event> events_;
  std::vector<Group> groups_;
  std::vector<Each> eachs_;
};

}  // namespace sv::testing
