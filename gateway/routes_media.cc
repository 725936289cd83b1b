#include "gateway/edge.h"
#include "gateway/envelope.h"
#include "gateway/playlist.h"
#include "gateway/route.h"
#include "platform/core/time.h"
#include "platform/net/range.h"
#include "platform/net/uri.h"

namespace sv::gateway {
namespace {

constexpr std::uint64_t kPlaylistBytes = 4 << 20;

bool is_uncertain(const Call& call) { return call.ctx.uncertain && *call.ctx.uncertain; }

// What the path stands for: the video service decides, the store knows the bytes. Asked at most
// once a second a path; always, while it decides by what it knew last.
Task<Result<std::shared_ptr<const MediaFile>>> find_media(Call& call, const std::string& path) {
  auto& cache = call.edge.media;
  const auto now = std::chrono::steady_clock::now();
  if (auto known = cache.find("", path, now)) co_return known;
  const std::uint64_t revision = cache.revision();
  MediaFile file;
  call.ctx.uncertain = std::make_shared<std::atomic<bool>>(false);
  SV_CO_TRY(file.grant,
            co_await call.edge.deps.services.video->authorize_media(call.ctx, {.path = path}));
  SV_CO_TRY(file.object, co_await call.edge.deps.objects.head(file.grant.object_key));
  // Objects never change under their key, but a key may be made again.
  file.etag = etag_of(file.grant.object_key + ":" + std::to_string(file.object.size) + ":" +
                      std::to_string(file.object.modified_ms));
  if (is_uncertain(call)) co_return std::make_shared<const MediaFile>(std::move(file));
  const std::size_t bytes =
      sizeof(MediaFile) + file.grant.object_key.size() * 2 + file.grant.signed_prefix.size() + 64;
  co_return cache.put("", path, revision, now, std::move(file), bytes);
}

// The signature of a file that is not public, ready to be repeated; every flaw is "no such thing".
Result<std::string> signature(Call& call, const std::string& path, const MediaFile& file) {
  SV_TRY(const auto in, read_query<http::MediaReq>(call));
  if (file.grant.signed_prefix.empty() || !path.starts_with(file.grant.signed_prefix))
    return fail(Errc::not_found);
  if (!call.edge.urls.verify(file.grant.signed_prefix, in.exp, in.kid, in.sig))
    return fail(Errc::not_found);
  return "exp=" + in.exp + "&kid=" + in.kid + "&sig=" + in.sig;
}

Task<Result<std::string>> read_whole(ObjectReader& object) {
  if (object.size() > kPlaylistBytes)
    co_return fail(Errc::internal, {}, "a playlist of more than 4 MiB");
  std::string text(object.size(), '\0');
  for (std::size_t done = 0; done < text.size();) {
    SV_CO_TRY(const std::size_t n,
              co_await object.read(done, std::as_writable_bytes(std::span(text).subspan(done))));
    if (n == 0) co_return fail(Errc::internal, {}, "an object shorter than its size");
    done += n;
  }
  co_return text;
}

bool not_modified(Call& call, const MediaFile& file, const std::string& modified) {
  if (const auto tags = call.x.header("If-None-Match"); !tags.empty())
    return net::etag_matches(tags, file.etag);
  return call.x.header("If-Modified-Since") == modified;
}

std::string caching(const Call& call, const MediaFile& file) {
  if (is_uncertain(call)) return "private, no-store";
  if (!file.grant.is_public) return "private, no-cache";
  return "public, max-age=" + std::to_string(call.edge.options.media_max_age.count()) +
         ", immutable";
}

// Range is defined for GET alone (RFC 9110 §14.2).
net::ByteRange range_of(Call& call, const MediaFile& file, std::uint64_t size) {
  if (call.x.method() != "GET" ||
      !net::if_range_matches(call.x.header("If-Range"), file.etag, file.object.modified_ms))
    return {};
  return net::parse_range(call.x.header("Range"), size);
}

Task<Result<>> send_file(Call& call, const MediaFile& file, ObjectReader& object) {
  const std::uint64_t size = object.size();
  const net::ByteRange range = range_of(call, file, size);
  switch (range.kind) {
    case net::ByteRange::Kind::whole:
      (void)co_await call.x.send_object(200, call.headers, object, 0, size);
      break;
    case net::ByteRange::Kind::part:
      call.headers += net::content_range_line(range, size);
      (void)co_await call.x.send_object(206, call.headers, object, range.offset, range.length);
      break;
    case net::ByteRange::Kind::unsatisfiable:  // what was said of the file is not true of this
      call.headers.resize(call.common);
      call.header("Accept-Ranges", "bytes");
      call.header("Cache-Control", "private, no-store");
      call.headers += net::content_range_line(range, size);
      (void)co_await call.x.send(416, call.headers, std::string_view{});
      break;
  }
  co_return Result<>{};
}

// What is public and is sent as it is may come from the store itself, for a while: that it ended in
// the meantime the store does not know.
constexpr std::chrono::minutes kShown{5};
std::optional<std::string> elsewhere(Call& call, const MediaFile& file) {
  if (!call.edge.options.media_redirect || call.x.method() != "GET" || !file.grant.is_public ||
      is_uncertain(call))
    return std::nullopt;
  return call.edge.deps.objects.url_of(file.grant.object_key, file.grant.content_type, kShown);
}

Task<Result<>> media(Call& call) {
  const auto path = net::decode_path(call.x.path());
  if (!path) co_return fail(Errc::not_found);
  SV_CO_TRY(const auto file, co_await find_media(call, *path));
  std::string signed_query;
  if (!file->grant.is_public) { SV_CO_TRY(signed_query, signature(call, *path, *file)); }
  if (const auto url = elsewhere(call, *file)) {
    call.header("Cache-Control", "no-store");
    call.header("Location", *url);
    (void)co_await call.x.send(307, call.headers, std::string_view{});
    co_return Result<>{};
  }
  SV_CO_TRY(const auto object, co_await call.edge.deps.objects.open(file->grant.object_key));

  const std::string modified = format_http_date(file->object.modified_ms);
  call.header("Content-Type", file->grant.content_type);
  call.header("Cache-Control", caching(call, *file));

  const bool playlist = path->ends_with(".m3u8"), track = path->ends_with(".vtt");
  if (!signed_query.empty() && (playlist || track)) {
    SV_CO_TRY(const std::string text, co_await read_whole(*object));
    const std::string text_signed =
        playlist ? sign_playlist(text, signed_query) : sign_sprite_track(text, signed_query);
    (void)co_await call.x.send(200, call.headers, text_signed);
    co_return Result<>{};
  }
  call.header("Accept-Ranges", "bytes");
  call.header("ETag", file->etag);
  call.header("Last-Modified", modified);
  if (not_modified(call, *file, modified)) {
    (void)co_await call.x.send(304, call.headers, std::string_view{});
    co_return Result<>{};
  }
  co_return co_await send_file(call, *file, *object);
}

constexpr Route kRoutes[] = {
    {.method = "GET",
     .path = "/media/{path}",
     .access = Access::open,
     .rate = RateClass::none,
     .summary = "A video's files: MP4, HLS, poster, sprite. Byte ranges; links to videos that are "
                "not public are signed",
     .handle = &media,
     .kind = Kind::stream,
     .body = Body::query,
     .input = &schema_of<http::MediaReq>,
     .content_type = "*/*"},
};

}  // namespace

std::span<const Route> media_routes() { return kRoutes; }

}  // namespace sv::gateway
