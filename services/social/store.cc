#include "services/social/store.h"

namespace sv::social {

sql::Params ties_of(UserId one, std::vector<std::int64_t> others) {
  return {one, std::move(others), Kind::follow, Kind::request, Kind::block, Kind::mute};
}

sql::Params all_ties_of(UserId one, std::size_t limit) {
  return {one, limit, Kind::follow, Kind::request, Kind::block, Kind::mute};
}

UserId add_tie(const sql::Rows& rows, std::size_t row, Ties& ties) {
  const std::uint8_t bit = Ties::bit(static_cast<Kind>(rows.i64(row, 0)));
  (rows.boolean(row, 1) ? ties.out : ties.in) |= bit;
  return UserId(rows.i64(row, 2));
}

Counts read_counts(const sql::Rows& rows, std::size_t row) {
  return {.following = rows.i64(row, 1),
          .followers = rows.i64(row, 2),
          .friends = rows.i64(row, 3),
          .requests = rows.i64(row, 4),
          .blocked = rows.i64(row, 5),
          .muted = rows.i64(row, 6)};
}

}  // namespace sv::social
