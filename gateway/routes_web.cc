#include <charconv>

#include "gateway/content.h"
#include "gateway/edge.h"
#include "gateway/route.h"
#include "gateway/web_files.h"

namespace sv::gateway {
namespace {

const WebFile* find_file(std::string_view name) {
  for (const WebFile& file : web_files())
    if (file.name == name) return &file;
  return nullptr;
}

Task<Result<>> send_file(Call& call, const WebFile& file) {
  co_return co_await send_content(
      call, {.body = file.body,
             .gzip = wants_gzip(call, file.body.size()) ? file.gzip : std::string_view(),
             .etag = file.etag});
}

Task<Result<>> web_file(Call& call) {
  const WebFile* file = find_file(call.tail);
  if (!file) co_return fail(Errc::not_found, "unknown_route");
  call.header("Content-Type", file->content_type);
  call.header("Cache-Control", "no-cache");
  co_return co_await send_file(call, *file);
}

// The API as a page: it reads /openapi.json, and tries operations on this server.
Task<Result<>> docs(Call& call) {
  const WebFile* file = find_file("docs.html");
  if (!file) co_return fail(Errc::not_found, "unknown_route");
  call.header("Content-Type", file->content_type);
  call.header("Cache-Control", "no-cache");
  call.header("Content-Security-Policy",
              "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
              "img-src data:; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'");
  co_return co_await send_file(call, *file);
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

// Open Graph tags (ogp.me) of a video that guests may see; addresses only when the configuration
// says what ours is.
std::string open_graph(const Video& video, const std::string& public_url) {
  std::string out;
  append_meta(out, "og:type", "video.other");
  append_meta(out, "og:title", video.title);
  append_meta(out, "og:description", video.description);
  if (public_url.empty()) return out;
  append_meta(out, "og:url", public_url + "/video/" + std::to_string(video.id.value));
  const auto absolute = [&](const std::string& url) {
    return url.starts_with('/') ? public_url + url : url;
  };
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
  call.header(
      "Content-Security-Policy",
      "default-src 'self'; img-src 'self' data: blob: " + media +
          "; media-src 'self' blob: " + media + "; connect-src 'self' " + media +
          "; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
  const auto head_end = index->body.find("</head>");
  if (in_head.empty() || head_end == std::string_view::npos)
    co_return co_await send_file(call, *index);
  std::string page(index->body);
  page.insert(head_end, in_head);
  const std::string etag = etag_of(page);
  co_return co_await send_content(call, {.body = page, .gzip = {}, .etag = etag});
}

Task<Result<>> page(Call& call) { co_return co_await send_index(call, {}); }

Task<Result<>> video_page(Call& call) {
  std::int64_t id = 0;
  const auto end = call.tail.data() + call.tail.size();
  if (const auto [at, error] = std::from_chars(call.tail.data(), end, id);
      error != std::errc{} || at != end || id <= 0)
    co_return co_await send_index(call, {});
  call.ctx.uncertain = std::make_shared<std::atomic<bool>>(false);
  const auto video =
      co_await call.edge.deps.services.video->get_video_detail(call.ctx, {.video_id = VideoId(id)});
  // Caches keep the page: it tells of nothing that is not certainly for all.
  const bool tells = video && !*call.ctx.uncertain && video->video.visibility == "public";
  const std::string meta =
      tells ? open_graph(video->video, call.edge.options.public_url) : std::string();
  co_return co_await send_index(call, meta);
}

constexpr Route web(std::string_view path, Task<Result<>> (*handle)(Call&),
                    std::string_view summary, std::string_view content_type = "text/html") {
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
    web("/docs", &docs, "The API as a page to read and to try"),
    web("/web/{file}", &web_file, "A file of the web client", "*/*"),
};

}  // namespace

std::span<const Route> web_routes() { return kRoutes; }

}  // namespace sv::gateway
