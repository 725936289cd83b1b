#include <algorithm>
#include <array>
#include <map>

#include "services/social/graph.h"

namespace sv::social {
namespace {

constexpr std::array<ListSpec, 6> kLists{{
    {.kind = Kind::follow, .incoming = false, .total = &Counts::following, .cursor = "following"},
    {.kind = Kind::follow, .incoming = true, .total = &Counts::followers, .cursor = "follower"},
    {.kind = Kind::friends, .incoming = false, .total = &Counts::friends, .cursor = "friends"},
    {.kind = Kind::request, .incoming = true, .total = &Counts::requests, .cursor = "requests"},
    {.kind = Kind::block, .incoming = false, .total = &Counts::blocked, .cursor = "blocked"},
    {.kind = Kind::mute, .incoming = false, .total = &Counts::muted, .cursor = "muted"},
}};

std::vector<UserId> read_ids(const sql::Rows& rows) {
  std::vector<UserId> ids;
  ids.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) ids.emplace_back(rows.i64(i, 0));
  return ids;
}

}  // namespace

const ListSpec& spec_of(List list) { return kLists[static_cast<std::size_t>(list)]; }

Ties Graph::Circle::with(UserId other) const {
  const auto at = std::ranges::lower_bound(ties, other, {}, &std::pair<UserId, Ties>::first);
  return at != ties.end() && at->first == other ? at->second : Ties{};
}

Task<Result<Graph::CirclePtr>> Graph::circle(const Ctx& ctx, UserId one) {
  if (auto known = circles_.find(ctx, one).value_or(nullptr)) co_return known;
  const auto stamp = circles_.stamp();
  SV_CO_TRY(const sql::Rows rows,
            co_await db_.query(ctx, store::kAllTies, all_ties_of(one, kCircle)));
  std::array<std::size_t, 2> edges{};  // coming, going
  std::map<UserId, Ties> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Ties tie;
    const UserId other = add_tie(rows, i, tie);
    found[other].out |= tie.out;
    found[other].in |= tie.in;
    ++edges[tie.out == 0 ? 0 : 1];
  }
  auto made = std::make_shared<Circle>();
  made->complete = std::max(edges[0], edges[1]) < kCircle;
  if (made->complete) made->ties.assign(found.begin(), found.end());
  circles_.put(stamp, one, made);
  co_return made;
}

Task<Result<Graph::TieMap>> Graph::ties(const Ctx& ctx, UserId one,
                                        const std::vector<UserId>& others) {
  TieMap out;
  out.reserve(others.size());
  for (UserId other : others) out.try_emplace(other);
  const auto somebody = [one](const auto& entry) { return entry.first && entry.first != one; };
  if (!one || std::ranges::none_of(out, somebody)) co_return out;
  SV_CO_TRY(const CirclePtr known, co_await circle(ctx, one));
  std::vector<UserId> asked;
  for (auto& [other, tie] : out) {
    if (!other || other == one) continue;
    if (known->complete) tie = known->with(other);
    else asked.push_back(other);
  }
  if (!asked.empty()) SV_CO_CHECK(co_await add_pairs(ctx, one, std::move(asked), out));
  co_return out;
}

Task<Result<>> Graph::add_pairs(const Ctx& ctx, UserId one, std::vector<UserId> others,
                                TieMap& out) {
  std::vector<std::int64_t> missing;
  for (UserId other : others) {
    const Pair pair = pair_of(one, other);
    if (const auto known = ties_.find(ctx, pair))
      out[other] = one == pair.low ? *known : known->flipped();
    else missing.push_back(other.value);
  }
  if (missing.empty()) co_return Result<>{};
  const auto stamp = ties_.stamp();
  SV_CO_TRY(const sql::Rows rows, co_await db_.query(ctx, store::kTies, ties_of(one, missing)));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Ties tie;
    const UserId other = add_tie(rows, i, tie);
    Ties& all = out[other];
    all.out |= tie.out;
    all.in |= tie.in;
  }
  for (const std::int64_t id : missing) {
    const UserId other(id);
    const Pair pair = pair_of(one, other);
    ties_.put(stamp, pair, one == pair.low ? out[other] : out[other].flipped());
  }
  co_return Result<>{};
}

