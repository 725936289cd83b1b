#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>

#include "app/tls.h"
#include "app/wiring.h"
#include "gateway/gateway.h"
#include "gateway/revoked_feed.h"
#include "idl/services.h"
#include "platform/auth/keyfile.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/auth/signed_url.h"
#include "platform/core/block_on.h"
#include "platform/core/exception.h"
#include "platform/core/log.h"
#include "platform/core/task_group.h"
#include "platform/media/media_tools.h"
#include "platform/net/http_server.h"
#include "services/interaction/service.h"
#include "services/message/service.h"
#include "services/social/service.h"
#include "services/user/service.h"
#include "services/video/service.h"

namespace sv {
namespace {

constexpr std::chrono::seconds kCertificateLook{60};
constexpr std::size_t kLoginsWaiting =
    64;  // for one thread: some 6 s of bcrypt, less than a request's time
constexpr std::chrono::hours kLinkLife{
    6};  // of a signed media URL: longer than the longest video plays

// Event loops, one thread each. The last one is for background work, so that no request waits
// behind it.
class Loops {
 public:
  explicit Loops(std::size_t count) {
    for (std::size_t i = 0; i <= count; ++i) {
      loops_.push_back(std::make_unique<Loop>(1));
      guards_.push_back(asio::make_work_guard(*loops_.back()));
    }
    for (auto& loop : loops_) threads_.emplace_back([l = loop.get()] { l->run(); });
  }
  ~Loops() { end(); }

  // The threads are gone, and with them every frame that still waited: what frames refer to may go
  // now. Strands and timers of objects that go later stay valid until the loops themselves go.
  void end() {
    guards_.clear();
    for (auto& loop : loops_) loop->stop();
    for (auto& thread : std::exchange(threads_, {})) thread.join();
    for (auto& loop : loops_) loop->shutdown();
  }

  std::vector<asio::any_io_executor> edge() {
    std::vector<asio::any_io_executor> out;
    for (std::size_t i = 0; i + 1 < loops_.size(); ++i) out.push_back(loops_[i]->get_executor());
    return out;
  }
  asio::any_io_executor background() { return loops_.back()->get_executor(); }

 private:
  struct Loop : asio::io_context {
    using io_context::io_context;
    using io_context::shutdown;
  };
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::vector<std::thread> threads_;
};

Task<Result<>> check_database(sql::Database& db) {
  SV_CO_TRY([[maybe_unused]] sql::Rows rows, co_await db.query(Ctx{}, "SELECT 1"));
  co_return Result<>{};
}

Task<Result<>> check_objects(ObjectStore& objects) {
  auto info = co_await objects.head("health/none");
  if (!info && info.error().code != Errc::not_found)
    co_return std::unexpected(std::move(info.error()));
  co_return Result<>{};
}

Result<std::vector<auth::Key>> signing_keys(const Config& config) {
  if (config.auth_keys.empty())
    return auth::load_or_create_keys(std::filesystem::path(config.data) / "auth_keys");
  std::vector<auth::Key> keys;
  for (const auto& key : config.auth_keys) keys.push_back({key.kid, key.secret});
  SV_CHECK(auth::KeyRing::validate(keys));
  return keys;
}

std::filesystem::path scratch(const Config& config) {
  return std::filesystem::absolute(std::filesystem::path(config.data) / "scratch");
}

Result<std::unique_ptr<media::MediaTools>> media_tools(const Config& config) {
  if (config.transcode_workers == 0) return nullptr;
  media::MediaTools::Options options;
  options.scratch = scratch(config);
  options.jail = config.transcode_jail == "required";
  options.max_duration = config.uploads_max_duration;
  auto tools = media::make_media_tools(options);
  if (auto ready = block_on(tools->check()); !ready)
    return fail(Errc::unavailable, "jail_unusable",
                fmt::format("transcode.jail: {}; install bubblewrap and ffmpeg (script/setup), or "
                            "start with transcode.workers=0",
                            ready.error().detail));
  if (!options.jail)
    log::warn("media", "transcode.jail is off: ffmpeg reads hostile files without a jail", {});
  return tools;
}

gateway::LogAddresses log_addresses(const Config& config) {
  return config.log_addresses == "cut" ? gateway::LogAddresses::cut : gateway::LogAddresses::full;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Members are made in order and destroyed in the opposite one: what is used outlives its users.
class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const Config& config) {
    SV_TRY(auto storage, open_storage(config, Access::serve));
    SV_TRY(auto keys, signing_keys(config));
    SV_TRY(auto tools, media_tools(config));
    SV_TRY(auto search, open_search(config));
    auto server = std::unique_ptr<Server>(new Server(config, std::move(storage), std::move(keys),
                                                     std::move(tools), std::move(search)));
    SV_CHECK(server->serve(config));
    return server;
  }

