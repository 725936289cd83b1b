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

RefreshRow read_refresh(const sql::Rows& rows, std::size_t row) {
  return {.session = rows.i64(row, 0),
          .user = UserId(rows.i64(row, 1)),
          .ended_ms = rows.i64(row, 2),
          .expires_ms = rows.i64(row, 3),
          .used_ms = rows.i64(row, 4),
          .salt = rows.text(row, 5)};
}

}  // namespace sv::user
