#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/data_lock.h"
#include "app/parts.h"
#include "platform/adapters/system_clock.h"
#include "platform/core/metrics.h"
#include "platform/core/offload.h"
#include "platform/core/supervisor.h"
#include "platform/ports/id_source.h"
#include "platform/ports/object_store.h"
#include "platform/ports/sql.h"

namespace sv {

// What the process means to do with the data folder.
enum class Access {
  serve,  // alone, everything is made and migrated
  admin,  // a command beside a server: writes to the database
  look,   // reads only, also beside a server; nothing is made
};

// The data that every subcommand opens. The part of the wiring that makes storage; serve's half is
// server.cc.
struct Storage {
  SystemClock clock;
  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  std::optional<DataLock> lock, own_lock;  // of who serves
  std::filesystem::path own;               // folder of this process alone
  std::unique_ptr<ThreadPool> disk;
  struct Place {
    std::string name;  // of the service that first names it, or "all"
    OpenDatabase database;
    std::unique_ptr<IdSource> ids;  // null when only looking
  };
  std::map<std::string, Place> places;       // by URL: services that name the same share it
  std::map<std::string, Place*> by_service;  // of the services that this process has
  std::unique_ptr<ObjectStore> objects;

  sql::Database& of(const std::string& service) { return *by_service.at(service)->database.db; }
  // Everyone sees a write within a second: what a service keeps of a database that others write too
  // ends before half of it, and so does what the edge makes of that.
  static constexpr std::chrono::milliseconds kShare{400};
  std::chrono::milliseconds memory_age(const std::string& service) const {
    return by_service.at(service)->database.shared ? kShare : std::chrono::milliseconds(0);
  }
  bool shared() const {
    return std::ranges::any_of(places, [](const auto& p) { return p.second.database.shared; });
  }
  IdSource& ids_of(const std::string& service) { return *by_service.at(service)->ids; }
};

// An error's detail is one sentence that names the key and how to fix it.
Result<std::unique_ptr<Storage>> open_storage(const Config& config, Access access);

// Runs the services and the gateway until SIGINT or SIGTERM. An error is one that kept it from
// starting.
Result<> run_server(const Config& config);

}  // namespace sv
