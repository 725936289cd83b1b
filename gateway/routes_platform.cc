#include "gateway/auth.h"
#include "gateway/content.h"
#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

template <class T>
Task<Result<>> send_plain(Call& call, int status, const T& value) {
  std::string body;
  write_json(body, value);
  call.headers += "Content-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\n";
  (void)co_await call.x.send(status, call.headers, body);
  co_return Result<>{};
}

Task<Result<>> health(Call& call) {
  co_return co_await send_plain(call, 200, http::HealthResp{.status = "OK"});
}

// A client on this machine (not one of a proxy on this machine).
bool is_local(const Call& call) {
  return is_loopback(call.ctx.address) &&
         (call.x.header("X-Forwarded-For").empty() || call.ctx.address != call.x.peer_address());
}

// Paths and the like are for who is on this machine.
std::string told(const Call& call, const Error& error) {
  return is_local(call) && !error.detail.empty() ? fmt::format("{}: {}", error.token, error.detail)
                                                 : error.token;
}

Task<Result<>> ready(Call& call) {
  const auto out = co_await look_at(call.edge.deps.ready, call.edge.deps.supervisor,
                                    call.edge.options.mode, call.edge.draining,
                                    [&call](const Error& error) { return told(call, error); });
  co_return co_await send_plain(call, takes_requests(out) ? 200 : 503, out);
}

// For who is on this machine, and for moderators.
Task<Result<>> metrics(Call& call) {
  if (!is_local(call) && !co_await require_moderator(call))
    co_return fail(Errc::not_found, "unknown_route");
  const std::string text = call.edge.deps.metrics.text();
  call.headers +=
      "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nCache-Control: no-store\r\n";
  (void)co_await call.x.send(200, call.headers, text);
  co_return Result<>{};
}

Task<Result<>> openapi(Call& call) {
  const Page& document = call.edge.openapi;
  call.headers += "Content-Type: application/json; charset=utf-8\r\nCache-Control: no-cache\r\n";
  co_return co_await send_content(
      call, {.body = document.body,
             .gzip = wants_gzip(call, document.body.size()) ? document.zipped->of(document.body)
                                                            : std::string_view(),
             .etag = document.etag});
}

constexpr Route plain(std::string_view path, Task<Result<>> (*handle)(Call&),
                      std::string_view summary, std::string_view content_type,
                      Schema (*output)() = nullptr) {
  return {.method = "GET",
          .path = path,
          .access = Access::open,
          .rate = RateClass::none,
          .summary = summary,
          .handle = handle,
          .kind = Kind::stream,
          .output = output,
          .content_type = content_type};
}

constexpr Route kRoutes[] = {
    plain("/health", &health, "The process answers", "application/json",
          &schema_of<http::HealthResp>),
    plain("/health/ready", &ready,
          "Each dependency, background loops that keep failing, and the mode; 503 while something "
          "that "
          "it needs fails or the process is stopping",
          "application/json", &schema_of<http::ReadyResp>),
    plain("/metrics", &metrics, "Prometheus text, for clients on this machine and moderators",
          "text/plain"),
    plain("/openapi.json", &openapi, "This document", "application/json"),
};

}  // namespace

std::span<const Route> platform_routes() { return kRoutes; }

}  // namespace sv::gateway
