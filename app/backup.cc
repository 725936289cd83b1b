#include "app/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "app/manifest.h"
#include "app/wiring.h"
#include "platform/core/block_on.h"
#include "platform/core/time.h"
#include "services/video/fsck.h"

namespace sv {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 20;
constexpr unsigned kSecret = 0600;
constexpr std::string_view
    kLock = "backup.lock",
    kFilling =
        "filling";  // all that OUT.partial holds: the mark that it is ours, and what becomes OUT

// Objects as files of the store and of the backup. Neither is ever written in place, so both may be
// one file with two names.
class ObjectCopier {
 public:
  ObjectCopier(fs::path store, fs::path backup)
      : store_(std::move(store)), backup_(std::move(backup)) {}

  // False: the store does not have it (any more), or not with the size that the ledger says.
  Result<bool> take(const video::NeededObject& object) {
    if (const auto it = taken_.find(object.key); it != taken_.end() && fits(object, it->second))
      return true;
    const fs::path from = store_ / object.key, to = backup_ / object.key;
    std::error_code ec;
    fs::create_directories(to.parent_path(), ec);
    ::unlink(to.c_str());
    BackupFile file;
    if (::link(from.c_str(), to.c_str()) == 0) {
      file.size = fs::file_size(to, ec);
    } else {  // another file system, one without links, or no such object
      auto copied = copy_hashed(from, to, 0644);
      if (!copied && copied.error().code != Errc::not_found)
        return std::unexpected(std::move(copied.error()));
      if (copied) file = std::move(*copied);
      else ec = std::make_error_code(std::errc::no_such_file_or_directory);
    }
    if (!ec && fits(object, file)) {
      taken_[object.key] = std::move(file);
      return true;
    }
    taken_.erase(object.key);
    ::unlink(to.c_str());
    return false;
  }

  // Drops what the last snapshot does not name and lists the rest. Reading what was linked comes
  // last: until an object is linked a purge may take it.
  Result<> finish(const std::set<std::string>& named, std::vector<BackupFile>& files) {
    for (auto& [key, file] : taken_) {
      if (!named.contains(key)) {
        ::unlink((backup_ / key).c_str());
        continue;
      }
      if (file.sha256.empty()) { SV_TRY(file, hash_file(backup_ / key)); }
      file.path = "objects/" + key;
      files.push_back(std::move(file));
    }
    return {};
  }

 private:
  static bool fits(const video::NeededObject& object, const BackupFile& file) {
    return !object.bytes || static_cast<std::uint64_t>(*object.bytes) == file.size;
  }

