#include <set>

#include <fmt/format.h>

#include "platform/core/log.h"
#include "services/video/media_access.h"
#include "services/video/rules.h"

namespace sv::video {
namespace {

// What a player should fetch ahead so that a swipe starts at once: the head of a faststart file and about two seconds.
std::int64_t preload_bytes(const VideoRow& row) {
  auto two_seconds = row.duration_ms > 0 ? row.play_bytes * 2000 / row.duration_ms : row.play_bytes;
  return std::min(row.play_bytes, std::max<std::int64_t>(64 * 1024, two_seconds));
}

}  // namespace

// One signature for all files of a video; none for public ones.
std::string VideoRules::url_query(const VideoRow& row) const {
  if (row.listed || !state_.deps.sign) return {};
  return "?" + state_.deps.sign(media_prefix(row));
}

std::string VideoRules::url(const VideoRow& row, std::string_view file, const std::string& query) const {
  return fmt::format("{}{}{}{}", state_.options.public_url, media_prefix(row), file, query);
}

Task<Result<std::vector<Video>>> VideoRules::compose(const Ctx& ctx, UserId viewer, std::vector<VideoPtr> rows) {
  std::vector<Video> out;
  if (rows.empty()) co_return out;
  user::UserBriefsReq ask;
  ask.caller_id = viewer;
  std::set<UserId> authors;
  for (const auto& row : rows)
    if (authors.insert(row->author).second) ask.user_ids.push_back(row->author);
  auto briefs = co_await state_.deps.services.user->get_user_briefs(ctx, ask);
  if (!briefs) absent_parts_.add();

  out.reserve(rows.size());
  for (const auto& row : rows) {
    Video v;
    auto query = url_query(*row);
    auto link = [&](bool there, std::string_view file) { return there ? url(*row, file, query) : std::string(); };
    v.id = row->id;
    v.author_id = row->author;
    v.url = link(!row->play_file.empty(), row->play_file);
    v.cover_url = link(row->cover || row->poster, row->cover ? kCoverFile : kPosterFile);
    v.title = row->title;
    v.publish_time = row->publish_time / 1000;
    v.description = row->description;
    v.author = UserBrief{.id = row->author, .username = {}, .avatar = {}, .is_follow = false};
    if (briefs)
      if (auto it = briefs->briefs.find(row->author); it != briefs->briefs.end()) v.author = it->second;
    v.view_count = row->views->counted;
    v.share_count = 0;
    v.star_count = 0;
    v.is_star = false;
    v.tags = row->tags;
    v.duration_ms = row->duration_ms;
    v.width = static_cast<std::int32_t>(row->width);
    v.height = static_cast<std::int32_t>(row->height);
    v.hls_url = link(row->hls, kMasterFile);
    v.sprite_url = link(row->sprite, kSpriteFile);
    v.vtt_url = link(row->sprite, kVttFile);
    v.status = status_name(row->status);
    v.visibility = visibility_name(row->visibility);
    v.preload_bytes = preload_bytes(*row);
    v.create_time = row->create_time / 1000;
    out.push_back(std::move(v));
  }
  co_return out;
}

}  // namespace sv::video
