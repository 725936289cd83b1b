#include "services/video/state.h"

#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "platform/text/text.h"
#include "services/parts/events.h"
#include "services/video/media_access.h"
#include "services/video/views.h"

namespace sv::video {
namespace {

constexpr std::string_view kVideosByIds =
    SV_VIDEO_SELECT "WHERE v.id = any($1) AND v.status <> $2";  // primary keys
constexpr std::string_view kInsert = R"(
    INSERT INTO video_videos (id, author_id, title, description, tags, visibility, status,
        listed, publish_time, create_time, revision, media_rev, asset_id, cover_file)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14))";
constexpr std::string_view kUpdate = R"(
    UPDATE video_videos
    SET title = $2, description = $3, tags = $4, visibility = $5, status = $6, listed = $7,
        publish_time = $8, revision = $9, media_rev = $10, asset_id = $11, cover_file = $12
    WHERE id = $1 AND revision = $9 - 1)";

constexpr std::string_view kCounts =
    "SELECT author_id, owned, listed FROM video_authors WHERE author_id = any($1)";  // primary key

Task<Result<std::vector<Entry>>> read_list(const Ctx& ctx, sql::Database& db,
                                           const State::List& list, Entry after,
                                           std::size_t limit) {
  sql::Params params = list.key ? sql::Params{after.key, after.id, limit, *list.key}
                                : sql::Params{after.key, after.id, limit};
  SV_CO_TRY(const auto rows, co_await db.query(ctx, list.sql, std::move(params)));
  co_return read_entries(rows);
}

void derive(VideoRow& row, std::int64_t now) {
  bool visible = row.status == Status::ready && row.visibility != Visibility::owner;
  if (visible && row.publish_time == 0) row.publish_time = now;
  row.listed = row.status == Status::ready && row.visibility == Visibility::everyone;
}

}  // namespace

Result<> State::create(sql::Tx& tx, VideoRow row) {
  derive(row, now());
  row.revision = 1;
  SV_CHECK(
      tx.execute(kInsert, {row.id, row.author, row.title, row.description, join_tags(row.tags),
                           num(row.visibility), num(row.status), row.listed, row.publish_time,
                           row.create_time, row.revision, row.media_rev, row.asset, row.cover}));
  SV_CHECK(count_videos(tx, row.author, 1, row.listed ? 1 : 0));
  SV_CHECK(retag(tx, nullptr, row.listed ? &row : nullptr));
  return announce(tx, row, {}, row.listed);
}

Result<> State::save(sql::Tx& tx, const VideoRow& before, VideoRow after) {
  derive(after, now());
  after.revision = before.revision + 1;
  SV_TRY(auto changed,
         tx.execute(kUpdate,
                    {after.id, after.title, after.description, join_tags(after.tags),
                     num(after.visibility), num(after.status), after.listed, after.publish_time,
                     after.revision, after.media_rev, after.asset, after.cover}));
  if (changed != 1)
    return fail(Errc::conflict, "conflict", fmt::format("video {} changed meanwhile", after.id));
  int owned = after.status == Status::deleted ? -1 : 0;
  int listed = (after.listed ? 1 : 0) - (before.listed ? 1 : 0);
  SV_CHECK(count_videos(tx, after.author, owned, listed));
  SV_CHECK(retag(tx, before.listed ? &before : nullptr, after.listed ? &after : nullptr));
  return announce(tx, after, status_name(before.status), before.listed || after.listed);
}

Result<> State::retag(sql::Tx& tx, const VideoRow* before, const VideoRow* after) {
  std::map<std::string, std::string> old_tags, new_tags;  // key → as written
  if (before)
    for (const auto& tag : before->tags) old_tags.emplace(fold_text(tag), tag);
  if (after)
    for (const auto& tag : after->tags) new_tags.emplace(fold_text(tag), tag);
  if (old_tags == new_tags) return {};
  for (const auto& [key, label] : old_tags) {
    if (new_tags.contains(key)) continue;
    SV_CHECK(
        tx.execute("DELETE FROM video_tags WHERE video_id = $1 AND tag = $2", {before->id, key}));
    SV_CHECK(tx.execute("UPDATE video_tag_counts SET videos = videos - 1 WHERE tag = $1", {key}));
  }
  for (const auto& [key, label] : new_tags) {
    if (old_tags.contains(key)) continue;
    SV_CHECK(tx.execute(R"(
        INSERT INTO video_tags (tag, video_id, publish_time)
        VALUES ($1, $2, $3))",
                        {key, after->id, after->publish_time}));
    SV_CHECK(tx.execute(R"(
            INSERT INTO video_tag_counts (tag, label, videos)
            VALUES ($1, $2, 1)
            ON CONFLICT (tag) DO UPDATE SET label = excluded.label,
                videos = video_tag_counts.videos + 1)",
                        {key, label}));
  }
  return {};
}

