#include <sys/resource.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <future>
#include <span>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "app/admin_server.h"
#include "app/local_services.h"
#include "app/loops.h"
#include "app/peers.h"
#include "app/ready_checks.h"
#include "app/tls.h"
#include "app/wiring.h"
#include "gateway/address.h"
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
#include "platform/rpc/client.h"
#include "platform/rpc/server.h"

namespace sv {
namespace {

constexpr std::chrono::seconds kCertificateLook{60};
constexpr std::size_t kLoginsWaiting =
    64;  // for one thread: some 6 s of bcrypt, less than a request's time
constexpr std::int64_t kLongAgoMs = 60'000;
constexpr std::chrono::seconds kLookAgain{1};  // for what must be there before the start

Result<std::vector<auth::Key>> signing_keys(const Config& config) {
  if (config.auth_keys.empty())
    return auth::load_or_create_keys(std::filesystem::path(config.data) / "auth_keys");
  std::vector<auth::Key> keys;
  for (const auto& key : config.auth_keys) keys.push_back({key.kid, key.secret});
  SV_CHECK(auth::KeyRing::validate(keys));
  return keys;
}

// For jobs, and for pictures of people.
Result<std::unique_ptr<media::MediaTools>> media_tools(const Config& config,
                                                       const Storage& storage) {
  const Roles roles = roles_of(config);
  if (config.transcode_workers == 0 || !(roles.transcode || roles.has("user"))) return nullptr;
  media::MediaTools::Options options;
  options.scratch = scratch_of(storage);
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
    const Roles roles = roles_of(config);
    SV_TRY(auto storage, open_storage(config, Access::serve));
    SV_TRY(auto keys, signing_keys(config));
    SV_TRY(auto tools, media_tools(config, *storage));
    SV_TRY(Shown web, load_tls(config));
    SV_TRY(Shown rpc, load_rpc_tls(config));
    std::unique_ptr<SearchIndex> search;
    if (roles.has("video") || roles.transcode) { SV_TRY(search, open_search(config)); }
    auto server = std::unique_ptr<Server>(new Server(config, std::move(storage), std::move(keys),
                                                     std::move(tools), std::move(search),
                                                     {std::move(web), std::move(rpc)}));
    SV_CHECK(server->serve(config));
    return server;
  }

  // The loops end after what only runs on them, and before what their frames use.
  ~Server() {
    background_.stop();
    background_.join();
    admin_.reset();
    http_.reset();
    rpc_.clear();
    events_.reset();
    registry_.reset();
    client_.reset();
    loops_.end();
  }

  std::uint16_t port() const { return http_ ? http_->port() : std::uint16_t{0}; }
  bool secure() const { return tls().identity != nullptr; }
  std::span<const Shown> certificates() const { return certificates_; }
  SupervisedLoop& certificate_loop() { return storage_->supervisor.loop("tls.certificate"); }
  // "user on 127.0.0.1:8881"
  const std::vector<std::string>& served() const { return served_; }

  // Others stop calling before nobody answers here.
  void stop(std::chrono::milliseconds grace, std::chrono::milliseconds linger) {
    draining_ = true;
    if (gateway_) gateway_->drain();
    asio::co_spawn(loops_.background(), registry_->withdraw(), asio::use_future).get();
    if (!rpc_.empty()) std::this_thread::sleep_for(linger);
    if (http_) http_->stop(grace);
    for (auto& server : rpc_) server->stop(grace);
    local_.stop();
    events_->stop();
    client_->stop();
    if (admin_) admin_->stop(std::chrono::milliseconds(0));
  }

