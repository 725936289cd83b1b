#include <algorithm>

#include "platform/core/cursor.h"
#include "platform/core/log.h"
#include "platform/text/text.h"
#include "services/video/local_service.h"

namespace sv::video {
namespace {

constexpr std::int64_t kUnwantedKept = 2000;  // the latest that count

// video_inbox_page
constexpr std::string_view kInbox = R"(
    SELECT video_id, publish_time
    FROM video_inbox
    WHERE user_id = $4 AND (publish_time, video_id) < ($1, $2)
    ORDER BY publish_time DESC, video_id DESC
    LIMIT $3)";
// video_videos_author_feed
constexpr std::string_view kOneAuthor = R"(
    SELECT id, publish_time
    FROM video_videos
    WHERE author_id = $4 AND listed = 1 AND (publish_time, id) < ($1, $2)
    ORDER BY publish_time DESC, id DESC
    LIMIT $3)";
// video_tags_videos
constexpr std::string_view kTagged = R"(
    SELECT video_id, publish_time
    FROM video_tags
    WHERE tag = $4 AND (publish_time, video_id) < ($1, $2)
    ORDER BY publish_time DESC, video_id DESC
    LIMIT $3)";
// video_tags_videos: how many of the tags each of their newest videos carries
constexpr std::string_view kSharing = R"(
    SELECT video_id, count(*)
    FROM video_tags
    WHERE tag = any($1) AND video_id <> $2
    GROUP BY video_id
    ORDER BY count(*) DESC, max(publish_time) DESC, video_id DESC
    LIMIT $3)";
// video_tag_counts_hot
constexpr std::string_view kHotTags = R"(
    SELECT label, videos
    FROM video_tag_counts
    WHERE videos > 0
    ORDER BY videos DESC, tag DESC
    LIMIT $1)";
// A scan of the tags in use: far fewer than videos.
constexpr std::string_view kFindTags = R"(
    SELECT label, videos
    FROM video_tag_counts
    WHERE videos > 0 AND tag LIKE $1 ESCAPE '\'
    ORDER BY videos DESC, tag DESC
    LIMIT $2 OFFSET $3)";
constexpr std::string_view kCountTags =
    "SELECT count(*) FROM video_tag_counts WHERE videos > 0 AND tag LIKE $1 ESCAPE '\\'";
// What a user does not want to see.
enum class Subject : std::int64_t { video = 1, author = 2 };
constexpr std::string_view kAddUnwanted = R"(
    INSERT INTO video_unwanted (user_id, kind, subject, reason, made)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (user_id, kind, subject)
        DO UPDATE SET made = excluded.made, reason = excluded.reason)";
constexpr std::string_view kUnwanted =  // video_unwanted_recent
    "SELECT kind, subject FROM video_unwanted WHERE user_id = $1 ORDER BY made DESC LIMIT $2";

std::vector<TagCount> read_tags(const sql::Rows& rows) {
  std::vector<TagCount> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({.tag = rows.text(i, 0), .video_count = rows.i64(i, 1)});
  return out;
}

}  // namespace

template <class Next>
Task<Result<std::string>> LocalService::fill(const Ctx& ctx, UserId viewer, std::string_view route,
                                             std::optional<Cursor> cursor, std::size_t size,
                                             std::vector<Video>& out, Next next) {
  Entry after = cursor.value_or(kNewestFirst);
  for (int round = 0; round < kRefills; ++round) {
    SV_CO_TRY(std::vector<Entry> entries, co_await next(after, size - out.size() + 1));
    const bool more = entries.size() > size - out.size();
    if (more) entries.pop_back();
    if (!entries.empty()) after = entries.back();
    SV_CO_TRY(auto rows, co_await listed(ctx, ids_of(entries)));
    std::ranges::move(co_await compose(ctx, viewer, std::move(rows), Kind::feed),
                      std::back_inserter(out));
    if (!more) co_return std::string();
    if (out.size() == size) break;
  }
  co_return encode_cursor(route, after);
}

Task<Result<std::vector<Entry>>> LocalService::followed_entries(const Ctx& ctx, UserId user,
                                                                std::vector<std::int64_t> large,
                                                                Entry after, std::size_t count) {
  SV_CO_TRY(
      std::vector<Entry> out,
      co_await state_.entries_in(
          ctx, {.name = Inboxes::list_name(user), .sql = kInbox, .key = user.value}, after, count));
  for (std::int64_t author : large) {
    SV_CO_TRY(const auto theirs, co_await author_entries(ctx, UserId(author), after, count));
    out.insert(out.end(), theirs.begin(), theirs.end());
  }
  std::ranges::sort(out, std::greater());
  const auto twice = std::ranges::unique(out, {}, &Entry::id);
  out.erase(twice.begin(), twice.end());
  if (out.size() > count) out.resize(count);
  co_return out;
}

