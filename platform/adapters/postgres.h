#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "platform/core/error.h"
#include "platform/ports/sql.h"

namespace sv {

// For metrics; gauges but for the last three, which only grow.
struct PostgresCounters {
  std::atomic<std::int64_t> open{0};     // connections
  std::atomic<std::int64_t> in_use{0};   // connections that run a work, reads in flight
  std::atomic<std::int64_t> waiting{0};  // works and reads that wait for a connection
  std::atomic<std::uint64_t> works{0};   // writes that were committed
  std::atomic<std::uint64_t> retries{0};
  std::atomic<std::uint64_t> reconnects{0};
};

struct PostgresOptions {
  std::string url;           // libpq's: postgres://user:password@host:port/database?sslmode=…
  std::size_t writers = 8;   // threads, each with a connection that runs one work at a time
  std::size_t readers = 2;   // threads, each with a connection that has many reads in flight
  std::size_t queue = 8192;  // waiting reads, and waiting writes; more is "storage_busy"
  std::chrono::milliseconds queue_wait{5'000};  // a work that waits longer is "storage_busy"
  std::chrono::milliseconds connect_timeout{5'000};
  // Of a call without a deadline; also the server's own limit for one read.
  std::chrono::milliseconds longest{30'000};
  std::string application_name = "shortvideo";
  std::shared_ptr<PostgresCounters> counters = nullptr;
};

// Opens one connection to see that the URL is right and blocks for at most connect_timeout; the
// error's detail is one sentence that names what is wrong, never the password. Afterwards a lost
// server is "database_unreachable" until it is back; a connection is tried again every second.
//
// Reads are sent by their thread as they come and answered as the server answers (libpq's pipeline
// mode, a Sync after each): one that fails hurts no other. One that is in flight when the
// connection is lost is sent again. Works run on the writers' threads; a serialisation failure or a
// deadlock runs one again while its deadline allows. The destructor gives what runs and waits two
// seconds, then answers it "database_unreachable".
//
// Statements are prepared once a connection, so a pooler in transaction mode (PgBouncer) cannot
// stand between. The database must be encoded in UTF8.
Result<std::unique_ptr<sql::Database>> open_postgres(const PostgresOptions& options);

// As migrate_sqlite, over a connection of its own, while an advisory lock keeps other processes
// out. {id} is a bigint primary key, numbered where a row names none, {int} and {bool} bigint (a
// flag is read as 0 or 1), {text} text COLLATE "C" (order by bytes, as SQLite's), {bytes} bytea.
Result<> migrate_postgres(const PostgresOptions& options,
                          std::span<const sql::Migration> migrations, std::string_view owner);

}  // namespace sv