Task<Result<Ties>> Graph::tie(const Ctx& ctx, UserId one, UserId other) {
  SV_CO_TRY(const TieMap found, co_await ties(ctx, one, {other}));
  co_return found.at(other);
}

Task<Result<std::unordered_map<UserId, Counts>>> Graph::counts(const Ctx& ctx,
                                                               const std::vector<UserId>& users) {
  std::unordered_map<UserId, Counts> out;
  std::vector<std::int64_t> missing;
  for (UserId user : users) {
    auto [at, fresh] = out.try_emplace(user);
    if (!fresh || !user) continue;
    if (const auto known = counts_.find(ctx, user)) at->second = *known;
    else missing.push_back(user.value);
  }
  if (missing.empty()) co_return out;
  const auto stamp = counts_.stamp();
  SV_CO_TRY(const sql::Rows rows, co_await db_.query(ctx, store::kCounts, {missing}));
  for (std::size_t i = 0; i < rows.size(); ++i) out[UserId(rows.i64(i, 0))] = read_counts(rows, i);
  for (const std::int64_t id : missing) counts_.put(stamp, UserId(id), out[UserId(id)]);
  co_return out;
}

Task<Result<std::vector<Entry>>> Graph::entries(const Ctx& ctx, List list, UserId owner,
                                                const Entry& after, std::int64_t offset,
                                                std::size_t limit) {
  const Place place{.list = list, .owner = owner};
  auto head = heads_.find(ctx, place).value_or(nullptr);
  if (!head) {
    const auto stamp = heads_.stamp();
    SV_CO_TRY(std::vector<Entry> newest, co_await read(ctx, list, owner, kNewestFirst, 0, kHead));
    head = ListHead::of(std::move(newest), kHead);
    heads_.put(stamp, place, head);
  }
  if (auto found = head->behind(after, limit, static_cast<std::size_t>(offset)))
    co_return std::move(*found);
  co_return co_await read(ctx, list, owner, after, offset, limit);
}

Task<Result<std::vector<Entry>>> Graph::read(const Ctx& ctx, List list, UserId owner,
                                             const Entry& after, std::int64_t offset,
                                             std::size_t limit) {
  const ListSpec& spec = spec_of(list);
  SV_CO_TRY(const sql::Rows rows,
            co_await db_.query(ctx, spec.incoming ? store::kNewestTo : store::kNewestFrom,
                               {owner, spec.kind, after.key, after.id, limit, offset}));
  co_return read_entries(rows);
}

Task<Result<std::vector<UserId>>> Graph::following_ids(const Ctx& ctx, UserId user, UserId after,
                                                       std::size_t limit) {
  auto first = followed_.find(ctx, user).value_or(nullptr);
  if (!first) {
    const auto stamp = followed_.stamp();
    SV_CO_TRY(const sql::Rows rows, co_await db_.query(ctx, store::kFollowingIds,
                                                       {user, 0, kThoseFollowed, Kind::follow}));
    first = std::make_shared<const Ids>(
        Ids{.ids = read_ids(rows), .complete = rows.size() < kThoseFollowed});
    followed_.put(stamp, user, first);
  }
  const auto from = std::ranges::upper_bound(first->ids, after);
  const auto left = static_cast<std::size_t>(first->ids.end() - from);
  if (left >= limit || first->complete)
    co_return std::vector<UserId>(from, from + static_cast<std::ptrdiff_t>(std::min(left, limit)));
  SV_CO_TRY(const sql::Rows rows,
            co_await db_.query(ctx, store::kFollowingIds, {user, after, limit, Kind::follow}));
  co_return read_ids(rows);
}

Task<Result<std::vector<UserId>>> Graph::follower_ids(const Ctx& ctx, UserId user, UserId after,
                                                      std::size_t limit) {
  SV_CO_TRY(const sql::Rows rows,
            co_await db_.query(ctx, store::kFollowerIds, {user, after, limit, Kind::follow}));
  co_return read_ids(rows);
}

}  // namespace sv::social
