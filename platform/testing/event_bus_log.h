#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

// What the contract of the event bus observes.
namespace sv::testing {

using Texts = std::vector<std::string>;

// For what no consumer is told of.
bool eventually(auto condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// What consumers took, for good; may be told to fail the next times, or for some payloads.
struct EventLog {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Event> events;
  int failures = 0;  // is away, and throws, in turn
  int away = 0;
  std::set<std::string> poison;
  int attempts = 0;

  Result<> look(const std::vector<Event>& batch) {
    const std::lock_guard lock(mutex);
    ++attempts;
    changed.notify_all();
    if (away > 0 && away-- > 0) return fail(Errc::unavailable, "told_to_be_away");
    if (failures > 0 && --failures % 2 == 0) return fail(Errc::unavailable, "told_to_fail");
    if (failures > 0) throw std::runtime_error("told to throw");
    for (const Event& e : batch)
      if (poison.contains(e.payload)) return fail(Errc::internal, "poison", e.payload);
    return {};
  }
  void keep(const std::vector<Event>& batch) {
    const std::lock_guard lock(mutex);
    events.insert(events.end(), batch.begin(), batch.end());
    changed.notify_all();
  }
  bool wait_until(auto condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), condition);
  }
  bool wait_for(std::size_t count) {
    return wait_until([&] { return events.size() >= count; });
  }
  Texts payloads() {
    const std::lock_guard lock(mutex);
    Texts out;
    for (auto& e : events) out.push_back(e.payload);
    return out;
  }
};

// Keeps what was committed.
inline Effect effect_in(EventLog& log, std::vector<Event> batch) {
  return {.apply = [&log, batch = std::move(batch)](sql::Tx& tx) -> Result<> {
    tx.on_commit([&log, batch] { log.keep(batch); });
    return {};
  }};
}
inline Task<Result<Effect>> prepare_in(EventLog& log, std::vector<Event> batch) {
  SV_CO_CHECK(log.look(batch));
  co_return effect_in(log, std::move(batch));
}
inline EventBus::Prepare into(EventLog& log) {
  return [&log](const std::vector<Event>& batch) { return prepare_in(log, batch); };
}
inline Task<Result<>> hear_in(EventLog& log, std::vector<Event> batch) {
  SV_CO_CHECK(log.look(batch));
  log.keep(batch);
  co_return Result<>{};
}
inline EventBus::Hear heard_by(EventLog& log) {
  return [&log](const std::vector<Event>& batch) { return hear_in(log, batch); };
}

inline void subscribe(EventBusSetup& setup, std::string name, Texts topics, EventLog& log) {
  setup.bus().group({.name = std::move(name),
                     .topics = std::move(topics),
                     .db = setup.database(),
                     .prepare = into(log)});
}

inline Result<> publish(EventBusSetup& setup, std::string topic, std::string key,
                        std::string payload, bool roll_back = false) {
  return run_task(setup.database().run_write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(
        setup.bus().publish(tx, {{.topic = topic, .key = key, .revision = 3, .payload = payload}}));
    if (roll_back) return fail(Errc::rejected, "no");
    return {};
  }));
}

}  // namespace sv::testing
