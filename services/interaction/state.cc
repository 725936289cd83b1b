#include "services/interaction/state.h"

#include <algorithm>

#include <fmt/format.h>

#include "services/parts/events.h"
#include "services/parts/locks.h"

namespace sv::interaction {
namespace {

constexpr std::size_t kHead =
    200;  // entries of a list that are kept: no page asks for more at once
constexpr std::int64_t kRanked = 1000;
constexpr std::int64_t kRankingMs = 60'000;

template <class Id>
std::vector<std::int64_t> numbers(const std::vector<Id>& ids) {
  std::vector<std::int64_t> out;
  for (Id id : ids) out.push_back(id.value);
  return out;
}

}  // namespace

Task<Result<FlatMap<VideoId, VideoCounts>>> State::counts(const Ctx& ctx,
                                                          std::vector<VideoId> ids) {
  FlatMap<VideoId, VideoCounts> out;
  std::vector<std::int64_t> missing;
  const auto stamp = videos_.stamp();
  for (VideoId id : ids) {
    auto [at, fresh] = out.try_emplace(id);
    if (!fresh) continue;
    at->second.id = id;
    if (auto known = videos_.find(ctx, id)) at->second = *known;
    else missing.push_back(id.value);
  }
  if (missing.empty()) co_return out;
  SV_CO_TRY(const sql::Rows rows, co_await deps.db.query(ctx, store::kVideos, {missing}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const VideoCounts found = read_video(rows, i);
    out[found.id] = found;
  }
  for (std::int64_t id : missing) videos_.put(stamp, VideoId(id), out[VideoId(id)]);
  co_return out;
}

Task<Result<FlatMap<UserId, PersonCounts>>> State::received(const Ctx& ctx,
                                                            std::vector<UserId> ids) {
  FlatMap<UserId, PersonCounts> out;
  std::vector<std::int64_t> missing;
  const auto stamp = people_.stamp();
  for (UserId id : ids) {
    auto [at, fresh] = out.try_emplace(id);
    if (!fresh) continue;
    at->second.id = id;
    if (auto known = people_.find(ctx, id)) at->second = *known;
    else missing.push_back(id.value);
  }
  if (missing.empty()) co_return out;
  SV_CO_TRY(const sql::Rows rows, co_await deps.db.query(ctx, store::kPeople, {missing}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const PersonCounts found = read_person(rows, i);
    out[found.id] = found;
  }
  for (std::int64_t id : missing) people_.put(stamp, UserId(id), out[UserId(id)]);
  co_return out;
}

Task<Result<State::EdgesOf>> State::edges_of(const Ctx& ctx, UserId user, std::vector<Edge> kinds,
                                             std::vector<std::int64_t> objects) {
  EdgesOf out;
  if (!user) co_return out;
  std::vector<EdgeKey> missing;
  std::vector<std::int64_t> asked;
  const auto stamp = edges_.stamp();
  for (std::int64_t object : objects) {
    const std::size_t before = missing.size();
    for (Edge kind : kinds) {
      const EdgeKey key{.kind = kind, .user = user, .object = object};
      const auto known = edges_.find(ctx, key);
      if (!known) missing.push_back(key);
      else if (*known) out.emplace(kind, object);
    }
    if (missing.size() > before) asked.push_back(object);
  }
  if (asked.empty()) co_return out;
  std::vector<std::int64_t> wanted;
  for (Edge kind : kinds) wanted.push_back(num(kind));
  SV_CO_TRY(
      const sql::Rows rows,
      co_await deps.db.query(ctx, store::kEdgesOf, {std::move(asked), std::move(wanted), user}));
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.emplace(static_cast<Edge>(rows.i64(i, 1)), rows.i64(i, 0));
  for (const EdgeKey& key : missing) edges_.put(stamp, key, out.contains({key.kind, key.object}));
  co_return out;
}

Task<Result<std::vector<CommentPtr>>> State::comments(const Ctx& ctx,
                                                      const std::vector<CommentId>& ids) {
  std::vector<CommentPtr> out(ids.size());
  std::vector<std::int64_t> missing;
  const auto stamp = comments_.stamp();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    out[i] = comments_.find(ctx, ids[i]).value_or(nullptr);
    if (!out[i]) missing.push_back(ids[i].value);
  }
  if (missing.empty()) co_return out;
  SV_CO_TRY(const sql::Rows rows,
            co_await deps.db.query(ctx, store::kComments, {std::move(missing)}));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    CommentPtr row = read_comment(rows, r);
    comments_.put(stamp, row->id, row);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (!out[i] && ids[i] == row->id) out[i] = row;
  }
  co_return out;
}

Task<Result<CommentPtr>> State::living_comment(const Ctx& ctx, CommentId id) {
  SV_CO_TRY(std::vector<CommentPtr> found, co_await comments(ctx, {id}));
  CommentPtr row = std::move(found.front());
  if (!row || row->deleted || !row->root) co_return row && !row->deleted ? row : nullptr;
  SV_CO_TRY(const std::vector<CommentPtr> above, co_await comments(ctx, {row->root}));
  co_return above.front() && !above.front()->deleted ? row : nullptr;
}

Task<Result<std::vector<Entry>>> State::read_thread(const Ctx& ctx, ThreadKey key, Entry after,
                                                    std::size_t limit) {
  const auto stamp = comments_.stamp();
  const std::string_view statement = key.root ? store::kReplies : store::kNewest;
  SV_CO_TRY(const sql::Rows rows,
            co_await deps.db.query(
                ctx, statement,
                {key.root ? key.root.value : key.video.value, after.key, after.id, limit}));
  std::vector<Entry> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CommentPtr row = read_comment(rows, i);
    out.push_back({.key = row->created_ms, .id = row->id.value});
    const CommentId id = row->id;
    comments_.put(stamp, id, std::move(row));
  }
  co_return out;
}