  // The loops end after what only runs on them, and before what their frames use.
  ~Server() {
    background_.stop();
    background_.join();
    http_.reset();
    events_.reset();
    loops_.end();
  }

  std::uint16_t port() const { return http_->port(); }
  net::TlsIdentity* tls() { return tls_.get(); }  // null: plain HTTP
  SupervisedLoop& certificate_loop() { return storage_->supervisor.loop("tls.certificate"); }

  void stop(std::chrono::milliseconds grace) {
    gateway_->drain();
    http_->stop(grace);
    interaction_->stop();
    video_->stop();
    events_->stop();
  }

 private:
  Server(const Config& c, std::unique_ptr<Storage> storage, std::vector<auth::Key> keys,
         std::unique_ptr<media::MediaTools> tools, std::unique_ptr<SearchIndex> search)
      : storage_(std::move(storage)),
        keys_(std::move(keys)),
        revoked_(storage_->clock),
        signer_(keys_, storage_->clock),
        cores_(std::max(1u, std::thread::hardware_concurrency())),
        bcrypt_pool_("bcrypt", bcrypt_threads(), kLoginsWaiting * bcrypt_threads()),
        tools_(std::move(tools)),
        search_(std::move(search)),
        cache_(open_cache(c)),
        loops_(c.threads > 0 ? static_cast<std::size_t>(c.threads) : cores_),
        events_(open_events(c, databases(), storage_->clock, loops_.background(),
                            storage_->supervisor, metrics_)) {
    services_.user =
        (user_ = user::make_user_service({.db = storage_->of("user"),
                                          .clock = storage_->clock,
                                          .ids = storage_->ids_of("user"),
                                          .keys = keys_,
                                          .revoked = revoked_,
                                          .bcrypt_pool = bcrypt_pool_,
                                          .events = *events_,
                                          .revision = revision_,
                                          .services = services_,
                                          .metrics = metrics_,
                                          .disk = *storage_->disk,
                                          .media = tools_.get(),
                                          .memory_age = storage_->memory_age("user")},
                                         {.access_ttl = c.access_ttl,
                                          .refresh_ttl = c.refresh_ttl,
                                          .refresh_grace = c.refresh_grace,
                                          .scratch = scratch(c),
                                          .public_url = c.public_url,
                                          .bcrypt_cost = static_cast<int>(c.bcrypt_cost)}))
            .get();
    services_.video =
        (video_ = video::make_video_service(
             {.db = storage_->of("video"),
              .clock = storage_->clock,
              .ids = storage_->ids_of("video"),
              .objects = *storage_->objects,
              .events = *events_,
              .search = *search_,
              .services = services_,
              .revision = revision_,
              .metrics = metrics_,
              .supervisor = storage_->supervisor,
              .files = *storage_->disk,
              .executor = loops_.background(),
              .media = tools_.get(),
              .sign = [this](std::string_view prefix) { return signer_.sign(prefix, kLinkLife); },
              .memory_age = storage_->memory_age("video")},
             {.public_url = c.public_url,
              .scratch = scratch(c),
              .workers = static_cast<int>(c.transcode_workers)}))
            .get();
    services_.interaction = (interaction_ = interaction::make_interaction_service(
                                 {.db = storage_->of("interaction"),
                                  .clock = storage_->clock,
                                  .ids = storage_->ids_of("interaction"),
                                  .events = *events_,
                                  .revision = revision_,
                                  .services = services_,
                                  .metrics = metrics_,
                                  .memory_age = storage_->memory_age("interaction")}))
                                .get();
    services_.message =
        (message_ = message::make_message_service({.db = storage_->of("message"),
                                                   .clock = storage_->clock,
                                                   .ids = storage_->ids_of("message"),
                                                   .events = *events_,
                                                   .services = services_,
                                                   .metrics = metrics_,
                                                   .memory_age = storage_->memory_age("message")},
                                                  {.before_accept = c.messages_before_accept}))
            .get();
    services_.social =
        (social_ = social::make_social_service({.db = storage_->of("social"),
                                                .clock = storage_->clock,
                                                .events = *events_,
                                                .revision = revision_,
                                                .services = services_,
                                                .metrics = metrics_,
                                                .memory_age = storage_->memory_age("social")}))
            .get();
    for (auto& [url, place] : storage_->places)
      metrics_.watch(
          "shortvideo_sql_reads", "Read statements since the start",
          [db = place.database.db.get()] { return static_cast<double>(db->statements()); },
          {{"database", place.name}});
    std::vector<gateway::ReadyCheck> ready;
    for (auto& [service, place] : storage_->by_service)
      ready.push_back(
          {service + ".database", [db = place->database.db.get()] { return check_database(*db); }});
    ready.push_back(
        {"objects", [objects = storage_->objects.get()] { return check_objects(*objects); }});
    gateway_ = gateway::make_gateway(
        {.services = services_,
         .cache = *cache_,
         .objects = *storage_->objects,
         .keys = keys_,
         .revoked = revoked_,
         .clock = storage_->clock,
         .metrics = metrics_,
         .supervisor = storage_->supervisor,
         .revision = revision_,
         .ready = std::move(ready)},
        {.version = SV_VERSION,
         .public_url = c.public_url,
         .trusted_proxies = c.trusted_proxies,
         .cors_origins = c.cors_origins,
         .log_addresses = log_addresses(c),
         .limits_enabled = c.limits_enabled,
         .limits_factor = c.limits_factor,
         .upload_bytes = static_cast<std::uint64_t>(c.upload_bytes),
         .media_max_age = c.media_max_age,
         .page_age = storage_->shared() ? Storage::kShare : std::chrono::milliseconds(1000)});
  }

