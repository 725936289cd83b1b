#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config.h"
#include "platform/core/error.h"
#include "platform/core/metrics.h"
#include "platform/core/offload.h"
#include "platform/core/supervisor.h"
#include "platform/ports/cache.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/object_store.h"
#include "platform/ports/registry.h"
#include "platform/ports/search_index.h"
#include "platform/ports/sql.h"

// The parts that the configuration names by URL: the scheme picks the adapter, and only parts.cc
// knows adapters. What is given to a part must outlive it.
namespace sv {

// The schemes that this build has an adapter for; `key` is "database", "cache", "events", "search",
// "objects" or "registry".
std::vector<std::string_view> schemes_of(std::string_view key);

struct OpenDatabase {
  bool shared = false;  // other processes may write it
  std::unique_ptr<sql::Database> db;
  // Brings the tables of an owner up to date.
  std::function<Result<>(std::span<const sql::Migration>, std::string_view owner)> migrate;
  // Pins the state of now; what it gives copies that into a new file, for open_copy. None: the
  // engine's own tools make backups.
  using CopyTo = std::function<Result<>(const std::filesystem::path&)>;
  std::function<Result<CopyTo>()> pin;
};

// `name` is its own among the process's, for metrics and loops. `read_only`: it is there already,
// and stays as it is.
Result<OpenDatabase> open_database(const Config& config, std::string_view url,
                                   const std::string& name, bool read_only, Supervisor& supervisor,
                                   metrics::Registry& metrics);
// What parts keep in each database of the services, by owner.
std::vector<std::pair<std::string_view, std::span<const sql::Migration>>> tables_of_parts();
Result<std::unique_ptr<IdSource>> open_ids(sql::Database& db, const Clock& clock,
                                           Supervisor& supervisor, const std::string& name);
// To look at.
Result<std::unique_ptr<sql::Database>> open_copy(const std::filesystem::path& file);
// An error's detail says what is wrong with the URL.
Result<> check_cache(std::string_view url);
std::unique_ptr<Cache> open_cache(const Config& config, std::vector<asio::any_io_executor> loops,
                                  metrics::Registry& metrics);
// An error's detail says what is wrong with the URL.
Result<> check_events(std::string_view url);
std::unique_ptr<EventBus> open_events(const Config& config, std::vector<sql::Database*> sources,
                                      const Clock& clock, asio::any_io_executor executor,
                                      Supervisor& supervisor, metrics::Registry& metrics);
// An error's detail says what is wrong with the URL.
Result<> check_registry(std::string_view url);
std::unique_ptr<Registry> open_registry(const Config& config, asio::any_io_executor executor,
                                        metrics::Registry& metrics);
Result<std::unique_ptr<SearchIndex>> open_search(const Config& config);
// An error's detail says what is wrong with the URL.
Result<> check_objects(std::string_view url);
Result<std::unique_ptr<ObjectStore>> open_objects(const Config& config, bool read_only,
                                                  ThreadPool& disk, metrics::Registry& metrics);

}  // namespace sv