Task<Result<std::vector<Entry>>> State::thread(const Ctx& ctx, ThreadKey key, Entry after,
                                               std::size_t count) {
  using enum ListHead::Order;
  ListHeadPtr head = threads_.find(ctx, key).value_or(nullptr);
  if (!head) {
    const auto stamp = threads_.stamp();
    SV_CO_TRY(std::vector<Entry> first,
              co_await read_thread(ctx, key, key.root ? Entry{} : kNewestFirst, kHead));
    head = ListHead::of(std::move(first), kHead);
    threads_.put(stamp, key, head);
  }
  if (auto found = head->behind(after, count, 0, key.root ? oldest_first : newest_first))
    co_return std::move(*found);
  co_return co_await read_thread(ctx, key, after, count);
}

Task<Result<Recent>> State::recent_head(const Ctx& ctx, UserId user, Edge kind) {
  const auto key = std::pair(user, kind);
  if (auto known = recent_.find(ctx, key)) co_return std::move(*known);
  const auto stamp = recent_.stamp();
  SV_CO_TRY(const sql::Rows rows,
            co_await deps.db.query(ctx, store::kRecent,
                                   {user, kind, kNewestFirst.key, kNewestFirst.id, kHead}));
  Recent out{.head = ListHead::of(read_entries(rows), kHead),
             .total = static_cast<std::int64_t>(rows.size())};
  if (!out.head->complete) {
    SV_CO_TRY(const sql::Rows total,
              co_await deps.db.query(ctx, store::kRecentCount, {user, kind}));
    out.total = total.i64(0, 0);
  }
  recent_.put(stamp, key, out);
  co_return out;
}

Task<Result<std::vector<Entry>>> State::recent(const Ctx& ctx, UserId user, Edge kind, Entry after,
                                               std::size_t count) {
  SV_CO_TRY(const Recent known, co_await recent_head(ctx, user, kind));
  if (auto found = known.head->behind(after, count)) co_return std::move(*found);
  SV_CO_TRY(const sql::Rows rows,
            co_await deps.db.query(ctx, store::kRecent, {user, kind, after.key, after.id, count}));
  co_return read_entries(rows);
}

Task<Result<std::int64_t>> State::recent_total(const Ctx& ctx, UserId user, Edge kind) {
  SV_CO_TRY(const Recent known, co_await recent_head(ctx, user, kind));
  co_return known.total;
}