 private:
  Server(const Config& c, std::unique_ptr<Storage> storage, std::vector<auth::Key> keys,
         std::unique_ptr<media::MediaTools> tools, std::unique_ptr<SearchIndex> search,
         std::array<Shown, 2> certificates)
      : roles_(roles_of(c)),
        certificates_(std::move(certificates)),
        storage_(std::move(storage)),
        secrets_(rpc_secrets(c, keys)),
        keys_(std::move(keys)),
        revoked_(storage_->clock),
        signer_(keys_, storage_->clock),
        cores_(std::max(1u, std::thread::hardware_concurrency())),
        bcrypt_pool_("bcrypt", bcrypt_threads(), kLoginsWaiting * bcrypt_threads()),
        tools_(std::move(tools)),
        search_(std::move(search)),
        loops_(c.threads > 0 ? static_cast<std::size_t>(c.threads) : cores_),
        cache_(open_cache(c, loops_.all(), metrics_)),
        events_(open_events(c, databases(), storage_->clock, loops_.background(),
                            storage_->supervisor, metrics_)),
        registry_(open_registry(c, loops_.background(), metrics_)),
        client_(rpc::make_client(
            {.secrets = secrets_, .tls = rpc_tls().identity, .metrics = &metrics_}, loops_.all())),
        stubs_([this](std::string_view service) -> rpc::Channel& {
          return client_->to(std::string(service), instances_of(service));
        }),
        local_(c,
               {.storage = *storage_,
                .keys = keys_,
                .revoked = revoked_,
                .signer = signer_,
                .bcrypt_pool = bcrypt_pool_,
                .tools = tools_.get(),
                .search = search_.get(),
                .events = *events_,
                .revision = revision_,
                .background = loops_.background()},
               services_) {
    for (const std::string_view service : served_services())
      if (elsewhere(service)) stubs_.stand_in(services_, service);
    for (auto& [url, place] : storage_->places)
      metrics_.watch(
          "shortvideo_sql_reads", "Read statements since the start",
          [db = place.database.db.get()] { return static_cast<double>(db->statements()); },
          {{"database", place.name}});
    ready_ = ready_checks();
    if (roles_.gateway) make_gateway(c);
  }

