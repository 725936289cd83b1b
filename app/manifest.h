#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "platform/core/error.h"

namespace sv {

inline constexpr const char* kManifestFile = "manifest.json";

struct BackupFile {
  std::string path;  // below the backup's folder
  std::uint64_t size = 0;
  std::string sha256;
};

struct BackupDatabase {
  std::string path;                   // of one of the files
  std::vector<std::string> services;  // whose tables it holds
};

// What a backup holds: manifest.json, written last.
struct Manifest {
  std::string version, time;  // of the program and of the snapshot
  std::vector<BackupDatabase> databases;
  std::vector<std::string> missing;  // objects that the database names and that were not there
  std::vector<BackupFile> files;     // all but the manifest
};

Result<> write_manifest(const std::filesystem::path& folder, const Manifest& manifest);
// An error is one sentence: no backup, cut off, made by a newer version, or naming files outside of
// its folder.
Result<Manifest> read_manifest(const std::filesystem::path& folder);

// Size and hash of what `from` holds; `to` is a new file with the same bytes, its folders are made.
Result<BackupFile> copy_hashed(const std::filesystem::path& from, const std::filesystem::path& to,
                               unsigned mode);
Result<BackupFile> hash_file(const std::filesystem::path& file);
// Makes everything that was written to the file system of `folder` durable.
Result<> sync_all(const std::filesystem::path& folder);

}  // namespace sv