Task<Result<RankingPtr>> State::current_ranking(const Ctx& ctx, VideoId video) {
  if (auto known = rankings_.find(ctx, video); known && now() - (*known)->made_ms < kRankingMs)
    co_return std::move(*known);
  const auto stamp = rankings_.stamp();
  SV_CO_TRY(const sql::Rows rows, co_await deps.db.query(ctx, store::kHottest, {video, kRanked}));
  auto ranking = std::make_shared<Ranking>();
  ranking->id = deps.ids.next();
  ranking->subject = video.value;
  ranking->made_ms = now();
  for (std::size_t i = 0; i < rows.size(); ++i) ranking->ids.push_back(rows.i64(i, 0));
  rankings_.put(stamp, video, ranking);
  co_return ranking;
}

Result<std::unordered_set<UserId>> State::gone_people(sql::Tx& tx,
                                                      std::vector<std::int64_t> users) {
  std::unordered_set<UserId> out;
  SV_TRY(const sql::Rows rows, tx.query(store::kGonePeople, {std::move(users)}));
  for (std::size_t i = 0; i < rows.size(); ++i) out.insert(UserId(rows.i64(i, 0)));
  return out;
}

Result<std::map<VideoId, VideoCounts>> State::videos_now(sql::Tx& tx,
                                                         std::vector<std::int64_t> videos) {
  std::map<VideoId, VideoCounts> out;
  SV_TRY(const sql::Rows rows, tx.query(store::kVideos, {std::move(videos)}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const VideoCounts found = read_video(rows, i);
    out.emplace(found.id, found);
  }
  return out;
}

Result<std::map<CommentId, CommentPtr>> State::comments_now(sql::Tx& tx,
                                                            std::vector<std::int64_t> comments) {
  std::map<CommentId, CommentPtr> out;
  SV_TRY(const sql::Rows rows, tx.query(store::kComments, {std::move(comments)}));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CommentPtr row = read_comment(rows, i);
    out.emplace(row->id, std::move(row));
  }
  return out;
}

// Sums are added by the statement, so that nothing another instance did is lost; what came out is
// read after it, when nobody else can change the rows before the COMMIT. RETURNING would tell it
// too, but makes SQLite keep a journal for each statement, which costs a fifth of a write.
Result<std::vector<PersonCounts>> State::add_to_people(sql::Tx& tx,
                                                       const std::map<UserId, Received>& sums) {
  std::vector<std::int64_t> ids;
  std::vector<sql::Params> updates;
  for (const auto& [id, sum] : sums) {
    if (sum == Received{}) continue;
    ids.push_back(id.value);
    updates.push_back({id, sum.likes, sum.comments});
  }
  std::vector<PersonCounts> out;
  if (ids.empty()) return out;
  SV_CHECK(tx.execute_many(store::kAddToPerson, updates));
  SV_TRY(const sql::Rows rows, tx.query(store::kPeople, {std::move(ids)}));
  for (std::size_t i = 0; i < rows.size(); ++i) out.push_back(read_person(rows, i));
  return out;
}

Result<std::vector<VideoCounts>> State::add_to_videos(
    sql::Tx& tx, const std::map<VideoId, Changes::OfVideo>& sums) {
  std::vector<std::int64_t> ids;
  std::vector<sql::Params> updates;
  for (const auto& [id, sum] : sums) {
    if (sum.likes == 0 && sum.comments == 0 && sum.stars == 0 && sum.shares == 0) continue;
    ids.push_back(id.value);
    updates.push_back({id, sum.author, sum.likes, sum.comments, sum.stars, sum.shares});
  }
  std::vector<VideoCounts> out;
  if (ids.empty()) return out;
  SV_CHECK(tx.execute_many(store::kAddToVideo, updates));
  SV_TRY(const auto now, videos_now(tx, std::move(ids)));
  for (const auto& [id, counts] : now)
    if (!counts.gone) out.push_back(counts);
  return out;
}

