#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/ports/sql.h"

namespace sv::postgres {

// An INSERT … VALUES ($1, …) of many rows as one statement over a list for each parameter, which
// the server runs several times faster than a statement a row.
struct BulkInsert {
  std::string sql;
  sql::Params lists;
  // ON CONFLICT DO NOTHING, and `sql` returns the parameters of each row that it inserted, in the
  // order of the rows.
  bool tells = false;
  // ON CONFLICT DO UPDATE: SQLSTATE 21000 when two of the rows meet, which one after the other may.
  bool updates = false;
};

// None where it would not mean the same or is not worth it: few rows, other values than integers
// and texts, parameters outside of VALUES.
std::optional<BulkInsert> bulk_insert(std::string_view sql, const std::vector<sql::Params>& rows);

// What each of `rows` did, 1 or 0, by what a statement that `tells` returned; none when that is not
// theirs.
std::optional<std::vector<std::size_t>> told_by(const sql::Rows& returned,
                                                const std::vector<sql::Params>& rows);

}  // namespace sv::postgres