Task<Result<std::vector<Entry>>> LocalService::author_entries(const Ctx& ctx, UserId author,
                                                              Entry after, std::size_t count) {
  co_return co_await state_.entries_in(
      ctx, {.name = fmt::format("author {}", author), .sql = kOneAuthor, .key = author.value},
      after, count);
}

Task<Result<VideoPageResp>> LocalService::get_following_feed(const Ctx& ctx,
                                                             const FollowingFeedReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(auto cursor, decode_cursor("followed", req.cursor));
  SV_CO_CHECK(co_await inboxes_.open(ctx, req.user_id));
  SV_CO_TRY(const auto large, co_await inboxes_.large_authors(ctx, req.user_id));
  VideoPageResp out;
  SV_CO_TRY(out.next_cursor,
            co_await fill(ctx, req.user_id, "followed", cursor, page_size(req.page_size),
                          out.videos, [&](Entry after, std::size_t count) {
                            return followed_entries(ctx, req.user_id, large, after, count);
                          }));
  co_return out;
}

Task<Result<VideoPageResp>> LocalService::get_tag_videos(const Ctx& ctx, const TagVideoReq& req) {
  SV_CO_CHECK(check_text("tag", req.tag, 50));
  const std::string tag = fold_text(req.tag.starts_with('#') ? std::string_view(req.tag).substr(1)
                                                             : std::string_view(req.tag));
  if (tag.empty()) co_return invalid("tag", "required");
  SV_CO_TRY(auto cursor, decode_cursor("tag", req.cursor));
  VideoPageResp out;
  SV_CO_TRY(out.next_cursor,
            co_await fill(ctx, req.current_user_id, "tag", cursor, page_size(req.page_size),
                          out.videos, [&](Entry after, std::size_t count) {
                            return state_.entries_in(
                                ctx, {.name = "tag " + tag, .sql = kTagged, .key = tag}, after,
                                count);
                          }));
  co_return out;
}

// Those that share the most tags, then the newest of the same author: a bounded list, so a cursor
// is a place in it.
Task<Result<std::vector<VideoId>>> LocalService::related_to(const Ctx& ctx, const VideoRow& row) {
  constexpr std::size_t kRelated = 100, kNoLimit = std::numeric_limits<std::size_t>::max();
  const std::string name = fmt::format("related {}", row.id);
  const auto stamp = state_.lists.stamp();
  const std::uint64_t listings = state_.listings;
  if (const auto known = state_.lists.find(ctx, name); known && known->listings == listings)
    co_return ids_of(known->head->entries);
  std::vector<VideoId> ids;
  std::vector<std::string> tags;
  for (const auto& tag : row.tags) tags.push_back(fold_text(tag));
  if (!tags.empty()) {
    SV_CO_TRY(const auto sharing,
              co_await state_.deps.db.query(ctx, kSharing, {tags, row.id, kRelated}));
    for (std::size_t i = 0; i < sharing.size(); ++i) ids.emplace_back(sharing.i64(i, 0));
  }
  SV_CO_TRY(const auto theirs, co_await author_entries(ctx, row.author, kNewestFirst, kRelated));
  for (const Entry& e : theirs)
    if (const VideoId id(e.id); id != row.id && std::ranges::find(ids, id) == ids.end())
      ids.push_back(id);
  std::vector<Entry> entries;
  for (VideoId id : ids) entries.push_back({.key = 0, .id = id.value});
  state_.lists.put(stamp, name,
                   {.listings = listings, .head = ListHead::of(std::move(entries), kNoLimit)});
  co_return ids;
}

Task<Result<VideoPageResp>> LocalService::get_related_videos(const Ctx& ctx,
                                                             const RelatedVideoReq& req) {
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, req.video_id));
  if (!row || !row->visible_to(req.current_user_id))
    co_return fail(Errc::not_found, "video_not_found");
  SV_CO_CHECK(co_await may_see_author(ctx, req.current_user_id, *row));
  SV_CO_TRY(auto cursor, decode_cursor("related", req.cursor));
  SV_CO_TRY(const auto ids, co_await related_to(ctx, *row));
  const auto size = page_size(req.page_size);
  auto at = std::min(ids.size(),
                     static_cast<std::size_t>(cursor ? std::max<std::int64_t>(cursor->id, 0) : 0));
  VideoPageResp out;
  while (out.videos.size() < size && at < ids.size()) {
    const auto n = std::min(size - out.videos.size(), ids.size() - at);
    const auto from = ids.begin() + static_cast<std::ptrdiff_t>(at);
    SV_CO_TRY(auto rows,
              co_await listed(ctx, std::vector(from, from + static_cast<std::ptrdiff_t>(n))));
    std::ranges::move(co_await compose(ctx, req.current_user_id, std::move(rows), Kind::feed),
                      std::back_inserter(out.videos));
    at += n;
  }
  if (at < ids.size())
    out.next_cursor =
        encode_cursor("related", {.key = row->id.value, .id = static_cast<std::int64_t>(at)});
  co_return out;
}

