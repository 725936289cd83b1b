#include "services/video/inboxes.h"

#include <algorithm>

#include "services/parts/events.h"

namespace sv::video {
namespace {

constexpr std::int64_t kBackfill = 100;  // newest videos of an author that a new follower finds
constexpr std::int64_t kBatch = 1000;
constexpr std::int64_t kSeenMs = 3600'000;  // how exactly the last read is kept

constexpr std::string_view kReader =
    "SELECT seen, followed FROM video_readers WHERE user_id = $1";  // primary key
constexpr std::string_view kSetReader = R"(
    INSERT INTO video_readers (user_id, seen, followed)
    VALUES ($1, $2, $3)
    ON CONFLICT (user_id) DO UPDATE SET seen = excluded.seen, followed = excluded.followed)";
constexpr std::string_view kRecentReaders =
    "SELECT user_id FROM video_readers WHERE user_id = any($1) AND seen > $2";
constexpr std::string_view kInboxAuthors =
    "SELECT DISTINCT author_id FROM video_inbox WHERE user_id = $1";  // video_inbox_author
constexpr std::string_view kDropAuthor =
    "DELETE FROM video_inbox WHERE user_id = $1 AND author_id = $2";  // video_inbox_author
// video_videos_author_feed
constexpr std::string_view kNewest = R"(
    SELECT id, publish_time
    FROM video_videos
    WHERE author_id = $1 AND listed = 1
    ORDER BY publish_time DESC, id DESC
    LIMIT $2)";
constexpr std::string_view kPut = R"(
    INSERT INTO video_inbox (user_id, video_id, author_id, publish_time)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (user_id, video_id) DO NOTHING)";
constexpr std::string_view kLargeAuthors = "SELECT author_id FROM video_large_authors";
constexpr std::string_view kAddLarge =
    "INSERT INTO video_large_authors (author_id) VALUES ($1) ON CONFLICT (author_id) DO NOTHING";

// FNV-1a of the sorted ids: tells that the set has changed.
std::int64_t hash_of(const std::vector<std::int64_t>& ids) {
  std::uint64_t h = 14695981039346656037ULL;
  for (std::int64_t id : ids) h = (h ^ static_cast<std::uint64_t>(id)) * 1099511628211ULL;
  return static_cast<std::int64_t>(h);
}

}  // namespace