Result<> State::add_to_comments(sql::Tx& tx, const std::map<CommentId, Changes::OfComment>& sums) {
  std::vector<std::int64_t> ids;
  std::vector<sql::Params> updates;
  for (const auto& [id, sum] : sums) {
    if (sum == Changes::OfComment{}) continue;
    ids.push_back(id.value);
    updates.push_back({id, sum.likes, sum.replies});
  }
  if (ids.empty()) return {};
  SV_CHECK(tx.execute_many(store::kAddToComment, updates));
  SV_TRY(const auto now, comments_now(tx, std::move(ids)));
  std::vector<sql::Params> ranks;
  for (const auto& [id, row] : now)
    if (!row->root) ranks.push_back({id, heat(row->created_ms, row->likes, row->replies)});
  SV_CHECK(tx.execute_many(store::kSetHeat, ranks));
  return {};
}

Result<> State::tell(sql::Tx& tx, const std::vector<VideoCounts>& videos) {
  std::vector<Event> all;
  for (const VideoCounts& counts : videos)
    all.push_back(event_of(counts.id, counts.revision,
                           events::InteractionCounted{.video = counts.id,
                                                      .likes = counts.likes,
                                                      .comments = counts.comments,
                                                      .stars = counts.stars,
                                                      .shares = counts.shares}));
  return deps.events.publish(tx, std::move(all));
}

Result<> State::apply(sql::Tx& tx, Changes changes) {
  if (changes == Changes{}) return {};
  SV_TRY(auto videos, add_to_videos(tx, changes.videos));
  SV_CHECK(tell(tx, videos));
  std::map<UserId, Received> sums;
  for (const VideoCounts& video : videos) {
    const Changes::OfVideo& sum = changes.videos.at(video.id);
    sums[video.author].likes += sum.likes;
    sums[video.author].comments += sum.comments;
  }
  SV_TRY(auto people, add_to_people(tx, sums));
  SV_CHECK(add_to_comments(tx, changes.comments));
  tx.on_commit(
      [this, changes = std::move(changes), videos = std::move(videos), people = std::move(people)] {
        for (const VideoCounts& counts : videos) remember(counts);
        for (const PersonCounts& counts : people) remember(counts);
        for (const auto& [edge, on] : changes.edges) {
          edges_.update(edge, [now = on](bool& known) { known = now; });
          recent_.erase({edge.user, edge.kind});
        }
        for (const auto& [id, sum] : changes.comments) comments_.erase(id);
        for (const ThreadKey& thread : changes.threads) threads_.erase(thread);
        for (VideoId video : changes.rankings) rankings_.erase(video);
        if (!changes.threads.empty()) deps.revision.bump();
      });
  return {};
}

Result<> State::end_video(sql::Tx& tx, VideoId video, UserId author) {
  Locks locks;
  locks.exclude("video", video.value);  // who adds to it checks that it is not gone
  SV_CHECK(locks.take(tx));
  // Makes the row its own, so that what is taken from its author is what the row says.
  SV_CHECK(tx.execute(store::kAddToVideo, {video, author, 0, 0, 0, 0}));
  SV_TRY(const auto rows, videos_now(tx, {video.value}));
  const VideoCounts& before = rows.at(video);
  const VideoCounts ended{
      .id = video, .author = before.author, .gone = true, .revision = before.revision + 1};
  SV_CHECK(tx.execute(store::kEndVideo, {video, author}));
  const std::map<UserId, Received> sums{
      {before.author, {.likes = -before.likes, .comments = -before.comments}}};
  SV_TRY(auto people, add_to_people(tx, sums));
  tx.on_commit([this, ended, people = std::move(people)] {
    remember(ended);
    for (const PersonCounts& counts : people) remember(counts);
    deps.revision.bump();
  });
  return {};
}

// Two commits may be told of in the other order: the newer one stays.
void State::remember(const VideoCounts& counts) {
  videos_.update(counts.id, [&](VideoCounts& known) {
    if (known.revision < counts.revision) known = counts;
  });
}

void State::remember(const PersonCounts& counts) {
  people_.update(counts.id, [&](PersonCounts& known) {
    if (known.revision < counts.revision) known = counts;
  });
}

}  // namespace sv::interaction
