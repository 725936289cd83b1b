#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/core/error.h"
#include "platform/ports/sql.h"

// What migrate_sqlite and migrate_postgres share.
namespace sv::migrations {

using Type = std::pair<std::string_view, std::string_view>;    // {"{id}", "bigint PRIMARY KEY"}
using Ordered = std::map<std::string_view, std::string_view>;  // text by name

Ordered in_order(std::span<const sql::Migration> all);
std::string expand_types(std::string_view sql, std::span<const Type> types);
// Into statements. Knows quotes, comments and triggers.
std::vector<std::string> split(const std::string& sql);
// What a migration says of older programs, on a line of its own: `-- tolerates:
// user/0003_sessions.sql`, those that know that one go on beside it. Empty: none does.
std::string_view tolerates(std::string_view sql);
// `applied`: name, checksum and what it tolerates. Refuses, with a sentence, one that was changed,
// and one that is unknown and does not tolerate who knows no more than `known`.
Result<> check_applied(const sql::Rows& applied, const Ordered& known);

}  // namespace sv::migrations
