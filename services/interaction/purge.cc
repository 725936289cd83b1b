#include <functional>

#include "services/interaction/local_service.h"
#include "services/parts/events.h"
#include "services/parts/locks.h"

// What is deleted elsewhere leaves nothing countable here. Each step is one transaction of bounded
// size and may be repeated: the writer is never held for long, and a crash in between loses nothing
// but time.
namespace sv::interaction {
namespace {

constexpr std::int64_t kEdges = 500, kComments = 100;
// As what counts: see Locks.
constexpr auto kAdding = sql::Isolation::read_committed;

std::vector<std::int64_t> first_column(const sql::Rows& rows) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.push_back(rows.i64(i, 0));
  return out;
}

// One bounded transaction after the other, until a step says that nothing is left.
Task<Result<>> in_steps(sql::Database& db, std::function<Result<bool>(sql::Tx&)> step) {
  for (bool more = true; more;) { SV_CO_TRY(more, co_await db.write(Ctx{}, step, kAdding)); }
  co_return Result<>{};
}

// Dropped edges as changes: each takes one from what it counted in.
Changes changes_of(const sql::Rows& dropped) {
  Changes out;
  for (std::size_t i = 0; i < dropped.size(); ++i) {
    const EdgeKey edge{.kind = static_cast<Edge>(dropped.i64(i, 1)),
                       .user = UserId(dropped.i64(i, 2)),
                       .object = dropped.i64(i, 0)};
    out.edges.emplace_back(edge, false);
    if (edge.kind == Edge::comment_like) --out.comments[CommentId(edge.object)].likes;
    else
      --(edge.kind == Edge::like ? out.videos[VideoId(edge.object)].likes
                                 : out.videos[VideoId(edge.object)].stars);
  }
  return out;
}

}  // namespace

Task<Result<Effect>> LocalService::purge(std::vector<Event> events) {
  for (const Event& event : events) {
    if (is<events::UserDeleted>(event)) {
      SV_CO_TRY(const auto user, read_event<events::UserDeleted>(event));
      SV_CO_CHECK(co_await purge_user(user.id));
      continue;
    }
    SV_CO_TRY(const auto video, read_event<events::VideoChanged>(event));
    if (video.status == "deleted") SV_CO_CHECK(co_await purge_video(video.id, video.author_id));
  }
  co_return Effect{};
}

// From the first step on nothing counts for the author, and nothing new comes in; the rest removes
// rows.
Task<Result<>> LocalService::purge_video(VideoId video, UserId author) {
  sql::Database& db = state_.deps.db;
  SV_CO_CHECK(co_await db.write(
      Ctx{}, [this, video, author](sql::Tx& tx) { return state_.end_video(tx, video, author); },
      kAdding));
  SV_CO_CHECK(co_await in_steps(db, [this, video](sql::Tx& tx) -> Result<bool> {
    const std::vector<std::int64_t> kinds{num(Edge::like), num(Edge::star)};
    SV_TRY(const sql::Rows dropped,
           tx.query(store::kDropEdgesOfObjects, {std::vector{video.value}, kinds, kEdges}));
    SV_CHECK(state_.apply(tx, changes_of(dropped)));
    return !dropped.empty();
  }));
  SV_CO_CHECK(co_await in_steps(db, [this, video](sql::Tx& tx) -> Result<bool> {
    SV_TRY(const sql::Rows some, tx.query(store::kCommentsOfVideo, {video, kComments}));
    if (some.empty()) return false;
    const std::vector<std::int64_t> ids = first_column(some), kinds{num(Edge::comment_like)};
    Locks locks;
    for (std::int64_t id : ids) locks.exclude("comment", id);
    SV_CHECK(locks.take(tx));
    SV_TRY(const sql::Rows dropped, tx.query(store::kDropEdgesOfObjects, {ids, kinds, kEdges}));
    Changes changes = changes_of(dropped);
    if (static_cast<std::int64_t>(dropped.size()) < kEdges) {  // none is left
      SV_CHECK(tx.execute(store::kDropComments, {ids}));
      for (std::int64_t id : ids) {
        changes.comments[CommentId(id)] = {};
        changes.threads.insert({.video = video, .root = CommentId(id)});
      }
    }
    changes.threads.insert({.video = video});
    changes.rankings.insert(video);
    SV_CHECK(state_.apply(tx, std::move(changes)));
    return true;
  }));
  SV_CO_CHECK(co_await in_steps(db, [video](sql::Tx& tx) -> Result<bool> {
    SV_TRY(const std::int64_t dropped, tx.execute(store::kDropSharesOfVideo, {video, kEdges}));
    return dropped > 0;
  }));
  co_return Result<>{};
}

// Likes and stars are taken back, comments become tombstones; what was shared stays counted and
// what was reported stays reported, by nobody.
Task<Result<>> LocalService::purge_user(UserId user) {
  sql::Database& db = state_.deps.db;
  SV_CO_CHECK(co_await db.write(
      Ctx{},
      [user](sql::Tx& tx) -> Result<> {
        Locks locks;
        locks.exclude("person", user.value);  // who writes for them checks that they are not gone
        SV_CHECK(locks.take(tx));
        SV_CHECK(tx.execute(store::kEndPerson, {user}));
        SV_CHECK(tx.execute(store::kForgetReporter, {user}));
        SV_CHECK(tx.execute(store::kDropRequestsOfUser, {user}));
        return {};
      },
      kAdding));
  SV_CO_CHECK(co_await in_steps(db, [this, user](sql::Tx& tx) -> Result<bool> {
    SV_TRY(const sql::Rows dropped, tx.query(store::kDropEdgesOfUser, {user, kEdges}));
    SV_CHECK(state_.apply(tx, changes_of(dropped)));
    return !dropped.empty();
  }));
  SV_CO_CHECK(co_await in_steps(db, [this, user](sql::Tx& tx) -> Result<bool> {
    SV_TRY(const sql::Rows some, tx.query(store::kCommentsOfUser, {user, kComments}));
    SV_TRY(const auto rows, state_.comments_now(tx, first_column(some)));
    std::vector<CommentPtr> all;
    for (const auto& [id, row] : rows) all.push_back(row);
    SV_CHECK(delete_comments_tx(tx, all));
    return !some.empty();
  }));
  SV_CO_CHECK(co_await in_steps(db, [user](sql::Tx& tx) -> Result<bool> {
    SV_TRY(const std::int64_t dropped, tx.execute(store::kDropSharesOfUser, {user, kEdges}));
    return dropped > 0;
  }));
  co_return Result<>{};
}

}  // namespace sv::interaction
