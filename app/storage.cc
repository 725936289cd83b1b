#include <filesystem>

#include "app/wiring.h"
#include "platform/adapters/id_source.h"
#include "platform/adapters/local_events.h"
#include "services/interaction/migrations.h"
#include "services/message/migrations.h"
#include "services/social/migrations.h"
#include "services/user/migrations.h"
#include "services/video/migrations.h"

namespace sv {
namespace {

namespace fs = std::filesystem;

// The error as a sentence that begins with the key.
std::unexpected<Error> blame(std::string_view key, Error error) {
  if (!error.detail.starts_with(key))
    error.detail = fmt::format("{}: {}", key, error.detail.empty() ? error.token : error.detail);
  return std::unexpected(std::move(error));
}

struct Owner {
  std::string service;
  std::span<const sql::Migration> migrations;
};

// What every database has, whosever tables lie in it.
Result<> prepare(Storage& storage, Storage::Place& place) {
  SV_CHECK(place.database.migrate(local_events_migrations(), "event"));
  SV_CHECK(place.database.migrate(id_migrations(), "id"));
  SV_TRY(place.ids, make_id_source(*place.database.db, storage.clock, storage.supervisor,
                                   "ids." + place.database.name));
  return {};
}

Result<> open_one(const Config& config, const std::string& url, Access access, const Owner& owner,
                  Storage& storage) {
  Storage::Place& place = storage.places[url];
  storage.by_service[owner.service] = &place;
  if (!place.database.db) {
    SV_TRY(place.database,
           open_database(config, url, access == Access::look, storage.supervisor, storage.metrics));
    if (access != Access::look) SV_CHECK(prepare(storage, place));
  }
  if (access == Access::look) return {};
  return place.database.migrate(owner.migrations, owner.service);
}

Result<> open_databases(const Config& config, Access access, Storage& storage) {
  const Owner owners[] = {{"interaction", interaction::migrations()},
                          {"message", message::migrations()},
                          {"social", social::migrations()},
                          {"user", user::migrations()},
                          {"video", video::migrations()}};
  for (const Owner& owner : owners) {
    const auto own = config.databases.find(owner.service);
    const bool shared = own == config.databases.end();
    auto opened = open_one(config, shared ? config.database : own->second, access, owner, storage);
    if (!opened)
      return blame(shared ? "database" : "databases." + owner.service, std::move(opened.error()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Storage>> open_storage(const Config& config, Access access) {
  auto storage = std::make_unique<Storage>();
  const fs::path data = config.data;
  std::error_code ec;
  if (access == Access::serve) fs::create_directories(data, ec);
  if (ec || !fs::is_directory(data))
    return fail(Errc::unavailable, "data_unusable",
                fmt::format("data: {} is not a folder{}", data.string(),
                            ec ? " and cannot be made: " + ec.message()
                               : "; name the one that shortvideo serve uses"));
  if (access != Access::look) {
    SV_TRY(DataLock lock, DataLock::acquire(data, access == Access::serve ? "lock" : "lock.admin"));
    storage->locks.push_back(std::move(lock));
  }
  storage->disk = std::make_unique<ThreadPool>("disk", 4, 4096);
  SV_CHECK(open_databases(config, access, *storage));
  SV_TRY(storage->objects, open_objects(config, access != Access::serve, *storage->disk));
  return storage;
}

}  // namespace sv
