#include "platform/adapters/migrations.h"
#include "platform/adapters/postgres.h"
#include "platform/adapters/postgres_tx.h"
#include "platform/core/time.h"
#include "platform/crypto/sha256.h"

namespace sv {
namespace {

using postgres::Connection;
using postgres::WorkTx;

constexpr migrations::Type kTypes[] = {{"{id}", "bigint PRIMARY KEY"},
                                       {"{int}", "bigint"},
                                       {"{bool}", "bigint"},
                                       {"{text}", "text COLLATE \"C\""},
                                       {"{bytes}", "bytea"}};

// At READ COMMITTED: what follows the lock sees what its last holder did.
Result<> in_turn(Connection& connection, const std::function<Result<>(sql::Tx&)>& work) {
  WorkTx tx(connection, sql::Isolation::read_committed, {});
  SV_CHECK(tx.lock("migrations", 0, sql::LockMode::exclusive));
  Result<> done = work(tx);
  if (done && tx.failure()) done = std::unexpected(tx.failure()->error);
  if (!done) {
    (void)tx.roll_back();
    return done;
  }
  if (auto committed = tx.commit(); !committed)
    return std::unexpected(std::move(committed.error().why.error));
  return {};
}

}  // namespace

Result<> migrate_postgres(const PostgresOptions& options, std::span<const sql::Migration> all,
                          std::string_view owner) {
  const std::string create = fmt::format(
      "CREATE TABLE IF NOT EXISTS {}_migrations (name text COLLATE \"C\" PRIMARY KEY, checksum "
      "text NOT NULL, applied_ms bigint NOT NULL)",
      owner);
  const std::string list = fmt::format("SELECT name, checksum FROM {}_migrations", owner);
  const std::string find = fmt::format("SELECT checksum FROM {}_migrations WHERE name = $1", owner);
  const std::string record = fmt::format(
      "INSERT INTO {}_migrations (name, checksum, applied_ms) VALUES ($1, $2, $3)", owner);

  auto opened =
      Connection::open({.url = options.url, .application_name = options.application_name},
                       {.deadline = std::chrono::steady_clock::now() + options.connect_timeout});
  if (!opened) return std::unexpected(std::move(opened.error().error));
  Connection& connection = **opened;

  const migrations::Ordered ordered = migrations::in_order(all);
  auto begun = in_turn(connection, [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("SET client_min_messages = warning"));
    SV_CHECK(tx.execute(create));
    SV_TRY(sql::Rows applied, tx.query(list));
    return migrations::check_applied(applied, ordered);
  });
  if (!begun && begun.error().token != "migration_refused")
    begun.error().detail = fmt::format("cannot make tables in {}: {}",
                                       postgres::place_of(options.url), begun.error().detail);
  SV_CHECK(std::move(begun));
  for (auto& [name, sql] : ordered) {
    Result<> done = in_turn(connection, [&](sql::Tx& tx) -> Result<> {
      SV_TRY(sql::Rows before, tx.query(find, {name}));
      if (!before.empty()) return {};
      for (const auto& statement : migrations::split(migrations::expand_types(sql, kTypes)))
        SV_CHECK(tx.execute(statement));
      SV_CHECK(tx.execute(record, {name, sha256_hex(sql), wall_now_ms()}));
      return {};
    });
    if (!done)
      return fail(done.error().code, "migration_failed",
                  fmt::format("the migration {} failed: {}", name, done.error().detail));
  }
  return {};
}

}  // namespace sv
