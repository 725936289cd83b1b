#include "services/parts/drift.h"

#include <fmt/format.h>

namespace sv {

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db, std::vector<DriftCheck> checks) {
  std::vector<Drift> out;
  for (DriftCheck& check : checks) {
    SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, check.sql, std::move(check.params)));
    for (std::size_t i = 0; i < rows.size(); ++i)
      out.push_back({.counter = fmt::format("{} {}", check.counter, rows.text(i, 0)),
                     .stored = rows.i64(i, 1),
                     .counted = rows.i64(i, 2)});
  }
  co_return out;
}

}  // namespace sv