Task<Result<HotTagResp>> LocalService::get_hot_tags(const Ctx& ctx, const HotTagReq& req) {
  SV_CO_TRY(const auto rows,
            co_await state_.deps.db.query(ctx, kHotTags,
                                          {static_cast<std::int64_t>(page_size(req.page_size))}));
  HotTagResp out;
  out.tags = read_tags(rows);
  co_return out;
}

Task<Result<SearchTagsResp>> LocalService::search_tags(const Ctx& ctx, const SearchTagsReq& req) {
  SV_CO_CHECK(check_text("keyword", req.keyword, 100));
  const std::string_view word = req.keyword.starts_with('#')
                                    ? std::string_view(req.keyword).substr(1)
                                    : std::string_view(req.keyword);
  const std::string pattern = "%" + like_literal(fold_text(word)) + "%";
  if (pattern == "%%") co_return invalid("keyword", "required");
  const auto size = page_size(req.page_size);
  SV_CO_TRY(const auto count, co_await state_.deps.db.query(ctx, kCountTags, {pattern}));
  SV_CO_TRY(const auto rows, co_await state_.deps.db.query(
                                 ctx, kFindTags, {pattern, size, page_offset(req.page, size)}));
  SearchTagsResp out;
  out.total = count.i64(0, 0);
  out.tags = read_tags(rows);
  co_return out;
}

Task<Result<>> LocalService::not_interested(const Ctx& ctx, const NotInterestedReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  if (!req.video_id && !req.author_id) co_return invalid("video_id", "required");
  SV_CO_CHECK(check_text("reason", req.reason, 200));
  if (req.video_id) {
    SV_CO_TRY(auto row, co_await state_.load_one(ctx, req.video_id));
    if (!row || !row->visible_to(req.user_id)) co_return fail(Errc::not_found, "video_not_found");
    SV_CO_CHECK(co_await may_see_author(ctx, req.user_id, *row, Purpose::write));
  }
  if (req.author_id) {
    SV_CO_TRY(const Person author,
              co_await people_.look_up_one(ctx, req.user_id, req.author_id, Purpose::write));
    if (author.gone || author.blocked) co_return fail(Errc::not_found, "user_not_found");
  }
  co_return co_await state_.deps.db.write(
      ctx, [this, req](sql::Tx& tx) { return add_unwanted(tx, req); });
}

Result<> LocalService::add_unwanted(sql::Tx& tx, const NotInterestedReq& req) {
  SV_CHECK(state_.gone.check(tx, req.user_id, req.author_id));
  const auto add = [&](Subject kind, std::int64_t subject) {
    return tx.execute(kAddUnwanted, {req.user_id, kind, subject, req.reason, state_.now()});
  };
  if (req.video_id) SV_CHECK(add(Subject::video, req.video_id.value));
  if (req.author_id) SV_CHECK(add(Subject::author, req.author_id.value));
  tx.on_commit([this, user = req.user_id] { unwanted_.erase(user); });
  return {};
}

Task<std::shared_ptr<const LocalService::Unwanted>> LocalService::unwanted_by(const Ctx& ctx,
                                                                              UserId user) {
  if (auto known = unwanted_.find(ctx, user)) co_return *known;
  const auto stamp = unwanted_.stamp();
  auto rows = co_await state_.deps.db.query(ctx, kUnwanted, {user, kUnwantedKept});
  if (!rows) {
    log::warn("video", "not_interested cannot be read", {{"error", rows.error().token}});
    co_return nullptr;
  }
  auto made = std::make_shared<Unwanted>();
  for (std::size_t i = 0; i < rows->size(); ++i) {
    if (rows->i64(i, 0) == num(Subject::video)) made->videos.emplace(rows->i64(i, 1));
    else made->authors.emplace(rows->i64(i, 1));
  }
  unwanted_.put(stamp, user, made);
  co_return made;
}

}  // namespace sv::video
