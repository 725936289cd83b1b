#include <algorithm>
#include <map>

#include <sqlite3.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/sqlite.h"
#include "platform/core/time.h"
#include "platform/crypto/sha256.h"

namespace sv {
namespace {

constexpr std::pair<std::string_view, std::string_view> kTypes[] = {{"{id}", "INTEGER PRIMARY KEY"},
                                                                    {"{int}", "INTEGER"},
                                                                    {"{bool}", "INTEGER"},
                                                                    {"{text}", "TEXT"},
                                                                    {"{bytes}", "BLOB"}};

std::string expand_types(std::string_view sql) {
  std::string out(sql);
  for (auto [name, type] : kTypes)
    for (std::size_t at = 0; (at = out.find(name, at)) != std::string::npos; at += type.size())
      out.replace(at, name.size(), type);
  return out;
}

// sqlite3_complete knows quotes, comments and triggers: a semicolon ends a statement when what
// stands before it is complete.
std::vector<std::string> split(const std::string& sql) {
  std::vector<std::string> out;
  std::string statement;
  for (char c : sql) {
    statement += c;
    if (c == ';' && sqlite3_complete(statement.c_str()))
      out.push_back(std::exchange(statement, {}));
  }
  // What is left is white space, comments, or a statement without its semicolon.
  sqlite3* db = nullptr;
  sqlite3_stmt* rest = nullptr;
  if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
      sqlite3_prepare_v2(db, statement.c_str(), -1, &rest, nullptr) == SQLITE_OK && !rest)
    statement.clear();
  sqlite3_finalize(rest);
  sqlite3_close(db);
  if (!statement.empty()) out.push_back(std::move(statement));
  return out;
}

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

std::unexpected<Error> refused(std::string sentence) {
  return fail(Errc::internal, "migration_refused", std::move(sentence));
}

}  // namespace

Result<> migrate_sqlite(sql::Database& db, std::span<const sql::Migration> migrations,
                        std::string_view owner) {
  const std::string create = fmt::format(
      "CREATE TABLE IF NOT EXISTS {}_migrations (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, "
      "applied_ms INTEGER NOT NULL)",
      owner);
  const std::string list = fmt::format("SELECT name, checksum FROM {}_migrations", owner);
  const std::string find = fmt::format("SELECT checksum FROM {}_migrations WHERE name = $1", owner);
  const std::string record = fmt::format(
      "INSERT INTO {}_migrations (name, checksum, applied_ms) VALUES ($1, $2, $3)", owner);

  std::map<std::string_view, std::string_view> ordered;
  for (const auto& m : migrations) ordered.emplace(m.name, m.sql);

  SV_CHECK(wait(db.run_write([&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(create));
    return {};
  })));
  SV_TRY(sql::Rows applied, wait(db.query(list)));
  for (std::size_t i = 0; i < applied.size(); ++i) {
    auto known = ordered.find(applied.text(i, 0));
    if (known == ordered.end())
      return refused(
          fmt::format("the database has the migration {} that this program does not know: it was "
                      "used by a newer version; "
                      "start that version, or restore a backup made before it",
                      applied.text(i, 0)));
    if (sha256_hex(known->second) != applied.text(i, 1))
      return refused(
          fmt::format("the migration {} was changed after the database applied it: restore its "
                      "text and add a new migration",
                      known->first));
  }
  for (auto& [name, sql] : ordered) {
    Result<> done = wait(db.run_write([&](sql::Tx& tx) -> Result<> {
      SV_TRY(sql::Rows before, tx.query(find, {name}));
      if (!before.empty()) return {};
      for (const auto& statement : split(expand_types(sql))) SV_CHECK(tx.execute(statement));
      SV_CHECK(tx.execute(record, {name, sha256_hex(sql), wall_now_ms()}));
      return {};
    }));
    if (!done)
      return fail(done.error().code, "migration_failed",
                  fmt::format("the migration {} failed: {}", name, done.error().detail));
  }
  return {};
}

}  // namespace sv
