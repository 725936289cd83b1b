#include <algorithm>
#include <array>

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

Task<Result<Graph::TieMap>> Graph::ties(const Ctx& ctx, UserId one,
                                        const std::vector<UserId>& others) {
  TieMap out;
  std::vector<std::int64_t> missing;
  for (UserId other : others) {
    auto [at, fresh] = out.try_emplace(other);
    if (!fresh || !one || !other || other == one) continue;
    const Pair pair = pair_of(one, other);
    if (const auto known = ties_.find(ctx, pair))
      at->second = one == pair.low ? *known : known->flipped();
    else missing.push_back(other.value);
  }
  if (missing.empty()) co_return out;
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
  co_return out;
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
