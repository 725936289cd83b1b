#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "platform/ports/cache.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/object_store.h"
#include "platform/ports/search_index.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/temp_dir.h"

// What any adapter of these ports must do. An adapter's test compiles <port>_contract.cc in and
// runs it with INSTANTIATE_TEST_SUITE_P. Each parameter makes the adapter over what `folder` holds:
// called again, it finds what was left there.
namespace sv::testing {

struct CacheContract : ::testing::TestWithParam<std::function<std::unique_ptr<Cache>()>> {
  std::unique_ptr<Cache> cache = GetParam()();
};

struct ObjectStoreContract
    : ::testing::TestWithParam<
          std::function<std::unique_ptr<ObjectStore>(const std::filesystem::path& folder)>> {
  TempDir folder;
  std::unique_ptr<ObjectStore> store = GetParam()(folder / "objects");
};

struct SearchIndexContract
    : ::testing::TestWithParam<
          std::function<std::unique_ptr<SearchIndex>(const std::filesystem::path& folder)>> {
  TempDir folder;
  std::unique_ptr<SearchIndex> index = GetParam()(folder.path());
};

struct IdSourceContract : ::testing::TestWithParam<std::function<std::unique_ptr<IdSource>(
                              const std::filesystem::path& folder, const Clock& clock)>> {
  TempDir folder;
  ManualClock clock;
};

// A dead letter, as the command line lists it.
struct DeadEvent {
  std::string consumer;
  std::int64_t id = 0;
  std::string topic, key;
  std::int64_t tries = 0;
  std::string error;
  std::int64_t parked = 0;
};

// A bus, the database that its events are published from and that its groups keep, and the event
// loop of its consumers. One process of a service, with a command line beside it.
struct EventBusSetup {
  virtual ~EventBusSetup() = default;
  virtual EventBus& bus() = 0;
  virtual sql::Database& database() = 0;
  virtual std::vector<DeadEvent> dead() = 0;
  virtual Result<> replay(std::string consumer, std::string key) = 0;
  virtual Result<> drop(std::string consumer, std::int64_t id) = 0;
};
// `alone` hears of nothing that another process does, the command line for one.
enum class BusUse : unsigned char { alone, shared };
inline constexpr int kEventTries = 2;  // before an event is a dead letter
struct EventBusContract : ::testing::TestWithParam<std::function<std::unique_ptr<EventBusSetup>(
                              const std::filesystem::path& folder, BusUse use)>> {
  TempDir folder;
  std::unique_ptr<EventBusSetup> make(BusUse use = BusUse::alone) {
    return GetParam()(folder.path(), use);
  }
};

}  // namespace sv::testing
