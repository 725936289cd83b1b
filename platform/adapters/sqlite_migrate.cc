#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/migrations.h"
#include "platform/adapters/sqlite.h"
#include "platform/core/time.h"
#include "platform/crypto/sha256.h"

namespace sv {
namespace {

constexpr migrations::Type kTypes[] = {
    {"{id}", "INTEGER PRIMARY KEY"}, {"{int}", "INTEGER"}, {"{clustered}", "WITHOUT ROWID"},
    {"{bool}", "INTEGER"},           {"{text}", "TEXT"},   {"{bytes}", "BLOB"}};

template <class T>
Result<T> wait(Task<Result<T>> task) {
  asio::io_context io;
  std::optional<Result<T>> out;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, Result<T> r) {
    if (error) std::rethrow_exception(error);
    out.emplace(std::move(r));
  });
  io.run();
  return std::move(*out);
}

}  // namespace

Result<> migrate_sqlite(sql::Database& db, std::span<const sql::Migration> all,
                        std::string_view owner) {
  const std::string create = fmt::format(
      "CREATE TABLE IF NOT EXISTS {}_migrations (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, "
      "applied_ms INTEGER NOT NULL)",
      owner);
  // Older programs made the table without it.
  const std::string look = fmt::format(
      "SELECT 1 FROM pragma_table_info('{}_migrations') WHERE name = 'tolerates'", owner);
  const std::string extend =
      fmt::format("ALTER TABLE {}_migrations ADD COLUMN tolerates TEXT NOT NULL DEFAULT ''", owner);
  const std::string list =
      fmt::format("SELECT name, checksum, tolerates FROM {}_migrations", owner);
  const std::string find = fmt::format("SELECT checksum FROM {}_migrations WHERE name = $1", owner);
  const std::string record = fmt::format(
      "INSERT INTO {}_migrations (name, checksum, applied_ms, tolerates) VALUES ($1, $2, $3, $4)",
      owner);

  const migrations::Ordered ordered = migrations::in_order(all);

  SV_CHECK(wait(db.run_write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(create));
    SV_TRY(const sql::Rows there, tx.query(look));
    if (there.empty()) SV_CHECK(tx.execute(extend));
    return {};
  })));
  SV_TRY(sql::Rows applied, wait(db.query(Ctx{}, list)));
  SV_CHECK(migrations::check_applied(applied, ordered));
  for (auto& [name, sql] : ordered) {
    Result<> done = wait(db.run_write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
      SV_TRY(sql::Rows before, tx.query(find, {name}));
      if (!before.empty()) return {};
      for (const auto& statement : migrations::split(migrations::expand_types(sql, kTypes)))
        SV_CHECK(tx.execute(statement));
      SV_CHECK(
          tx.execute(record, {name, sha256_hex(sql), wall_now_ms(), migrations::tolerates(sql)}));
      return {};
    }));
    if (!done)
      return fail(done.error().code, "migration_failed",
                  fmt::format("the migration {} failed: {}", name, done.error().detail));
  }
  return {};
}

}  // namespace sv
