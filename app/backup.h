#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "app/config.h"

namespace sv {

struct BackupReport {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string>
      missing;  // objects that the database names and the store does not have: fsck tells more
};

// Copies an installation, which may be served meanwhile, into the new folder `out`: databases,
// secrets, id marks and every object that the copied database names. `out` appears whole at the
// end; what an interrupted run left (`out`.partial) is replaced by the next one.
Result<BackupReport> make_backup(const Config& config, const std::filesystem::path& out);

// Copies the backup `in` into the data folder of `config`, which must not exist or be empty, and
// compares every file with the manifest. The folder appears whole at the end, or not at all. A file
// that is not as the manifest says: token "backup_damaged".
Result<BackupReport> restore_backup(const Config& config, const std::filesystem::path& in);

}  // namespace sv
