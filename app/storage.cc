#include <filesystem>

#include "app/wiring.h"
#include "platform/adapters/file_objects.h"
#include "platform/adapters/id_source.h"
#include "platform/adapters/local_events.h"
#include "platform/adapters/sqlite.h"
#include "services/interaction/migrations.h"
#include "services/message/migrations.h"
#include "services/social/migrations.h"
#include "services/user/migrations.h"
#include "services/video/migrations.h"

namespace sv {
namespace {

namespace fs = std::filesystem;

constexpr int kServeNode = 0, kAdminNode = 1;

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

Result<> open_databases(const Config& config, Access access, Storage& storage) {
  const Owner owners[] = {{"interaction", interaction::migrations()},
                          {"message", message::migrations()},
                          {"social", social::migrations()},
                          {"user", user::migrations()},
                          {"video", video::migrations()}};
  for (const Owner& owner : owners) {
    auto own = config.databases.find(owner.service);
    const std::string key =
        own == config.databases.end() ? "database" : "databases." + owner.service;
    PartUrl url =
        parse_part_url(config, own == config.databases.end() ? config.database : own->second);
    auto& file = storage.files[url.path];
    const bool fresh = !file;
    if (fresh) {
      SqliteOptions options;
      options.path = url.path;
      options.read_only = access == Access::look;
      options.checkpoints =
          &storage.supervisor.loop("sqlite.checkpoint." + fs::path(url.path).stem().string());
      auto db = open_sqlite(options);
      if (!db) return blame(key, std::move(db.error()));
      file = std::move(*db);
    }
    storage.databases[owner.service] = file.get();
    if (access == Access::look) continue;
    if (fresh) {
      if (auto done = migrate_sqlite(*file, local_events_migrations(), "event"); !done)
        return blame(key, std::move(done.error()));
    }
    if (auto done = migrate_sqlite(*file, owner.migrations, owner.service); !done)
      return blame(key, std::move(done.error()));
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
    const int node = access == Access::serve ? kServeNode : kAdminNode;
    auto ids = make_id_source(data / fmt::format("ids.{}", node), node, storage->clock,
                              storage->supervisor);
    if (!ids) return blame("data", std::move(ids.error()));
    storage->ids = std::move(*ids);
  }
  storage->disk = std::make_unique<ThreadPool>("disk", 4, 4096);
  SV_CHECK(open_databases(config, access, *storage));
  auto objects = make_file_objects(
      {.root = parse_part_url(config, config.objects).path, .read_only = access != Access::serve},
      *storage->disk);
  if (!objects) return blame("objects", std::move(objects.error()));
  storage->objects = std::move(*objects);
  return storage;
}

}  // namespace sv