Result<> State::announce(sql::Tx& tx, const VideoRow& row, std::string_view was, bool listing) {
  if (row.listed)  // a new video starts in the hot list as if it had just been seen once
    SV_CHECK(tx.execute(R"(
        INSERT INTO video_stats (video_id, raw, counted, hot)
        VALUES ($1, 0, 0, $2)
        ON CONFLICT (video_id) DO NOTHING)",
                        {row.id, heat(row.publish_time, 1)}));
  SV_CHECK(publish_event(deps.events, tx, row.id, row.revision,
                         events::VideoChanged{.id = row.id,
                                              .author_id = row.author,
                                              .status = std::string(status_name(row.status)),
                                              .was = std::string(was)}));
  tx.on_commit([this, id = row.id, author = row.author, listing] {
    rows.erase(id);
    authors.erase(author);
    authors.erase(UserId{});
    if (!listing) return;
    ++listings;
    ++ranked;
    deps.revision.bump();
  });
  return {};
}

Result<> State::queue(sql::Tx& tx, std::int64_t subject, JobKind kind, Lane lane) {
  SV_CHECK(queue_job(tx, deps.ids.next(), subject, kind, lane, now()));
  tx.on_commit([this] { wake(); });
  return {};
}

VideoPtr State::loaded(const sql::Rows& found, std::size_t r) const {
  auto row = read_video(found, r);
  if (row->listed)
    row->open_urls =
        urls_of(*row, {.prefix = options.public_url + media_prefix(*row), .query = {}});
  return row;
}

Task<Result<std::vector<VideoPtr>>> State::load(const Ctx& ctx, std::vector<VideoId> ids) {
  std::vector<VideoPtr> out(ids.size());
  std::vector<std::int64_t> missing;
  auto stamp = rows.stamp();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    out[i] = rows.find(ctx, ids[i]).value_or(nullptr);
    if (!out[i]) missing.push_back(ids[i].value);
  }
  if (missing.empty()) co_return out;
  SV_CO_TRY(auto found,
            co_await deps.db.query(ctx, kVideosByIds, {std::move(missing), Status::deleted}));
  for (std::size_t r = 0; r < found.size(); ++r) {
    auto row = loaded(found, r);
    rows.put(stamp, row->id, row);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (!out[i] && ids[i] == row->id) out[i] = row;
  }
  co_return out;
}

Task<Result<std::vector<VideoPtr>>> State::load_committed(const Ctx& ctx,
                                                          std::vector<VideoId> ids) {
  std::vector<std::int64_t> wanted;
  for (VideoId id : ids) wanted.push_back(id.value);
  std::vector<VideoPtr> out(ids.size());
  SV_CO_TRY(auto found,
            co_await deps.db.query(ctx, kVideosByIds, {std::move(wanted), Status::deleted}));
  for (std::size_t r = 0; r < found.size(); ++r) {
    auto row = loaded(found, r);
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] == row->id) out[i] = row;
  }
  co_return out;
}

Task<Result<std::map<UserId, State::AuthorCounts>>> State::counts_of(
    const Ctx& ctx, const std::vector<UserId>& ids) {
  std::map<UserId, AuthorCounts> out;
  std::vector<std::int64_t> missing;
  for (UserId id : ids) {
    const auto known = authors.find(ctx, id);
    out[id] = known.value_or(AuthorCounts{});
    if (!known) missing.push_back(id.value);
  }
  if (missing.empty()) co_return out;
  const auto stamp = authors.stamp();
  SV_CO_TRY(const auto found, co_await deps.db.query(ctx, kCounts, {missing}));
  for (std::size_t i = 0; i < found.size(); ++i)
    out[UserId(found.i64(i, 0))] = {.owned = found.i64(i, 1), .listed = found.i64(i, 2)};
  for (std::int64_t id : missing) authors.put(stamp, UserId(id), out[UserId(id)]);
  co_return out;
}

Task<Result<std::vector<Entry>>> State::entries_in(const Ctx& ctx, List list, Entry after,
                                                   std::size_t count) {
  auto known = lists.find(ctx, list.name);
  if (!known || known->listings != listings) {
    const auto stamp = lists.stamp();
    known = KnownList{.listings = listings, .head = nullptr};
    SV_CO_TRY(auto newest, co_await read_list(ctx, deps.db, list, kNewestFirst, list.kept));
    known->head = ListHead::of(std::move(newest), list.kept);
    lists.put(stamp, list.name, *known);
  }
  if (auto found = known->head->behind(after, count)) co_return std::move(*found);
  co_return co_await read_list(ctx, deps.db, list, after, count);
}

Task<Result<VideoPtr>> State::load_one(const Ctx& ctx, VideoId id) {
  SV_CO_TRY(auto found, co_await load(ctx, std::vector{id}));
  co_return std::move(found[0]);
}

}  // namespace sv::video