  // Requests come last: what they queue, publish or write is already being taken care of.
  Result<> serve(const Config& config) {
    SV_TRY(HostPort address, parse_host_port("listen", config.listen));
    SV_TRY(tls_, load_tls(config));
    http_ = net::make_http_server({.host = address.host,
                                   .port = address.port,
                                   .limits = http_limits(config),
                                   .tls = tls_,
                                   .supervisor = &storage_->supervisor},
                                  loops_.edge(), gateway_->handler(), gateway_->error_body());
    video_->start();
    if (auto heard = events_->start(); !heard) {
      stop(std::chrono::milliseconds(0));
      return fail(Errc::unavailable, "events_unusable",
                  fmt::format("events: {}", heard.error().detail));
    }
    // What ends from now on is heard of as an event.
    if (auto heard = block_on(revoked_feed_.pull()); !heard) {
      stop(std::chrono::milliseconds(0));
      return heard;
    }
    if (storage_->shared())
      background_.spawn(loops_.background(), [this] {
        return revoked_feed_.follow(storage_->supervisor.loop("sessions.revoked"));
      });
    const auto bound = http_->start();
    if (bound) return {};
    stop(std::chrono::milliseconds(0));
    return fail(Errc::unavailable, "listen_failed",
                fmt::format("listen: {}", bound.error().detail));
  }

  std::vector<sql::Database*> databases() {
    std::vector<sql::Database*> out;
    for (auto& [url, place] : storage_->places) out.push_back(place.database.db.get());
    return out;
  }

  // All cores but one, which the feed keeps.
  std::size_t bcrypt_threads() const { return std::max(1u, cores_ - 1); }