Task<Result<std::vector<std::int64_t>>> Inboxes::followed(const Ctx& ctx, UserId user) {
  std::vector<std::int64_t> out;
  social::FollowIdsReq req{.user_id = user, .after = {}, .limit = 10'000};
  for (;;) {
    const auto reply = co_await state_.deps.services.social->get_following_ids(ctx, req);
    if (!reply) co_return social_.unavailable(reply.error().detail);
    for (UserId id : reply->user_ids) out.push_back(id.value);
    if (reply->user_ids.size() < static_cast<std::size_t>(req.limit)) co_return out;
    req.after = reply->user_ids.back();
  }
}

Task<Result<>> Inboxes::open(const Ctx& ctx, UserId user) {
  SV_CO_TRY(const auto authors, co_await followed(ctx, user));
  const auto hash = hash_of(authors);
  const auto now = state_.now();
  auto reader = readers_.find(ctx, user);
  if (!reader) {
    const auto stamp = readers_.stamp();
    SV_CO_TRY(const auto rows, co_await state_.deps.db.query(ctx, kReader, {user}));
    reader = rows.empty() ? Reader{} : Reader{.seen = rows.i64(0, 0), .followed = rows.i64(0, 1)};
    readers_.put(stamp, user, *reader);
  }
  const bool recent = now - reader->seen < kReaderMs;
  if (recent && reader->followed == hash && now - reader->seen < kSeenMs) co_return Result<>{};
  co_return co_await state_.deps.db.write(
      ctx, [this, user, authors, hash, now, recent](sql::Tx& tx) -> Result<> {
        SV_CHECK(state_.gone.check(tx, user));
        // A reader who was away missed pushes of every author: all are read again (rows that are
        // there stay).
        std::vector<std::int64_t> present;
        SV_TRY(const auto rows, tx.query(kInboxAuthors, {user}));
        for (std::size_t i = 0; i < rows.size(); ++i) present.push_back(rows.i64(i, 0));
        std::ranges::sort(present);
        for (std::int64_t author : present)
          if (!std::ranges::binary_search(authors, author))
            SV_CHECK(tx.execute(kDropAuthor, {user, author}));
        for (std::int64_t author : authors) {
          if (recent && std::ranges::binary_search(present, author)) continue;
          SV_TRY(const auto newest, tx.query(kNewest, {author, kBackfill}));
          std::vector<sql::Params> put;
          for (std::size_t i = 0; i < newest.size(); ++i)
            put.push_back({user, newest.i64(i, 0), author, newest.i64(i, 1)});
          SV_CHECK(tx.execute_many(kPut, put));
        }
        SV_CHECK(tx.execute(kSetReader, {user, now, hash}));
        tx.on_commit([this, user] {
          readers_.erase(user);
          state_.lists.erase(list_name(user));
        });
        return {};
      });
}

Task<Result<std::vector<std::int64_t>>> Inboxes::large_authors(const Ctx& ctx, UserId user) {
  auto all = large_.find(ctx, 0).value_or(nullptr);
  if (!all) {
    const auto stamp = large_.stamp();
    SV_CO_TRY(const auto rows, co_await state_.deps.db.query(ctx, kLargeAuthors));
    auto ids = std::make_shared<std::vector<UserId>>();
    for (std::size_t i = 0; i < rows.size(); ++i) ids->emplace_back(rows.i64(i, 0));
    large_.put(stamp, 0, ids);
    all = std::move(ids);
  }
  std::vector<std::int64_t> out;
  for (std::size_t at = 0; at < all->size(); at += 200) {
    const auto end = std::min(all->size(), at + 200);
    const social::SocialPartsReq ask{
        .user_id = user,
        .user_ids = std::vector(all->begin() + static_cast<std::ptrdiff_t>(at),
                                all->begin() + static_cast<std::ptrdiff_t>(end)),
        .with_counts = false};
    const auto reply = co_await state_.deps.services.social->get_social_parts(ctx, ask);
    if (!reply) co_return social_.unavailable(reply.error().detail);
    for (const auto& [id, parts] : reply->parts)
      if (parts.is_follow) out.push_back(id.value);
  }
  co_return out;
}

// In steps, a page of followers each.
Task<Result<Effect>> Inboxes::push(const std::vector<Event>& events) {
  std::vector<VideoId> ids;
  for (const auto& event : events) {
    SV_CO_TRY(const auto changed, read_event<events::VideoChanged>(event));
    if (std::ranges::find(ids, changed.id) == ids.end()) ids.push_back(changed.id);
  }
  const Ctx ctx;
  SV_CO_TRY(auto rows, co_await state_.load_committed(ctx, std::move(ids)));
  for (auto& row : rows)
    if (row && row->listed) SV_CO_CHECK(co_await push_one(ctx, std::move(row)));
  co_return Effect{};
}

Task<Result<>> Inboxes::push_one(const Ctx& ctx, VideoPtr row) {
  auto& social = *state_.deps.services.social;
  auto parts = co_await social.get_social_parts(
      ctx, {.user_id = {}, .user_ids = {row->author}, .with_counts = true});
  if (!parts && !social_.silent(ctx, parts.error())) co_return Result<>{};  // nobody follows here
  if (!parts) co_return std::unexpected(std::move(parts.error()));
  if (parts->parts[row->author].follower_count >= kLarge)
    co_return co_await state_.deps.db.write(ctx,
                                            [this, author = row->author](sql::Tx& tx) -> Result<> {
                                              SV_TRY(const bool gone, state_.gone.has(tx, author));
                                              if (gone) return {};
                                              SV_CHECK(tx.execute(kAddLarge, {author}));
                                              tx.on_commit([this] { large_.erase(0); });
                                              return {};
                                            });
  social::FollowIdsReq ask{.user_id = row->author, .after = {}, .limit = kBatch};
  for (;;) {
    SV_CO_TRY(auto followers, co_await social.get_follower_ids(ctx, ask));
    if (followers.user_ids.empty()) co_return Result<>{};
    std::vector<std::int64_t> ids;
    for (UserId id : followers.user_ids) ids.push_back(id.value);
    SV_CO_TRY(const auto readers,
              co_await state_.deps.db.query(ctx, kRecentReaders, {ids, state_.now() - kReaderMs}));
    if (!readers.empty())
      SV_CO_CHECK(co_await state_.deps.db.write(ctx, [this, row, ids](sql::Tx& tx) -> Result<> {
        // Read again in here: a purge takes the reader and the inbox in one transaction.
        SV_TRY(const auto present, tx.query(kRecentReaders, {ids, state_.now() - kReaderMs}));
        std::vector<sql::Params> put;
        for (std::size_t i = 0; i < present.size(); ++i)
          put.push_back({present.i64(i, 0), row->id, row->author, row->publish_time});
        SV_CHECK(tx.execute_many(kPut, put));
        tx.on_commit([this, ids] {
          for (std::int64_t id : ids) state_.lists.erase(list_name(UserId(id)));
        });
        return {};
      }));
    if (followers.user_ids.size() < static_cast<std::size_t>(ask.limit)) co_return Result<>{};
    ask.after = followers.user_ids.back();
  }
}

}  // namespace sv::video
