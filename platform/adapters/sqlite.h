#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "platform/core/error.h"
#include "platform/core/supervisor.h"
#include "platform/ports/clock.h"
#include "platform/ports/sql.h"

namespace sv {

// Running totals, for metrics and for tests that prove that works share COMMITs.
struct SqliteCounters {
  std::atomic<std::uint64_t> works{0};  // writes that were committed
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> checkpoints{0};
};

struct SqliteOptions {
  std::filesystem::path path;
  std::size_t readers = 4;   // threads, each with a read-only connection
  std::size_t queue = 8192;  // waiting reads, and waiting writes; more is Errc::unavailable
  std::chrono::milliseconds busy_timeout{10'000};  // for a lock that another process holds
  bool read_only =
      false;  // look at a file that another process serves: it must exist, write() fails
  const Clock* clock = nullptr;  // of Tx::now_ms; null: the system's; must outlive the database
  SqliteCounters* counters = nullptr;     // must outlive the database
  SupervisedLoop* checkpoints = nullptr;  // told how each ended; must outlive the database
};

// A file in WAL mode with synchronous=FULL. Reads run on the reader threads; writes are queued to
// one writer thread, which runs each in a savepoint and many in one COMMIT. A read that begins
// after a write was answered sees it. A read or write whose deadline has passed when its turn comes
// is not run; one that runs is waited for (at most busy_timeout for another process). The
// destructor finishes what was queued.
Result<std::unique_ptr<sql::Database>> open_sqlite(const SqliteOptions& options);

// Brings the tables of `owner` ("user") up to date and blocks until they are. Each migration is one
// transaction, so two processes that start at once apply it once. Recorded in <owner>_migrations.
// Refuses, with a sentence in Error::detail, a database that has a migration unknown to
// `migrations` (it is newer than this program) or one whose text has changed since it was applied.
Result<> migrate_sqlite(sql::Database& db, std::span<const sql::Migration> migrations,
                        std::string_view owner);

}  // namespace sv
