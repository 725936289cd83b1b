#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "services/parts/list_head.h"
#include "services/parts/object_cache.h"
#include "services/social/service.h"
#include "services/social/store.h"

namespace sv::social {

enum class List : unsigned char { following, followers, friends, requests, blocked, muted };

// What is listed, and by which name its cursors go.
struct ListSpec {
  Kind kind;
  bool incoming;  // of edges that point at the owner
  std::int64_t Counts::* total;
  std::string_view cursor;
};
const ListSpec& spec_of(List list);

// The edges and what is known of them in memory, which is never older than the last answered write.
// Reads are coroutines; changes run inside a transaction. Thread-safe.
class Graph {
 public:
  explicit Graph(const SocialDeps& deps)
      : db_(deps.db), clock_(deps.clock), revision_(deps.revision), memory_(deps.memory()) {}

  // -- graph_read.cc: no statement when all is in memory, one otherwise.
  using TieMap = FlatMap<UserId, Ties>;
  // An entry for each of `others`; nothing ties a guest (0) to anybody, or anybody to himself.
  Task<Result<TieMap>> ties(const Ctx& ctx, UserId one, const std::vector<UserId>& others);
  Task<Result<Ties>> tie(const Ctx& ctx, UserId one, UserId other);
  // An entry for each of `users`.
  Task<Result<std::unordered_map<UserId, Counts>>> counts(const Ctx& ctx,
                                                          const std::vector<UserId>& users);
  // At most `limit` entries older than `after`, past `offset` of them; fewer only at the end of the
  // list.
  Task<Result<std::vector<Entry>>> entries(const Ctx& ctx, List list, UserId owner,
                                           const Entry& after, std::int64_t offset,
                                           std::size_t limit);
  // Rising, after `after`. Those of the first kThoseFollowed are in memory.
  Task<Result<std::vector<UserId>>> following_ids(const Ctx& ctx, UserId user, UserId after,
                                                  std::size_t limit);
  Task<Result<std::vector<UserId>>> follower_ids(const Ctx& ctx, UserId user, UserId after,
                                                 std::size_t limit);

  // -- graph_write.cc
  Result<Ties> ties_now(sql::Tx& tx, UserId one, UserId other) const;
  // False: it was there (not there) already.
  Result<bool> add(sql::Tx& tx, Kind kind, UserId user, UserId target);
  Result<bool> remove(sql::Tx& tx, Kind kind, UserId user, UserId target);
  // Removes up to `limit` of a user's edges, then what is counted of him. True: there may be more.
  Result<bool> forget_some(sql::Tx& tx, UserId user, std::int64_t limit);

 private:
  static constexpr std::size_t kHead = 200;            // entries of a list that are kept
  static constexpr std::size_t kThoseFollowed = 2000;  // ids that are kept

  static constexpr std::size_t kCircle = 512;  // edges each way of a circle

  // All that ties one person to anybody, as most people have few edges: strangers are known to be
  // strangers without a read. Of the others `complete` is false, and pairs are asked for.
  struct Circle {
    bool complete = false;
    std::vector<std::pair<UserId, Ties>> ties;  // rising
    Ties with(UserId other) const;
  };
  using CirclePtr = std::shared_ptr<const Circle>;

  struct Pair {  // the smaller id first: both see one cached value
    UserId low, high;
    bool operator==(const Pair&) const = default;
  };
  struct Place {
    List list;
    UserId owner;
    bool operator==(const Place&) const = default;
  };
  struct HashOf {
    std::size_t operator()(const Pair& p) const {
      return mix(p.low.value) ^ std::hash<UserId>{}(p.high);
    }
    std::size_t operator()(const Place& p) const {
      return mix(p.owner.value) ^ static_cast<std::size_t>(p.list);
    }
    static std::size_t mix(std::int64_t id) {
      return static_cast<std::size_t>(id) * 0x9E3779B97F4A7C15ULL;
    }
  };
  struct Ids {
    std::vector<UserId> ids;
    bool complete = false;
  };

  static Pair pair_of(UserId a, UserId b) { return a < b ? Pair{a, b} : Pair{b, a}; }
  Task<Result<CirclePtr>> circle(const Ctx& ctx, UserId one);
  Task<Result<>> add_pairs(const Ctx& ctx, UserId one, std::vector<UserId> others, TieMap& out);
  Task<Result<std::vector<Entry>>> read(const Ctx& ctx, List list, UserId owner, const Entry& after,
                                        std::int64_t offset, std::size_t limit);
  Result<> count(sql::Tx& tx, Kind kind, UserId user, UserId target, std::int64_t by);
  void forget(Kind kind, UserId user, UserId target);

  sql::Database& db_;
  const Clock& clock_;
  ContentRevision& revision_;
  const Memory memory_;
  ObjectCache<UserId, CirclePtr> circles_{memory_, 16'384};
  ObjectCache<Pair, Ties, HashOf> ties_{memory_};
  ObjectCache<UserId, Counts> counts_{memory_};
  ObjectCache<Place, ListHeadPtr, HashOf> heads_{memory_, 8'192};
  ObjectCache<UserId, std::shared_ptr<const Ids>> followed_{memory_, 4'096};
};

}  // namespace sv::social
