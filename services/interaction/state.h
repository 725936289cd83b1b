#pragma once

#include <map>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "services/interaction/service.h"
#include "services/interaction/store.h"
#include "services/parts/list_head.h"
#include "services/parts/object_cache.h"
#include "services/parts/rankings.h"

namespace sv::interaction {

struct EdgeKey {
  Edge kind{};
  UserId user{};
  std::int64_t object = 0;  // a video's or a comment's id
  auto operator<=>(const EdgeKey&) const = default;
};

// The newest top-level comments of a video (root 0), or the oldest replies below a comment.
struct ThreadKey {
  VideoId video{};
  CommentId root{};
  auto operator<=>(const ThreadKey&) const = default;
};

// What a user liked or starred, newest first.
struct Recent {
  ListHeadPtr head;
  std::int64_t total = 0;  // of the whole list
};

// What a transaction changes beyond the rows it wrote itself: counters are summed up here and
// written once by State::apply.
struct Changes {
  struct OfVideo {
    UserId author{};  // needed for a video without a row
    std::int64_t likes = 0, comments = 0, stars = 0, shares = 0;
    bool operator==(const OfVideo&) const = default;
  };
  struct OfComment {
    std::int64_t likes = 0, replies = 0;
    bool operator==(const OfComment&) const = default;
  };
  std::map<VideoId, OfVideo> videos;
  std::map<CommentId, OfComment> comments;
  std::vector<std::pair<EdgeKey, bool>> edges;  // as they are now
  std::set<ThreadKey> threads;                  // lists that are others now
  std::set<VideoId> rankings;                   // and hot lists
  bool operator==(const Changes&) const = default;
};

struct KeyHash {
  std::size_t operator()(const EdgeKey& k) const {
    return mix(k.user.value, k.object) ^ static_cast<std::size_t>(k.kind);
  }
  std::size_t operator()(const ThreadKey& k) const { return mix(k.video.value, k.root.value); }
  std::size_t operator()(const std::pair<UserId, Edge>& k) const {
    return mix(k.first.value, num(k.second));
  }
  static std::size_t mix(std::int64_t a, std::int64_t b) {
    return static_cast<std::size_t>(a) * 0x9E3779B97F4A7C15ULL ^
           static_cast<std::size_t>(b) * 0xC2B2AE3D27D4EB4FULL;
  }
};

// What is known in memory, never older than the last answered write, and the one way in which
// counters change. Thread-safe.
class State {
 public:
  explicit State(const InteractionDeps& d) : deps(d) {}

  std::int64_t now() const { return deps.clock.now_ms(); }

  // Inside a transaction at READ COMMITTED: writes the sums, and makes memory follow once it is
  // committed. A video that is gone keeps its zeros.
  Result<> apply(sql::Tx& tx, Changes changes);
  // Takes everything that is counted from the video and its author, for good. At READ COMMITTED.
  Result<> end_video(sql::Tx& tx, VideoId video, UserId author);
  // Whoever of them may do nothing more.
  Result<std::unordered_set<UserId>> gone_people(sql::Tx& tx, std::vector<std::int64_t> users);
  Result<std::map<VideoId, VideoCounts>> videos_now(sql::Tx& tx, std::vector<std::int64_t> videos);
  Result<std::map<CommentId, CommentPtr>> comments_now(sql::Tx& tx,
                                                       std::vector<std::int64_t> comments);

  // An entry for each id; one statement for those that are not in memory.
  Task<Result<FlatMap<VideoId, VideoCounts>>> counts(const Ctx& ctx, std::vector<VideoId> ids);
  Task<Result<FlatMap<UserId, PersonCounts>>> received(const Ctx& ctx, std::vector<UserId> ids);
  // Those of kinds × objects that are. A guest has none.
  using EdgesOf = FlatSet<std::pair<Edge, std::int64_t>>;
  Task<Result<EdgesOf>> edges_of(const Ctx& ctx, UserId user, std::vector<Edge> kinds,
                                 std::vector<std::int64_t> objects);
  // In the order of `ids`, null where there is none; deleted ones are rows too.
  Task<Result<std::vector<CommentPtr>>> comments(const Ctx& ctx, const std::vector<CommentId>& ids);
  // Null: there is none (any more), or the comment above it is gone.
  Task<Result<CommentPtr>> living_comment(const Ctx& ctx, CommentId id);
  // At most `count` entries after a place; fewer only at the end. Their rows are in memory
  // afterwards, most likely.
  Task<Result<std::vector<Entry>>> thread(const Ctx& ctx, ThreadKey key, Entry after,
                                          std::size_t count);
  // The same of what a user liked or starred, newest first.
  Task<Result<std::vector<Entry>>> recent(const Ctx& ctx, UserId user, Edge kind, Entry after,
                                          std::size_t count);
  Task<Result<std::int64_t>> recent_total(const Ctx& ctx, UserId user, Edge kind);
  // The hot comments of a video.
  Task<Result<RankingPtr>> current_ranking(const Ctx& ctx, VideoId video);

  const InteractionDeps deps;

 private:
  Task<Result<std::vector<Entry>>> read_thread(const Ctx& ctx, ThreadKey key, Entry after,
                                               std::size_t limit);
  Task<Result<Recent>> recent_head(const Ctx& ctx, UserId user, Edge kind);
  struct Received {
    std::int64_t likes = 0, comments = 0;
    bool operator==(const Received&) const = default;
  };
  // What the counters are now, of those that changed.
  Result<std::vector<PersonCounts>> add_to_people(sql::Tx& tx,
                                                  const std::map<UserId, Received>& sums);
  Result<std::vector<VideoCounts>> add_to_videos(sql::Tx& tx,
                                                 const std::map<VideoId, Changes::OfVideo>& sums);
  // Others hear what the counters are now, not what was added: that may be told twice.
  Result<> tell(sql::Tx& tx, const std::vector<VideoCounts>& videos);
  Result<> add_to_comments(sql::Tx& tx, const std::map<CommentId, Changes::OfComment>& sums);
  void remember(const VideoCounts& counts);
  void remember(const PersonCounts& counts);

  ObjectCache<VideoId, VideoCounts> videos_{deps.memory(), 131'072};
  ObjectCache<UserId, PersonCounts> people_{deps.memory()};
  ObjectCache<EdgeKey, bool, KeyHash> edges_{deps.memory(), 262'144};
  ObjectCache<CommentId, CommentPtr> comments_{deps.memory()};
  ObjectCache<ThreadKey, ListHeadPtr, KeyHash> threads_{deps.memory(), 8192};
  ObjectCache<std::pair<UserId, Edge>, Recent, KeyHash> recent_{deps.memory(), 8192};
  ObjectCache<VideoId, RankingPtr> rankings_{deps.memory(), 1024};
};

}  // namespace sv::interaction
