#include "platform/core/when_all.h"
#include "services/video/local_service.h"
#include "services/video/media_access.h"
#include "services/video/progress.h"

namespace sv::video {
namespace {

// What a player should fetch ahead so that a swipe starts at once: the head of a faststart file and
// about two seconds.
std::int64_t preload_bytes(const VideoRow& row) {
  auto two_seconds = row.duration_ms > 0 ? row.play_bytes * 2000 / row.duration_ms : row.play_bytes;
  return std::min(row.play_bytes, std::max<std::int64_t>(64 * 1024, two_seconds));
}

}  // namespace

Links LocalService::links(const VideoRow& row, bool open) const {
  const std::string path = media_prefix(row);
  return {.prefix = state_.options.public_url + path,
          .query = open || !state_.deps.sign ? "" : "?" + state_.deps.sign(path)};
}

Task<std::vector<Video>> LocalService::compose(const Ctx& ctx, UserId viewer,
                                               std::vector<VideoPtr> rows, Kind kind) {
  std::vector<Video> out;
  std::erase(rows, nullptr);
  if (rows.empty()) co_return out;
  std::vector<UserId> authors;
  interaction::VideoInteractionPartsReq ask{.user_id = viewer, .video_ids = {}};
  for (const auto& row : rows) {
    authors.push_back(row->author);
    ask.video_ids.push_back(row->id);
  }
  auto [people, counts] =
      co_await when_all(people_.look_up(ctx, viewer, std::move(authors)),
                        state_.deps.services.interaction->get_video_interaction_parts(ctx, ask));
  if (!counts) absent_counts_.add();
  std::shared_ptr<const Unwanted> unwanted;
  if (kind == Kind::feed && viewer) unwanted = co_await unwanted_by(ctx, viewer);

  out.reserve(rows.size());
  for (const auto& row : rows) {
    const Person& author = people.at(row->author);
    if (author.hidden()) continue;
    if (kind == Kind::feed && (author.muted || (unwanted && unwanted->has(*row)))) continue;
    Video& v = out.emplace_back();
    const bool open = row->listed && !author.is_private;
    Urls urls = open ? row->open_urls : urls_of(*row, links(*row, open));
    v.id = row->id;
    v.author_id = row->author;
    v.url = std::move(urls.video);
    v.cover_url = std::move(urls.cover);
    v.title = row->title;
    v.publish_time = row->publish_time / 1000;
    v.description = row->description;
    v.author = author.brief;
    v.view_count = row->views->counted;
    const auto parts = counts ? counts->parts[row->id] : interaction::VideoInteractionParts{};
    v.like_count = parts.like_count;
    v.comment_count = parts.comment_count;
    v.share_count = parts.share_count;
    v.star_count = parts.star_count;
    v.is_like = parts.is_like;
    v.is_star = parts.is_star;
    v.tags = row->tags;
    v.duration_ms = row->duration_ms;
    v.width = static_cast<std::int32_t>(row->width);
    v.height = static_cast<std::int32_t>(row->height);
    v.hls_url = std::move(urls.hls);
    v.sprite_url = std::move(urls.sprite);
    v.vtt_url = std::move(urls.track);
    v.status = status_name(row->status);
    v.visibility = visibility_name(row->visibility);
    v.preload_bytes = preload_bytes(*row);
    v.create_time = row->create_time / 1000;
    if (row->status == Status::failed) {  // only its author sees it
      v.error = row->error;
      v.message = reason_text(row->error, ctx.lang);
      v.retryable = row->retryable;
    }
  }
  co_return out;
}

}  // namespace sv::video