  static net::HttpLimits http_limits(const Config& config) {
    net::HttpLimits limits;
    limits.body_idle = config.body_idle;
    limits.body_rate = static_cast<std::uint32_t>(config.body_rate);
    return limits;
  }

  std::unique_ptr<Storage> storage_;
  metrics::Registry& metrics_ = storage_->metrics;
  ContentRevision revision_;
  auth::KeyRing keys_;
  auth::RevokedSessions revoked_;
  auth::UrlSigner signer_;
  const unsigned cores_;
  ThreadPool bcrypt_pool_;
  std::unique_ptr<media::MediaTools> tools_;
  std::unique_ptr<SearchIndex> search_;
  std::unique_ptr<Cache> cache_;
  Loops loops_;
  Services services_;
  gateway::RevokedFeed revoked_feed_{services_, revoked_, storage_->clock};
  TaskGroup background_{"app"};
  std::unique_ptr<user::UserApi> user_;
  std::unique_ptr<video::VideoService> video_;
  std::unique_ptr<interaction::InteractionService> interaction_;
  std::unique_ptr<message::MessageApi> message_;
  std::unique_ptr<social::SocialApi> social_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::unique_ptr<EventBus> events_;
  std::shared_ptr<net::TlsIdentity> tls_;
  std::unique_ptr<net::HttpServer> http_;
};

// A certificate that cannot be used leaves the one before in place, and is told once.
void renew_certificate(net::TlsIdentity& tls, bool asked) {
  Result<bool> renewed = false;
  if (asked) {
    auto done = tls.reload();
    renewed = done ? Result<bool>(true) : std::unexpected(std::move(done.error()));
  } else {
    renewed = tls.reload_if_changed();
  }
  if (!renewed)
    return log::error("app", "the new certificate cannot be used, the old one stays",
                      {{"error", tls_sentence(renewed.error())}});
  if (!*renewed) return;
  log::info("app", "certificate loaded", {});
  if (const std::string warning = tls.warning(); !warning.empty())
    log::warn("app", "tls.cert", {{"warning", warning}});
}

// Until SIGINT or SIGTERM comes. Meanwhile SIGHUP, or a change of its files, renews the
// certificate.
int wait_for_stop(const sigset_t& signals, net::TlsIdentity* tls, SupervisedLoop& loop) {
  for (;;) {
    const timespec look{.tv_sec = kCertificateLook.count(), .tv_nsec = 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &look);
    if (signal == SIGINT || signal == SIGTERM) return signal;
    if (!tls || (signal != SIGHUP && errno != EAGAIN)) continue;
    try {
      renew_certificate(*tls, signal == SIGHUP);
      loop.succeeded();
    } catch (const std::exception& e) { (void)loop.failed(error_of(e)); }
  }
}

}  // namespace

Result<> run_server(const Config& config) {
  // Every thread inherits the blocked signals; this one waits for them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  if (!config.tls_cert.empty()) sigaddset(&stop_signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  raise_file_limit();

  SV_TRY(HostPort address, parse_host_port("listen", config.listen));
  SV_TRY(auto server, Server::start(config));
  const std::string host =
      address.host.find(':') == std::string::npos ? address.host : "[" + address.host + "]";
  fmt::print("listening on {}://{}:{}\n", server->tls() ? "https" : "http", host, server->port());
  std::fflush(stdout);
  log::info("app", "started",
            {{"version", SV_VERSION},
             {"listen", config.listen},
             {"port", server->port()},
             {"data", config.data}});

  if (const std::string warning = server->tls() ? server->tls()->warning() : ""; !warning.empty())
    log::warn("app", "tls.cert", {{"warning", warning}});

  const int signal = wait_for_stop(stop_signals, server->tls(), server->certificate_loop());
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);  // a second one ends the process at once
  log::info("app", "stopping", {{"signal", signal}});
  server->stop(config.stop_grace);
  server.reset();
  log::info("app", "stopped", {});
  return {};
}

}  // namespace sv
