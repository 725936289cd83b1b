#include "services/message/fsck.h"

namespace sv::message {

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers =
      "SELECT user_id FROM message_sides UNION SELECT user_id FROM message_notifications UNION SELECT user_id FROM message_facts UNION "
      "SELECT actor_id FROM message_facts WHERE actor_id <> 0 UNION SELECT user_id FROM message_settings";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

}  // namespace sv::message