  const fs::path store_, backup_;
  std::map<std::string, BackupFile> taken_;
};

// All databases are pinned before the first is copied, so that files of several services are
// moments apart and not the length of a copy.
Result<std::vector<BackupDatabase>> copy_databases(const Storage& storage, const fs::path& to) {
  std::vector<OpenDatabase::CopyTo> pinned;
  std::vector<BackupDatabase> out;
  for (const auto& [url, place] : storage.places) {
    SV_TRY(pinned.emplace_back(), place.database.pin());
    BackupDatabase database{.path = fmt::format("databases/{}.db", out.size()), .services = {}};
    for (const auto& [service, own] : storage.by_service)
      if (own == &place) database.services.push_back(service);
    out.push_back(std::move(database));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::error_code ec;
    fs::remove(to / out[i].path, ec);
    SV_CHECK(pinned[i](to / out[i].path));
  }
  return out;
}

Result<std::vector<video::NeededObject>> needed_by(const fs::path& backup,
                                                   const std::vector<BackupDatabase>& databases) {
  for (const BackupDatabase& d : databases) {
    if (std::ranges::find(d.services, "video") == d.services.end()) continue;
    SV_TRY(auto db, open_copy(backup / d.path));
    return block_on(video::needed_objects(*db));
  }
  return fail(Errc::internal, {}, "no database has the tables of video");
}

// The serving process is not asked to hold back its purges: an object that was purged between the
// snapshot and the copy is named by no later snapshot, so a new one is taken until it and the
// copies agree. What two snapshots in a row name in vain is lost.
Result<> copy_data(const Storage& storage, const fs::path& objects, const fs::path& to,
                   Manifest& manifest) {
  ObjectCopier copier(objects, to / "objects");
  std::set<std::string> missed;
  for (int round = 0; round < kRounds; ++round) {
    manifest.time = format_rfc3339(storage.clock.now_ms());
    SV_TRY(manifest.databases, copy_databases(storage, to));
    SV_TRY(const auto needed, needed_by(to, manifest.databases));
    std::set<std::string> named, missing;
    for (const auto& object : needed) {
      named.insert(object.key);
      SV_TRY(const bool there, copier.take(object));
      if (!there) missing.insert(object.key);
    }
    if (std::ranges::includes(missed, missing)) {
      SV_CHECK(copier.finish(named, manifest.files));
      manifest.missing.assign(missing.begin(), missing.end());
      return {};
    }
    missed = std::move(missing);
  }
  return fail(Errc::unavailable, {},
              "objects go faster than they can be copied; try again when less is deleted");
}

// What else makes the installation: keys, so that tokens and links stay valid.
Result<> copy_small_files(const fs::path& data, const fs::path& to, Manifest& manifest) {
  std::error_code ec;
  if (fs::exists(data / "auth_keys", ec)) {
    SV_TRY(BackupFile file, copy_hashed(data / "auth_keys", to / "data/auth_keys", kSecret));
    file.path = "data/auth_keys";
    manifest.files.push_back(std::move(file));
  }
  for (const BackupDatabase& d : manifest.databases) {
    fs::permissions(to / d.path, fs::perms::owner_read | fs::perms::owner_write, ec);
    SV_TRY(BackupFile file, hash_file(to / d.path));
    file.path = d.path;
    manifest.files.push_back(std::move(file));
  }
  return {};
}

// As OUT.partial is computed from it: no "..", no slash at the end.
fs::path final_place(const fs::path& given) {
  const fs::path whole = fs::absolute(given).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

// By identity and not by name, so that links do not hide it.
bool lies_in(const fs::path& path, const fs::path& folder) {
  std::error_code ec;
  fs::path at = fs::weakly_canonical(path, ec);
  for (; at != at.parent_path(); at = at.parent_path())
    if (fs::equivalent(at, folder, ec)) return true;
  return fs::equivalent(at, folder, ec);
}

bool absent_or_empty(const fs::path& folder) {
  std::error_code ec;
  return !fs::exists(folder, ec) || (fs::is_directory(folder, ec) && fs::is_empty(folder, ec));
}

// OUT.partial beside OUT: the lock that marks it as ours, and the folder that is filled and then
// renamed to OUT. The mark goes after the rename, so whenever a run ends, what it leaves is known
// to the next one, which replaces it; no other folder is touched.
class PartialFolder {
 public:
  static Result<PartialFolder> make(const fs::path& given) {
    const fs::path target = final_place(given), path = target.string() + ".partial";
    std::error_code ec;
    if (!absent_or_empty(path) && !is_left_over(path))
      return fail(Errc::rejected, {}, fmt::format("{} is in the way; remove it", path.string()));
    fs::create_directories(path.parent_path(), ec);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      return fail(Errc::unavailable, {},
                  fmt::format("cannot make {}: {}", path.string(), std::strerror(errno)));
    SV_TRY(DataLock lock, DataLock::acquire(path, kLock));
    fs::remove_all(path / kFilling, ec);
    if (ec || ::mkdir((path / kFilling).c_str(), 0700) != 0)
      return fail(Errc::unavailable, {},
                  fmt::format("cannot make {}: {}", (path / kFilling).string(),
                              ec ? ec.message() : std::strerror(errno)));
    return PartialFolder(path, target, std::move(lock));
  }

  // Whether the folder has the mark and nothing that is not ours.
  static bool is_left_over(const fs::path& path) {
    std::error_code ec;
    bool marked = false;
    for (const auto& entry : fs::directory_iterator(path, ec)) {
      if (entry.path().filename() == kLock) marked = true;
      else if (entry.path().filename() != kFilling) return false;
    }
    return marked;
  }

  fs::path path() const { return path_ / kFilling; }

  // What was filled takes its final place, durably.
  Result<> finish() {
    SV_CHECK(sync_all(path_));
    if (::rename(path().c_str(), target_.c_str()) != 0)
      return fail(Errc::unavailable, {},
                  fmt::format("cannot rename {} to {}: {}", path().string(), target_.string(),
                              std::strerror(errno)));
    std::error_code ec;
    fs::remove(path_ / kLock, ec);
    fs::remove(path_, ec);
    return sync_all(target_.parent_path());
  }

 private:
  PartialFolder(fs::path path, fs::path target, DataLock lock)
      : path_(std::move(path)), target_(std::move(target)), lock_(std::move(lock)) {}
  const fs::path path_, target_;
  DataLock lock_;
};

// Where the configuration wants what the backup holds. Restoring fills the data folder and writes
// nowhere else.
Result<std::string> below_data(const Config& config, std::string_view key, const std::string& url) {
  const PartUrl place = parse_part_url(config, url);
  if (place.scheme != "sqlite" && place.scheme != "file")
    return fail(Errc::invalid_argument, {},
                fmt::format("{}: a backup holds files, and they are no {} database; restore into "
                            "files, or use the engine's own tools",
                            key, place.scheme));
  const fs::path relative = fs::path(place.path).lexically_relative(config.data);
  if (relative.empty() || *relative.begin() == "..")
    return fail(Errc::invalid_argument, {},
                fmt::format("{}: {} is outside of the data folder, and restore fills that alone",
                            key, url));
  return relative.string();
}

Result<std::string> database_place(const Config& config, const BackupDatabase& database) {
  std::string place;
  for (const std::string& service : database.services) {
    const auto own = config.databases.find(service);
    const std::string key = own == config.databases.end() ? "database" : "databases." + service;
    SV_TRY(std::string here,
           below_data(config, key, own == config.databases.end() ? config.database : own->second));
    if (!place.empty() && place != here)
      return fail(Errc::invalid_argument, {},
                  fmt::format("{}: the backup has {} in one database; name one file for them", key,
                              fmt::join(database.services, ", ")));
    place = std::move(here);
  }
  return place;
}

// From paths of the backup to paths below the data folder.
Result<std::map<std::string, std::string>> places_of(const Config& config,
                                                     const Manifest& manifest) {
  SV_TRY(const std::string objects, below_data(config, "objects", config.objects));
  std::map<std::string, std::string> places;
  std::set<std::string> used;
  for (const BackupDatabase& d : manifest.databases) {
    SV_TRY(places[d.path], database_place(config, d));
    if (!used.insert(places[d.path]).second)
      return fail(
          Errc::invalid_argument, {},
          fmt::format(
              "databases.{}: the backup has a database of its own for it; name a file of its own",
              fmt::join(d.services, ", databases.")));
  }
  for (const BackupFile& f : manifest.files) {
    if (f.path.starts_with("objects/")) places[f.path] = objects + f.path.substr(7);
    else if (f.path.starts_with("data/")) places[f.path] = f.path.substr(5);
  }
  return places;
}

BackupReport report_of(const Manifest& manifest) {
  BackupReport out{.files = manifest.files.size(), .bytes = 0, .missing = manifest.missing};
  for (const BackupFile& f : manifest.files) out.bytes += f.size;
  return out;
}

}  // namespace

Result<BackupReport> make_backup(const Config& config, const fs::path& out) {
  SV_TRY(const auto storage, open_storage(config, Access::look));
  for (const auto& [service, place] : storage->by_service)
    if (!place->database.pin)
      return fail(
          Errc::rejected, {},
          fmt::format("the database of {} is backed up by its engine's own tools (pg_dump); "
                      "afterwards copy what `objects` names and auth_keys of the data folder",
                      service));
  if (parse_part_url(config, config.objects).scheme != "file")
    return fail(Errc::rejected, {},
                "objects: they lie in a bucket, which is backed up by its server's own tools");
  const fs::path target = final_place(out);
  for (const fs::path folder : {config.data, parse_part_url(config, config.objects).path})
    if (lies_in(target, folder) || lies_in(target.parent_path(), folder))
      return fail(
          Errc::rejected, {},
          fmt::format("{} lies in {}, which is to be backed up; name a folder outside of it",
                      out.string(), folder.string()));
  if (!absent_or_empty(out))
    return fail(Errc::rejected, {},
                fmt::format("{} is there already; name a new folder", out.string()));
  SV_TRY(PartialFolder folder, PartialFolder::make(out));
  std::error_code ec;
  fs::create_directories(folder.path() / "databases", ec);
  Manifest manifest{.version = SV_VERSION, .time = {}, .databases = {}, .missing = {}, .files = {}};
  SV_CHECK(
      copy_data(*storage, parse_part_url(config, config.objects).path, folder.path(), manifest));
  SV_CHECK(copy_small_files(config.data, folder.path(), manifest));
  SV_CHECK(write_manifest(folder.path(), manifest));
  SV_CHECK(folder.finish());
  return report_of(manifest);
}

Result<BackupReport> restore_backup(const Config& config, const fs::path& in) {
  if (PartialFolder::is_left_over(in))
    return fail(Errc::rejected, {},
                fmt::format("{} is a backup that was not finished; make a new one", in.string()));
  SV_TRY(const Manifest manifest, read_manifest(in));
  if (!absent_or_empty(config.data))
    return fail(Errc::rejected, {},
                fmt::format("data: {} is not empty; restore makes a new folder", config.data));
  SV_TRY(const auto places, places_of(config, manifest));
  SV_TRY(PartialFolder folder, PartialFolder::make(config.data));
  for (const BackupFile& file : manifest.files) {
    const auto place = places.find(file.path);
    if (place == places.end())
      return fail(Errc::rejected, "backup_damaged",
                  fmt::format("the manifest names {}, which is no part of a backup", file.path));
    const unsigned mode = file.path.starts_with("objects/") ? 0644 : kSecret;
    auto copied = copy_hashed(in / file.path, folder.path() / place->second, mode);
    if (!copied && copied.error().code == Errc::not_found) copied.error().token = "backup_damaged";
    if (!copied) return std::unexpected(std::move(copied.error()));
    if (copied->size != file.size || copied->sha256 != file.sha256)
      return fail(Errc::rejected, "backup_damaged",
                  fmt::format("{} is not what was backed up: its bytes do not match the manifest",
                              (in / file.path).string()));
  }
  SV_CHECK(folder.finish());
  return report_of(manifest);
}

}  // namespace sv
