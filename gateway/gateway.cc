#include "gateway/gateway.h"

#include "gateway/auth.h"
#include "gateway/content.h"
#include "gateway/cors.h"
#include "gateway/edge.h"
#include "gateway/envelope.h"
#include "gateway/openapi.h"
#include "gateway/request_id.h"
#include "platform/core/exception.h"
#include "platform/core/log.h"
#include "platform/core/when_all.h"

namespace sv::gateway {

namespace {

Page document_page(std::string body) {
  std::string etag = etag_of(body);
  return {.headers = {}, .body = std::move(body), .etag = std::move(etag)};
}

}  // namespace

Edge::Edge(GatewayDeps d, GatewayOptions o)
    : deps(std::move(d)),
      options(std::move(o)),
      proxies(options.trusted_proxies),
      tokens(deps.keys, deps.clock),
      urls(deps.keys, deps.clock),
      limits(deps.cache, options.limits_enabled, options.limits_factor),
      own_writes(deps.cache, options.services_elsewhere),
      pages(deps.revision, options.page_cache_bytes, options.page_age),
      media(deps.revision, 4u << 20, options.page_age),
      guests(deps.clock),
      log(deps.metrics, router.routes(), options.log_addresses),
      openapi(document_page(openapi_document(router.routes(), options.version))) {}

namespace {

constexpr std::size_t kCachedQuery = 256;  // longer queries are not worth a place
constexpr std::uint64_t kDrainedBody =
    64 * 1024;  // a refused request with more body than this loses its connection

// How long a page is tried to be made anew while there is an older one; how long it is then not
// tried again.
constexpr std::chrono::milliseconds kPatience{1'500}, kAway{500};

bool is_silence(const Error& error) {
  return error.code == Errc::unavailable || error.code == Errc::deadline_exceeded;
}

bool is_cancellation(const std::exception& e) {
  const auto* system = dynamic_cast<const boost::system::system_error*>(&e);
  return system && system->code() == asio::error::operation_aborted;
}

class WebGateway final : public Gateway {
 public:
  WebGateway(GatewayDeps deps, GatewayOptions options)
      : edge_(std::move(deps), std::move(options)) {}

  net::Handler handler() override {
    return [this](net::Exchange& x) { return serve(x); };
  }
  net::ErrorBody error_body() override { return &server_error_body; }
  void drain() override { edge_.draining = true; }

 private:
  Task<> serve(net::Exchange& x);
  Task<> answer(Call& call, const Router::Match& match);
  Task<Result<>> dispatch(Call& call);
  Task<Result<>> admit(Call& call);
  Task<Result<>> send_page(Call& call);
  Task<Result<>> send_older(Call& call, const Page& page);
  Task<Result<>> send_made(Call& call, const Page& page, std::string_view caching);
  Task<Result<>> send_own(Call& call);
  Task<Result<>> send_private(Call& call);
  Task<Result<>> send_json(Call& call, std::string_view caching, std::string etag);
  Task<> refuse(Call& call, const Error& error);

  Edge edge_;
  // Until then pages are not made anew that are there from before.
  std::atomic<std::chrono::steady_clock::time_point> away_until_{};
  metrics::Counter& older_ = edge_.deps.metrics.counter(
      "shortvideo_pages_older_total",
      "Guests' pages that were older than they should be, for nobody could make them anew");
};

struct InFlight {
  explicit InFlight(metrics::Gauge& g) : gauge(g) { gauge.add(1); }
  ~InFlight() { gauge.add(-1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  metrics::Gauge& gauge;
};

Task<> WebGateway::serve(net::Exchange& x) {
  const auto start = std::chrono::steady_clock::now();
  const InFlight guard(edge_.log.in_flight());
  Call call{.x = x, .edge = edge_};
  const Router::Match match = edge_.router.find(x.method(), x.path());
  const std::size_t row = match.route ? match.index : edge_.router.routes().size();
  call.route = match.route;
  call.tail = match.tail;
  call.ctx.request_id = request_id_from(x.header("X-Request-Id"));
  call.ctx.address = edge_.proxies.client_of(x.peer_address(), x.header("X-Forwarded-For"));
  call.ctx.lang = preferred_language(x.header("Accept-Language"));
  call.ctx.deadline = start + edge_.options.deadline;
  call.headers.reserve(512);
  call.header("X-Request-Id", call.ctx.request_id);
  call.header("X-Content-Type-Options", "nosniff");
  if (edge_.options.public_url.starts_with("https://"))
    call.header("Strict-Transport-Security", "max-age=31536000");

  std::optional<Error> escaped;
  std::exception_ptr cancelled;
  try {
    co_await answer(call, match);
  } catch (const std::exception& e) {
    if (is_cancellation(e)) cancelled = std::current_exception();
    else escaped = error_of(e);
  }
  if (escaped) co_await refuse(call, *escaped);
  edge_.log.record(call, row, std::chrono::steady_clock::now() - start);
  if (cancelled) std::rethrow_exception(cancelled);
}

Task<> WebGateway::answer(Call& call, const Router::Match& match) {
  add_cors(call, edge_.options.cors_origins);
  if (call.x.method() == "OPTIONS") {
    if (!match.allow.empty()) call.header("Allow", match.allow);
    (void)co_await call.x.send(204, call.headers, std::string_view{});
    co_return;
  }
  if (!call.route && !match.allow.empty()) call.header("Allow", match.allow);
  Result<> done = call.route            ? co_await dispatch(call)
                  : match.allow.empty() ? Result<>(fail(Errc::not_found, "unknown_route"))
                                        : Result<>(fail(Errc::method_not_allowed));
  if (!done) co_await refuse(call, done.error());
}

// Who is it, may it now, and then its row's handler.
Task<Result<>> WebGateway::dispatch(Call& call) {
  const Route& route = *call.route;
  const std::string_view authorization = call.x.header("Authorization");
  call.token_given = !authorization.empty() && route.access != Access::open;
  SV_CO_TRY(Identity who, identify(authorization, route.access, edge_.tokens, edge_.deps.revoked));
  call.ctx.caller = who.user;
  call.ctx.actor = Actor::caller;
  call.ctx.session = std::move(who.session);
  if (who.bad_token) call.header("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  SV_CO_CHECK(co_await admit(call));
  if (route.access == Access::moderator) SV_CO_CHECK(co_await require_moderator(call));
  call.common = call.headers.size();
  if (route.kind == Kind::cached && !call.token_given && call.x.query().size() <= kCachedQuery)
    co_return co_await send_page(call);
  call.ctx.traceparent = traceparent_from(call.x.header("traceparent"));
  call.ctx.user_agent = call.x.header("User-Agent");
  SV_CO_TRY(call.ctx.idempotency_key, idempotency_key_from(call.x.header("Idempotency-Key")));
  if (route.kind == Kind::stream) {
    call.ctx.deadline = Deadline::max();
    co_return co_await route.handle(call);
  }
  if (route.body == Body::json) {
    SV_CO_TRY(call.input, co_await read_json_body(call));
    call.ctx.deadline = std::chrono::steady_clock::now() + edge_.options.deadline;
  }
  co_return co_await send_own(call);
}

// Counts the request and learns what its caller wrote lately: one round trip to a shared cache.
Task<Result<>> WebGateway::admit(Call& call) {
  if (!call.ctx.caller || !edge_.own_writes.needed())
    co_return co_await edge_.limits.take(call.route->rate, call.ctx, call.headers);
  Result<> admitted;
  std::tie(admitted, call.ctx.fresh) =
      co_await when_all(edge_.limits.take(call.route->rate, call.ctx, call.headers),
                        edge_.own_writes.of(call.ctx.caller));
  co_return admitted;
}

// A guest's answer that may come from, and goes into, the page cache. While whoever would make it
// anew does not answer, it is the one that was made last.
Task<Result<>> WebGateway::send_page(Call& call) {
  const auto now = std::chrono::steady_clock::now();
  if (const auto page = edge_.pages.find(call.route->path, call.x.query(), now))
    co_return co_await send_made(call, *page, "no-cache");
  const auto older =
      edge_.pages.find(call.route->path, call.x.query(), now, edge_.options.page_older);
  if (older && now < away_until_.load()) co_return co_await send_older(call, *older);
  if (older) call.ctx.deadline = std::min(call.ctx.deadline, now + kPatience);
  const std::uint64_t revision = edge_.pages.revision();
  call.ctx.traceparent = traceparent_from(call.x.header("traceparent"));
  const std::size_t before = call.headers.size();
  call.ctx.uncertain = std::make_shared<std::atomic<bool>>(false);
  auto handled = co_await call.x.in_time(call.ctx.deadline, call.route->handle(call));
  if (!handled && older && is_silence(handled.error())) {
    away_until_ = now + kAway;
    call.headers.resize(before);
    co_return co_await send_older(call, *older);
  }
  if (!handled) co_return handled;
  if (*call.ctx.uncertain) co_return co_await send_private(call);
  Page made{.headers = call.headers.substr(before), .body = std::move(call.body), .etag = {}};
  call.headers.resize(before);
  made.etag = etag_of(made.body);
  const std::size_t size =
      made.headers.size() + 2 * made.body.size();  // with room for the compressed form
  const auto page =
      edge_.pages.put(call.route->path, call.x.query(), revision, now, std::move(made), size);
  co_return co_await send_made(call, *page, "no-cache");
}

Task<Result<>> WebGateway::send_older(Call& call, const Page& page) {
  older_.add();
  co_return co_await send_made(call, page, "no-store");
}

Task<Result<>> WebGateway::send_made(Call& call, const Page& page, std::string_view caching) {
  call.headers += page.headers;
  call.headers += "Content-Type: application/json; charset=utf-8\r\nVary: Authorization\r\n";
  call.header("Cache-Control", caching);
  co_return co_await send_content(
      call,
      {.body = page.body,
       .gzip = wants_gzip(call, page.body.size()) ? page.zipped->of(page.body) : std::string_view(),
       .etag = page.etag});
}

// What guests get of a public route may be kept, and asked for again by its tag; everything else is
// its caller's alone.
Task<Result<>> WebGateway::send_own(Call& call) {
  const bool shared =
      !call.token_given && !needs_token(call.route->access) && call.route->method == "GET";
  if (shared) call.ctx.uncertain = std::make_shared<std::atomic<bool>>(false);
  SV_CO_CHECK(co_await call.x.in_time(call.ctx.deadline, call.route->handle(call)));
  co_await note_own_write(call);
  if (!shared || *call.ctx.uncertain) co_return co_await send_private(call);
  co_return co_await send_json(call, "no-cache", etag_of(call.body));
}

// Nobody may keep it: it is its caller's, or was made without knowing what to hide.
Task<Result<>> WebGateway::send_private(Call& call) {
  co_return co_await send_json(call, "private, no-store", {});
}

Task<Result<>> WebGateway::send_json(Call& call, std::string_view caching, std::string etag) {
  const std::string zipped = wants_gzip(call, call.body.size()) ? gzip(call.body) : std::string();
  call.headers += "Content-Type: application/json; charset=utf-8\r\nVary: Authorization\r\n";
  call.header("Cache-Control", caching);
  co_return co_await send_content(call, {.body = call.body, .gzip = zipped, .etag = etag});
}

// Every failure ends here: the answer, and the log line when the fault is ours.
Task<> WebGateway::refuse(Call& call, const Error& error) {
  const int status = http_status(error.code);
  // 400 or 408: the server has told the client what is wrong with its body.
  const bool told = call.x.status() >= 400 && call.x.status() < 500;
  if (status >= 500 && !told)
    log::error(
        "gateway", "request failed",
        {{"request_id", call.ctx.request_id},
         {"method", call.x.method()},
         {"route", call.route ? call.route->path : std::string_view("unknown")},
         {"error", error.token.empty() ? errc_token(error.code) : std::string_view(error.token)},
         {"detail", error.detail}});
  if (call.x.answered())
    co_return;  // the connection is closed by the server: the answer is incomplete
  if (call.headers.size() > call.common) call.headers.resize(call.common);
  if (call.x.has_body() && call.x.content_length().value_or(kDrainedBody + 1) > kDrainedBody)
    call.x.close_after();
  if (status == 401)
    call.header("WWW-Authenticate",
                error.token == "invalid_token" ? "Bearer error=\"invalid_token\"" : "Bearer");
  if (error.retry_after.count() > 0)
    call.header("Retry-After", std::to_string((error.retry_after.count() + 999) / 1000));
  call.headers +=
      "Content-Type: application/json; charset=utf-8\r\nCache-Control: private, no-store\r\n";
  std::string body;
  append_error(body, error, call.ctx.lang, call.ctx.request_id);
  (void)co_await call.x.send(status, call.headers, body);
}

}  // namespace

std::unique_ptr<Gateway> make_gateway(GatewayDeps deps, GatewayOptions options) {
  return std::make_unique<WebGateway>(std::move(deps), std::move(options));
}

}  // namespace sv::gateway
