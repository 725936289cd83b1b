#pragma once

#include <filesystem>
#include <memory>

#include "platform/core/error.h"

namespace sv {

// The state that a database file had when it was pinned, while other processes go on writing it:
// nobody waits, but the WAL cannot be emptied before the pin is gone. One caller at a time; blocks.
class SqliteSnapshot {
 public:
  virtual ~SqliteSnapshot() = default;
  // Copies the pinned state, checked page by page, into a new file without a WAL. Not synced. A
  // failure leaves a file behind that is no database.
  virtual Result<> copy_to(const std::filesystem::path& file) = 0;
};
Result<std::unique_ptr<SqliteSnapshot>> pin_sqlite(const std::filesystem::path& file);

}  // namespace sv
