#include "services/message/notices.h"

#include <algorithm>
#include <set>
#include <utility>

#include "services/message/store.h"

namespace sv::message {
namespace {

std::vector<std::int64_t> values(const std::vector<UserId>& ids) {
  std::vector<std::int64_t> out;
  for (UserId id : ids) out.push_back(id.value);
  return out;
}

// Who did it, the newest first, each once; nobody for what the system did.
std::vector<UserId> actors_of(const std::vector<Act>& acts) {
  std::vector<UserId> out;
  for (auto act = acts.rbegin(); act != acts.rend(); ++act)
    if (act->actor && std::ranges::find(out, act->actor) == out.end()) out.push_back(act->actor);
  return out;
}

}  // namespace

Result<> Notices::add(sql::Tx& tx, const Notice& n, std::int64_t off) const {
  const auto kind = static_cast<std::int64_t>(n.kind);
  std::vector<std::int64_t> facts, actors;
  for (const Act& act : n.acts) {
    facts.push_back(act.fact);
    actors.push_back(act.actor.value);
  }
  SV_TRY(const sql::Rows known, tx.query(store::kKnownActs, {n.user, kind, n.object,
                                                             std::move(facts), std::move(actors)}));
  std::set<std::pair<std::int64_t, std::int64_t>> told;
  for (std::size_t i = 0; i < known.size(); ++i) told.emplace(known.i64(i, 0), known.i64(i, 1));
  std::vector<Act> fresh;
  for (const Act& act : n.acts)
    if (told.emplace(act.actor.value, act.fact).second) fresh.push_back(act);
  if (fresh.empty()) return {};

  std::int64_t group = 0;
  if ((off & setting_bit(n.kind)) == 0) { SV_TRY(group, join_group(tx, n, fresh)); }
  std::vector<sql::Params> rows;
  for (const Act& act : fresh)
    rows.push_back({n.user, kind, n.object, act.actor, act.fact, group, act.time_ms});
  SV_CHECK(tx.execute_many(store::kAddFact, rows));
  return {};
}

// Of the open group, made when there is none.
Result<std::int64_t> Notices::join_group(sql::Tx& tx, const Notice& n,
                                         const std::vector<Act>& fresh) const {
  const auto kind = static_cast<std::int64_t>(n.kind);
  const Act& last = fresh.back();
  std::vector<UserId> newest = actors_of(fresh);
  SV_TRY(const sql::Rows open, tx.query(store::kOpenGroup, {n.user, kind, n.object}));
  changed(tx, n.user);
  if (open.empty()) {
    const std::int64_t id = ids_.next();
    const auto count = static_cast<std::int64_t>(newest.size());
    if (newest.size() > kShownActors) newest.resize(kShownActors);
    SV_CHECK(tx.execute(store::kAddGroup, {id, n.user, kind, n.object, n.video, last.related,
                                           actors_text(newest), count, last.time_ms}));
    return id;
  }
  const std::int64_t id = open.i64(0, 0);
  SV_TRY(const sql::Rows present, tx.query(store::kActorsInGroup, {id, values(newest)}));
  const std::int64_t count = open.i64(0, 2) + static_cast<std::int64_t>(newest.size()) -
                             static_cast<std::int64_t>(present.size());
  for (UserId actor : parse_actors(open.text(0, 1)))
    if (std::ranges::find(newest, actor) == newest.end()) newest.push_back(actor);
  if (newest.size() > kShownActors) newest.resize(kShownActors);
  SV_CHECK(
      tx.execute(store::kGrowGroup, {id, actors_text(newest), count, last.related, last.time_ms}));
  return id;
}

Result<bool> Notices::forget_some(sql::Tx& tx, UserId actor, UserId user) const {
  SV_TRY(const sql::Rows facts, tx.query(store::kSomeFactsBy, {actor, user}));
  std::vector<std::int64_t> groups;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    SV_CHECK(tx.execute(store::kDropFact, {facts.i64(i, 0), facts.i64(i, 1), facts.i64(i, 2), actor,
                                           facts.i64(i, 3)}));
    if (const std::int64_t group = facts.i64(i, 4);
        group != 0 && std::ranges::find(groups, group) == groups.end()) {
      groups.push_back(group);
      changed(tx, UserId(facts.i64(i, 0)));
    }
  }
  for (std::int64_t group : groups) SV_CHECK(leave_group(tx, group, actor));
  return !facts.empty();
}

Result<> Notices::leave_group(sql::Tx& tx, std::int64_t group, UserId actor) const {
  SV_TRY(const sql::Rows still, tx.query(store::kActorsInGroup, {group, std::vector{actor.value}}));
  SV_TRY(const sql::Rows row, tx.query(store::kGroup, {group}));
  if (!still.empty() || row.empty()) return {};
  const std::int64_t count = row.i64(0, 1) - 1;
  if (count <= 0) {
    SV_CHECK(tx.execute(store::kDropGroup, {group}));
    return {};
  }
  std::vector<UserId> newest = parse_actors(row.text(0, 0));
  if (std::ranges::find(newest, actor) != newest.end()) {
    SV_TRY(const sql::Rows left,
           tx.query(store::kNewestActors, {group, static_cast<std::int64_t>(kShownActors)}));
    newest.clear();
    for (std::size_t i = 0; i < left.size(); ++i) newest.push_back(UserId(left.i64(i, 0)));
  }
  SV_CHECK(tx.execute(store::kShrinkGroup, {group, actors_text(newest), count}));
  return {};
}

Result<> Notices::forget_user(sql::Tx& tx, UserId user) const {
  SV_CHECK(tx.execute(store::kDropGroupsOf, {user}));
  SV_CHECK(tx.execute(store::kDropFactsOf, {user}));
  SV_CHECK(tx.execute(store::kDropSettings, {user}));
  changed(tx, user);
  return {};
}

void Notices::changed(sql::Tx& tx, UserId user) const {
  tx.on_commit([this, user] { generations_.bump(user.value); });
}

}  // namespace sv::message
