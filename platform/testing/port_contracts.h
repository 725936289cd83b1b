#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

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

// A bus, the database that its events are published from, and the event loop of its consumers.
struct EventBusSetup {
  virtual ~EventBusSetup() = default;
  virtual EventBus& bus() = 0;
  virtual sql::Database& database() = 0;
};
struct EventBusContract
    : ::testing::TestWithParam<
          std::function<std::unique_ptr<EventBusSetup>(const std::filesystem::path& folder)>> {
  TempDir folder;
};

}  // namespace sv::testing
