#include "services/interaction/fsck.h"

namespace sv::interaction {

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers =
      "SELECT user_id FROM interaction_edges UNION SELECT user_id FROM interaction_comments WHERE deleted = 0 UNION "
      "SELECT user_id FROM interaction_shares UNION SELECT user_id FROM interaction_requests UNION "
      "SELECT user_id FROM interaction_reports WHERE user_id IS NOT NULL";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

}  // namespace sv::interaction
