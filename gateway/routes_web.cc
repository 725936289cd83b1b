#include <array>
#include <charconv>

#include "gateway/edge.h"
#include "gateway/route.h"
#include "gateway/web_files.h"
#include "platform/net/range.h"

namespace sv::gateway {
namespace {

const WebFile* find_file(std::string_view name) {
  for (const WebFile& file : web_files())
    if (file.name == name) return &file;
  return nullptr;
}

Task<Result<>> web_file(Call& call) {
  const WebFile* file = find_file(call.tail);
  if (!file) co_return fail(Errc::not_found, "unknown_route");
  call.header("Content-Type", file->content_type);
  call.header("Cache-Control", "no-cache");
  call.header("ETag", file->etag);
  if (net::etag_matches(call.x.header("If-None-Match"), file->etag)) (void)co_await call.x.send(304, call.headers, std::string_view{});
  else (void)co_await call.x.send(200, call.headers, file->body);
  co_return Result<>{};
}

void append_meta(std::string& out, std::string_view property, std::string_view content) {
  if (content.empty()) return;
  out.append("<meta property=\"").append(property).append("\" content=\"");
  for (char c : content) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  out += "\">\n";
}

// Open Graph tags (ogp.me) of a video that guests may see; addresses only when the configuration says what ours is.
std::string open_graph(const Video& video, const std::string& public_url) {
  std::string out;
  append_meta(out, "og:type", "video.other");
  append_meta(out, "og:title", video.title);
  append_meta(out, "og:description", video.description);
  if (public_url.empty()) return out;
  append_meta(out, "og:url", public_url + "/video/" + std::to_string(video.id.value));
  const auto absolute = [&](const std::string& url) { return url.starts_with('/') ? public_url + url : url; };
  if (!video.cover_url.empty()) append_meta(out, "og:image", absolute(video.cover_url));
  if (!video.url.empty()) append_meta(out, "og:video", absolute(video.url));
  return out;
}

Task<Result<>> send_index(Call& call, std::string_view in_head) {
  const WebFile* index = find_file("index.html");
  if (!index) co_return fail(Errc::not_found, "unknown_route");
  call.header("Content-Type", index->content_type);
  call.header("Cache-Control", "no-cache");
  call.header("Referrer-Policy", "strict-origin-when-cross-origin");
  const std::string& media = call.edge.options.public_url;  // where absolute media links point
  call.header("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob: " + media + "; media-src 'self' blob: " + media +
                                             "; connect-src 'self' " + media +
                                             "; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
  const auto head_end = index->body.find("</head>");
  if (in_head.empty() || head_end == std::string_view::npos) {
    (void)co_await call.x.send(200, call.headers, index->body);
    co_return Result<>{};
  }
  const std::array<std::string_view, 3> pieces{index->body.substr(0, head_end), in_head, index->body.substr(head_end)};
  (void)co_await call.x.send(200, call.headers, pieces);
  co_return Result<>{};
}

Task<Result<>> page(Call& call) { co_return co_await send_index(call, {}); }

Task<Result<>> video_page(Call& call) {
  std::int64_t id = 0;
  const auto end = call.tail.data() + call.tail.size();
  if (const auto [at, error] = std::from_chars(call.tail.data(), end, id); error != std::errc{} || at != end || id <= 0)
    co_return co_await send_index(call, {});
  const auto video = co_await call.edge.deps.services.video->get_video_detail(call.ctx, {.video_id = VideoId(id)});
  const std::string meta = video && video->video.visibility == "public" ? open_graph(video->video, call.edge.options.public_url) : std::string();
  co_return co_await send_index(call, meta);
}

constexpr Route web(std::string_view path, Task<Result<>> (*handle)(Call&), std::string_view summary, std::string_view content_type = "text/html") {
  return {.method = "GET",
          .path = path,
          .access = Access::open,
          .rate = RateClass::none,
          .summary = summary,
          .handle = handle,
          .kind = Kind::stream,
          .content_type = content_type};
}

constexpr Route kRoutes[] = {
    web("/", &page, "The web client"),
    web("/following", &page, "The web client"),
    web("/recommend", &page, "The web client"),
    web("/video/{id}", &video_page, "The web client, with the video's Open Graph tags"),
    web("/user/{id}", &page, "The web client"),
    web("/search", &page, "The web client"),
    web("/upload", &page, "The web client"),
    web("/messages", &page, "The web client"),
    web("/messages/{id}", &page, "The web client"),
    web("/notifications", &page, "The web client"),
    web("/live", &page, "The web client"),
    web("/live/{id}", &page, "The web client"),
    web("/settings", &page, "The web client"),
    web("/admin", &page, "The web client"),
    web("/login", &page, "The web client"),
    web("/register", &page, "The web client"),
    web("/web/{file}", &web_file, "A file of the web client", "*/*"),
};

}  // namespace

std::span<const Route> web_routes() { return kRoutes; }

}  // namespace sv::gateway
