#include "services/video/media_access.h"

#include <charconv>

#include <fmt/format.h>

#include "services/video/local_service.h"

namespace sv::video {
namespace {

std::optional<std::int64_t> take_id(std::string_view& rest) {
  std::int64_t id = 0;
  auto r = std::from_chars(rest.data(), rest.data() + rest.size(), id);
  if (r.ec != std::errc{} || id <= 0 || r.ptr == rest.data() + rest.size() || *r.ptr != '/')
    return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(r.ptr - rest.data()) + 1);
  return id;
}

bool good_file(std::string_view file) {
  if (file.empty() || file.size() > 200) return false;
  char before = '/';
  for (char c : file) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!plain && !((c == '.' || c == '/') && before != '/' && before != '.')) return false;
    before = c;
  }
  return before != '/' && before != '.';
}

}  // namespace

std::string source_key(std::int64_t upload) { return fmt::format("sources/{}", upload); }
std::string cover_source_key(std::int64_t upload) {
  return fmt::format("sources/{}.cover", upload);
}
std::string cover_key(VideoId video, std::string_view file) {
  if (file == kCoverFile) return fmt::format("covers/{}.jpg", video);  // of an older build
  return fmt::format("covers/{}/{}", video, file);
}
std::string media_key(std::int64_t asset, std::string_view file) {
  return fmt::format("media/{}/{}", asset, file);
}
std::string attempt_prefix(const Job& job) {
  const auto folder = fmt::format("{}/", job.run);
  return job.kind == JobKind::image ? cover_key(VideoId(job.subject), folder)
                                    : media_key(job.subject, folder);
}
std::string track_of(std::string_view sprite) {
  if (sprite.empty()) return {};
  sprite.remove_suffix(kSpriteFile.size());
  return std::string(sprite).append(kTrackFile);
}
std::string media_prefix(const VideoRow& row) {
  return fmt::format("/media/{}/{}/", row.id, row.media_rev);
}

std::string Links::to(std::string_view file) const {
  std::string url;
  if (file.empty()) return url;
  url.reserve(prefix.size() + file.size() + query.size());
  return url.append(prefix).append(file).append(query);
}
Urls urls_of(const VideoRow& row, const Links& links) {
  return {.video = links.to(row.play_file),
          .cover = links.to(row.cover.empty() ? row.poster : row.cover),
          .hls = links.to(row.master),
          .sprite = links.to(row.sprite),
          .track = links.to(track_of(row.sprite))};
}

std::optional<MediaPath> parse_media_path(std::string_view path) {
  constexpr std::string_view kRoot = "/media/";
  if (!path.starts_with(kRoot)) return std::nullopt;
  path.remove_prefix(kRoot.size());
  auto video = take_id(path);
  if (!video) return std::nullopt;
  auto rev = take_id(path);
  if (!rev || !good_file(path)) return std::nullopt;
  return MediaPath{.video = VideoId(*video), .rev = *rev, .file = path};
}

std::string object_key(const VideoRow& row, std::string_view file) {
  return file == row.cover ? cover_key(row.id, file) : media_key(row.asset, file);
}

std::string_view content_type(std::string_view file) {
  auto dot = file.rfind('.');
  auto ext = dot == std::string_view::npos ? std::string_view{} : file.substr(dot + 1);
  if (ext == "mp4") return "video/mp4";
  if (ext == "m4s") return "video/iso.segment";
  if (ext == "m3u8") return "application/vnd.apple.mpegurl";
  if (ext == "jpg") return "image/jpeg";
  if (ext == "vtt") return "text/vtt; charset=utf-8";
  return "application/octet-stream";
}

Task<Result<bool>> LocalService::open_to_all(const Ctx& ctx, const VideoRow& row) {
  if (!row.listed) co_return false;
  SV_CO_TRY(const Person author, co_await people_.look_up_one(ctx, {}, row.author));
  co_return !author.is_private;
}

Task<Result<>> LocalService::may_see_author(const Ctx& ctx, UserId viewer, const VideoRow& row,
                                            Purpose purpose) {
  SV_CO_TRY(const Person author, co_await people_.look_up_one(ctx, viewer, row.author, purpose));
  if (author.hidden()) co_return fail(Errc::not_found, "video_not_found");
  co_return Result<>{};
}

Task<Result<AuthorizeMediaResp>> LocalService::authorize_media(const Ctx& ctx,
                                                               const AuthorizeMediaReq& req) {
  auto path = parse_media_path(req.path);
  if (!path) co_return fail(Errc::not_found, "media_not_found");
  SV_CO_TRY(auto row, co_await state_.load_one(ctx, path->video));
  if (!row || row->media_rev != path->rev) co_return fail(Errc::not_found, "media_not_found");
  AuthorizeMediaResp out;
  out.object_key = object_key(*row, path->file);
  SV_CO_TRY(out.is_public, co_await open_to_all(ctx, *row));
  out.content_type = content_type(path->file);
  out.signed_prefix = media_prefix(*row);
  co_return out;
}

}  // namespace sv::video
