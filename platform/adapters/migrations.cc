#include "platform/adapters/migrations.h"

#include <sqlite3.h>

#include <fmt/format.h>

#include "platform/crypto/sha256.h"

namespace sv::migrations {
namespace {

std::unexpected<Error> refused(std::string sentence) {
  return fail(Errc::internal, "migration_refused", std::move(sentence));
}

}  // namespace

Ordered in_order(std::span<const sql::Migration> all) {
  Ordered ordered;
  for (const auto& m : all) ordered.emplace(m.name, m.sql);
  return ordered;
}

std::string expand_types(std::string_view sql, std::span<const Type> types) {
  std::string out(sql);
  for (auto [name, type] : types)
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

std::string_view tolerates(std::string_view sql) {
  constexpr std::string_view kLine = "-- tolerates: ";
  const std::size_t at = sql.find(kLine);
  if (at == std::string_view::npos || (at > 0 && sql[at - 1] != '\n')) return {};
  sql.remove_prefix(at + kLine.size());
  return sql.substr(0, sql.find_first_of("\r\n"));
}

Result<> check_applied(const sql::Rows& applied, const Ordered& known) {
  for (std::size_t i = 0; i < applied.size(); ++i) {
    const auto found = known.find(applied.text(i, 0));
    if (found == known.end()) {
      const std::string oldest = applied.text(i, 2);
      if (!oldest.empty() && !known.empty() && known.rbegin()->first >= oldest) continue;
      return refused(
          fmt::format("the database has the migration {} that this program does not know: it was "
                      "used by a newer version; "
                      "start that version, or restore a backup made before it",
                      applied.text(i, 0)));
    }
    if (sha256_hex(found->second) != applied.text(i, 1))
      return refused(
          fmt::format("the migration {} was changed after the database applied it: restore its "
                      "text and add a new migration",
                      found->first));
  }
  return {};
}

}  // namespace sv::migrations