  void make_gateway(const Config& c) {
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
         .ready = ready_},
        {.mode = mode(),
         .version = SV_VERSION,
         .public_url = c.public_url,
         .trusted_proxies = c.trusted_proxies,
         .cors_origins = c.cors_origins,
         .log_addresses = log_addresses(c),
         .limits_enabled = c.limits_enabled,
         .limits_factor = c.limits_factor,
         .upload_bytes = static_cast<std::uint64_t>(c.upload_bytes),
         .media_max_age = c.media_max_age,
         .media_redirect = c.media_redirect,
         .page_age = shared() ? Storage::kShare : std::chrono::milliseconds(1000),
         .services_elsewhere = roles_.cluster});
  }

  // Requests come last: what they queue, publish or write is already being taken care of.
  Result<> serve(const Config& config) {
    auto done = serve_inside(config);
    if (done && gateway_) done = serve_web(config);
    if (!done) stop(std::chrono::milliseconds(0), std::chrono::milliseconds(0));
    return done;
  }

  Result<> serve_inside(const Config& config) {
    SV_CHECK(serve_admin(config));
    local_.start();
    if (auto heard = events_->start(); !heard)
      return fail(Errc::unavailable, "events_unusable",
                  fmt::format("events: {}", heard.error().detail));
    SV_CHECK(hear_of_ended_sessions());
    return serve_rpc(config);
  }

  // For those who look at tokens.
  Result<> hear_of_ended_sessions() {
    if (!roles_.gateway && !roles_.has("user")) return {};
    // Where the owner is elsewhere nobody is believed before it has said who has left.
    if (roles_.has("user")) SV_CHECK(block_on(revoked_feed_.pull()));
    else revoked_.heard(storage_->clock.monotonic_ms() - kLongAgoMs);
    if (!shared()) return {};  // what ends from now on is heard of as an event
    background_.spawn(loops_.background(), [this] { return revoked_feed_.follow(revoked_loop_); });
    return {};
  }

  // This process's own port of health and metrics, for whoever runs it.
  Result<> serve_admin(const Config& config) {
    const std::string listen = metrics_listen_of(config);
    if (listen.empty()) return {};
    SV_TRY(HostPort at, parse_host_port("metrics.listen", listen));
    admin_handler_ = make_admin_handler({.metrics = metrics_,
                                         .supervisor = storage_->supervisor,
                                         .ready = ready_,
                                         .draining = draining_,
                                         .mode = mode()});
    admin_ = net::make_http_server(
        {.host = at.host, .port = at.port, .supervisor = &storage_->supervisor, .name = "admin"},
        {loops_.background()}, admin_handler_, admin_error_body());
    if (auto bound = admin_->start(); !bound)
      return fail(Errc::unavailable, "listen_failed",
                  fmt::format("metrics.listen: {}", bound.error().detail));
    served_.push_back(fmt::format("metrics on {}:{}", at.host, admin_->port()));
    return {};
  }

  Result<> serve_rpc(const Config& config) {
    const gateway::TrustedProxies trusted(config.rpc_trusted_peers);
    for (const std::string& service : roles_.callable) {
      SV_TRY(HostPort at, parse_host_port("rpc.listen", rpc_listen_of(config, service)));
      auto server = rpc::make_server(
          {.host = at.host,
           .port = at.port,
           .secrets = secrets_,
           .tls = rpc_tls().identity,
           .trusts = [trusted](const auto& address) { return trusted.contains(address); },
           .supervisor = &storage_->supervisor,
           .metrics = &metrics_,
           .service = service},
          loops_.edge(), dispatcher_of(services_, service));
      if (auto bound = server->start(); !bound)
        return fail(Errc::unavailable, "listen_failed",
                    fmt::format("rpc.listen.{}: {}", service, bound.error().detail));
      const std::string address =
          advertised(config.rpc_advertise.empty() ? at.host : config.rpc_advertise, server->port());
      registry_->announce(service, {.address = address});
      served_.push_back(fmt::format("{} on {}", service, address));
      rpc_.push_back(std::move(server));
    }
    return {};
  }

  Result<> serve_web(const Config& config) {
    SV_TRY(HostPort address, parse_host_port("listen", config.listen));
    http_ = net::make_http_server({.host = address.host,
                                   .port = address.port,
                                   .limits = http_limits(config),
                                   .tls = tls().identity,
                                   .supervisor = &storage_->supervisor},
                                  loops_.edge(), gateway_->handler(), gateway_->error_body());
    if (auto bound = http_->start(); !bound)
      return fail(Errc::unavailable, "listen_failed",
                  fmt::format("listen: {}", bound.error().detail));
    return {};
  }

  bool elsewhere(std::string_view service) const { return roles_.cluster && !roles_.has(service); }
  // Who is not asked is not followed.
  const InstanceList& instances_of(std::string_view service) {
    const auto served = served_services();
    return elsewhere(service) && std::ranges::find(served, service) != served.end()
               ? registry_->instances_of(service)
               : nobody_;
  }
  // Others write what is kept here in memory.
  bool shared() const { return roles_.cluster || storage_->shared(); }
  std::string mode() const { return roles_.cluster ? "cluster" : "embedded"; }

  std::vector<gateway::ReadyCheck> ready_checks() {
    std::vector<gateway::ReadyCheck> ready;
    for (auto& [service, place] : storage_->by_service)
      ready.push_back(database_check(service + ".database", *place->database.db));
    // Of many processes each serves what does not need it while it is away.
    ready.push_back(objects_check(*storage_->objects, !roles_.cluster));
    for (const std::string_view service : served_services())
      if (elsewhere(service))
        ready.push_back(met_check(std::string(service), registry_->instances_of(service)));
    if (roles_.gateway && shared()) ready.push_back(sessions_check(revoked_));
    if (roles_.cluster) ready.push_back(announced_check(*registry_));
    return ready;
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

  const Shown& tls() const { return certificates_[0]; }
  const Shown& rpc_tls() const { return certificates_[1]; }

  const Roles roles_;
  const std::array<Shown, 2> certificates_;
  std::unique_ptr<Storage> storage_;
  metrics::Registry& metrics_ = storage_->metrics;
  ContentRevision revision_;
  const std::vector<std::string> secrets_;
  auth::KeyRing keys_;
  auth::RevokedSessions revoked_;
  auth::UrlSigner signer_;
  const unsigned cores_;
  ThreadPool bcrypt_pool_;
  std::unique_ptr<media::MediaTools> tools_;
  std::unique_ptr<SearchIndex> search_;
  Loops loops_;
  std::unique_ptr<Cache> cache_;
  std::unique_ptr<EventBus> events_;
  std::unique_ptr<Registry> registry_;
  const InstanceList nobody_;
  std::unique_ptr<rpc::Client> client_;
  Stubs stubs_;
  Services services_;
  gateway::RevokedFeed revoked_feed_{services_, revoked_, storage_->clock};
  // While the user service is silent guests are served: it makes nobody unready.
  SupervisedLoop revoked_loop_{
      "sessions.revoked",
      metrics_.counter("shortvideo_loop_failures_total", "Rounds of background loops that failed",
                       {{"loop", "sessions.revoked"}})};
  TaskGroup background_{"app"};
  LocalServices local_;
  std::vector<gateway::ReadyCheck> ready_;
  std::unique_ptr<gateway::Gateway> gateway_;
  std::vector<std::unique_ptr<rpc::Server>> rpc_;
  std::unique_ptr<net::HttpServer> http_;
  std::atomic<bool> draining_{false};
  net::Handler admin_handler_;
  std::unique_ptr<net::HttpServer> admin_;
  std::vector<std::string> served_;
};

