#include "services/social/graph.h"

namespace sv::social {

Result<Ties> Graph::ties_now(sql::Tx& tx, UserId one, UserId other) const {
  SV_TRY(const sql::Rows rows, tx.query(store::kTies, ties_of(one, {other.value})));
  Ties out;
  for (std::size_t i = 0; i < rows.size(); ++i) add_tie(rows, i, out);
  return out;
}

Result<bool> Graph::add(sql::Tx& tx, Kind kind, UserId user, UserId target) {
  SV_TRY(const std::int64_t added,
         tx.execute(store::kInsertEdge, {user, kind, target, clock_.now_ms()}));
  if (added == 0) return false;
  SV_CHECK(count(tx, kind, user, target, 1));
  return true;
}

Result<bool> Graph::remove(sql::Tx& tx, Kind kind, UserId user, UserId target) {
  SV_TRY(const std::int64_t removed, tx.execute(store::kDeleteEdge, {user, kind, target}));
  if (removed == 0) return false;
  SV_CHECK(count(tx, kind, user, target, -1));
  return true;
}

Result<> Graph::count(sql::Tx& tx, Kind kind, UserId user, UserId target, std::int64_t by) {
  Counts of_user, of_target;
  switch (kind) {
    case Kind::follow:
      of_user.following = by;
      of_target.followers = by;
      break;
    case Kind::request:
      of_target.requests = by;
      break;
    case Kind::block:
      of_user.blocked = by;
      break;
    case Kind::mute:
      of_user.muted = by;
      break;
    case Kind::friends:
      of_user.friends = by;
      break;
  }
  for (const auto& [id, c] : {std::pair(user, of_user), std::pair(target, of_target)})
    if (c != Counts{})
      SV_CHECK(tx.execute(store::kAddCounts, {id, c.following, c.followers, c.friends, c.requests,
                                              c.blocked, c.muted}));
  tx.on_commit([this, kind, user, target] { forget(kind, user, target); });
  return {};
}

// Whatever the edge shows in. Counts of follows are on pages that guests get.
void Graph::forget(Kind kind, UserId user, UserId target) {
  ties_.erase(pair_of(user, target));
  // One that was too large to be kept stays so: a person whom many follow reads it once.
  for (const UserId one : {user, target})
    circles_.update(one, [](CirclePtr& known) {
      if (known && known->complete) known = nullptr;
    });
  counts_.erase(user);
  counts_.erase(target);
  for (const List list : {List::following, List::followers, List::friends, List::requests,
                          List::blocked, List::muted})
    if (spec_of(list).kind == kind)
      heads_.erase({.list = list, .owner = spec_of(list).incoming ? target : user});
  if (kind != Kind::follow) return;
  followed_.erase(user);
  revision_.bump();
}

Result<bool> Graph::forget_some(sql::Tx& tx, UserId user, std::int64_t limit) {
  std::int64_t found = 0;
  for (const std::string_view statement : {store::kSomeFrom, store::kSomeTo}) {
    if (found == limit) break;
    SV_TRY(const sql::Rows rows, tx.query(statement, {user, limit - found}));
    found += static_cast<std::int64_t>(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      SV_CHECK(remove(tx, static_cast<Kind>(rows.i64(i, 1)), UserId(rows.i64(i, 0)),
                      UserId(rows.i64(i, 2))));
  }
  if (found == limit) return true;
  SV_CHECK(tx.execute(store::kForgetCounts, {user}));
  tx.on_commit([this, user] { counts_.erase(user); });
  return false;
}

}  // namespace sv::social
