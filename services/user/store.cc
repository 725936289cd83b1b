#include "services/user/store.h"

namespace sv::user {

Account read_account(const sql::Rows& rows, std::size_t row) {
  return {.id = UserId(rows.i64(row, 0)),
          .username = rows.text(row, 1),
          .avatar = rows.text(row, 2),
          .about = rows.text(row, 3),
          .follow_count = rows.i64(row, 4),
          .follower_count = rows.i64(row, 5),
          .is_admin = rows.boolean(row, 6),
          .is_private = rows.boolean(row, 7),
          .show_likes = rows.boolean(row, 8),
          .message_from = rows.text(row, 9)};
}

}  // namespace sv::user