// Until SIGINT or SIGTERM comes. Meanwhile SIGHUP, or a change of its files, renews the
// certificate.
int wait_for_stop(const sigset_t& signals, std::span<const Shown> certificates,
                  SupervisedLoop& loop) {
  for (;;) {
    const timespec look{.tv_sec = kCertificateLook.count(), .tv_nsec = 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &look);
    if (signal == SIGINT || signal == SIGTERM) return signal;
    if (signal != SIGHUP && errno != EAGAIN) continue;
    try {
      for (const Shown& one : certificates) renew(one, signal == SIGHUP);
      loop.succeeded();
    } catch (const std::exception& e) { (void)loop.failed(error_of(e)); }
  }
}

// What is not there yet and may come: of many processes none is the first.
bool may_come(const Config& config, const Error& error) {
  return roles_of(config).cluster && error.code == Errc::unavailable &&
         error.detail.starts_with("database");
}

// Null: it was asked to stop before everything was there.
Result<std::unique_ptr<Server>> start_when_possible(const Config& config, const sigset_t& signals) {
  for (std::string told;;) {
    auto server = Server::start(config);
    if (server || !may_come(config, server.error())) return server;
    if (std::exchange(told, server.error().detail) != server.error().detail)
      log::warn("app", "waiting", {{"for", server.error().detail}});
    const timespec look{.tv_sec = kLookAgain.count(), .tv_nsec = 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &look);
    if (signal == SIGINT || signal == SIGTERM) return std::unique_ptr<Server>();
  }
}

}  // namespace

Result<> run_server(const Config& config) {
  // Every thread inherits the blocked signals; this one waits for them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  if (!config.tls_cert.empty() || !config.rpc_tls_cert.empty()) sigaddset(&stop_signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  raise_file_limit();

  SV_TRY(HostPort address, parse_host_port("listen", config.listen));
  SV_TRY(auto server, start_when_possible(config, stop_signals));
  if (!server) return {};
  const std::string host =
      address.host.find(':') == std::string::npos ? address.host : "[" + address.host + "]";
  for (const std::string& one : server->served()) fmt::print("serving {}\n", one);
  if (server->port() != 0)
    fmt::print("listening on {}://{}:{}\n", server->secure() ? "https" : "http", host,
               server->port());
  std::fflush(stdout);
  log::info("app", "started",
            {{"version", SV_VERSION},
             {"services", roles_of(config).name()},
             {"listen", config.listen},
             {"port", server->port()},
             {"data", config.data}});

  for (const Shown& one : server->certificates()) warn_if_invalid(one);
  const int signal =
      wait_for_stop(stop_signals, server->certificates(), server->certificate_loop());
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);  // a second one ends the process at once
  log::info("app", "stopping", {{"signal", signal}});
  server->stop(config.stop_grace, config.rpc_linger);
  server.reset();
  log::info("app", "stopped", {});
  return {};
}

}  // namespace sv
