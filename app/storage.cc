#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "app/wiring.h"
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
  for (const auto& [owner, migrations] : tables_of_parts())
    SV_CHECK(place.database.migrate(migrations, owner));
  SV_TRY(place.ids,
         open_ids(*place.database.db, storage.clock, storage.supervisor, "ids." + place.name));
  return {};
}

Result<> open_one(const Config& config, const std::string& url, std::string name, Access access,
                  Storage& storage) {
  Storage::Place& place = storage.places[url];
  if (place.database.db) return {};
  place.name = std::move(name);
  SV_TRY(place.database, open_database(config, url, place.name, access == Access::look,
                                       storage.supervisor, storage.metrics));
  return access == Access::look ? Result<>() : prepare(storage, place);
}

// Those whose tables this process reads and writes. A command looks at all of them.
bool needs(const Roles& roles, Access access, std::string_view service) {
  return access != Access::serve || roles.has(service) || (roles.transcode && service == "video");
}

Result<> open_databases(const Config& config, Access access, Storage& storage) {
  const Roles roles = roles_of(config);
  const Owner owners[] = {{"interaction", interaction::migrations()},
                          {"message", message::migrations()},
                          {"social", social::migrations()},
                          {"user", user::migrations()},
                          {"video", video::migrations()}};
  const bool any = std::ranges::any_of(
      owners, [&](const Owner& owner) { return needs(roles, access, owner.service); });
  for (const Owner& owner : owners) {
    if (!any) break;
    const auto own = config.databases.find(owner.service);
    const bool shared = own == config.databases.end();
    const std::string& url = shared ? config.database : own->second;
    // What other services tell as events is in theirs.
    auto done = open_one(config, url, shared ? "all" : owner.service, access, storage);
    if (needs(roles, access, owner.service)) {
      Storage::Place& place = storage.places.at(url);
      storage.by_service[owner.service] = &place;
      if (done && access != Access::look)
        done = place.database.migrate(owner.migrations, owner.service);
    }
    if (!done)
      return blame(shared ? "database" : "databases." + owner.service, std::move(done.error()));
  }
  return {};
}

// One process at a time has what only it may have: the data, unless all of it is on servers; its
// scratch folder.
Result<> lock_folders(const Config& config, Storage& storage) {
  const Roles roles = roles_of(config);
  const fs::path data = config.data;
  const auto in_file = [](std::string_view url) { return url.starts_with("sqlite:"); };
  const bool files = std::ranges::any_of(roles.services, [&](const std::string& service) {
    const auto own = config.databases.find(service);
    return in_file(own == config.databases.end() ? config.database : own->second);
  });
  if (!roles.cluster || files) {
    SV_TRY(DataLock lock, DataLock::acquire(data, "lock"));
    storage.lock.emplace(std::move(lock));
  }
  storage.own = data;
  if (!roles.cluster) return {};
  const std::string listen =
      roles.services.empty() ? config.listen : rpc_listen_of(config, roles.services.front());
  std::string port = listen.substr(listen.rfind(':') + 1);
  if (port == "0") port = fmt::format("p{}", ::getpid());
  storage.own = data / "instances" / fmt::format("{}-{}", roles.name(), port);
  std::error_code ec;
  fs::create_directories(storage.own, ec);
  SV_TRY(DataLock own, DataLock::acquire(storage.own, "lock"));
  storage.own_lock.emplace(std::move(own));
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
  if (access == Access::serve) SV_CHECK(lock_folders(config, *storage));
  storage->disk = std::make_unique<ThreadPool>("disk", 4, 4096);
  SV_CHECK(open_databases(config, access, *storage));
  SV_TRY(storage->objects,
         open_objects(config, access != Access::serve, *storage->disk, storage->metrics));
  return storage;
}

}  // namespace sv
