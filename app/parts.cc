#include "app/parts.h"

#include <algorithm>

#include "app/config_value.h"
#include "platform/adapters/etcd_registry.h"
#include "platform/adapters/file_objects.h"
#include "platform/adapters/id_source.h"
#include "platform/adapters/kafka_events.h"
#include "platform/adapters/local_events.h"
#include "platform/adapters/local_search.h"
#include "platform/adapters/memory_cache.h"
#include "platform/adapters/postgres.h"
#include "platform/adapters/redis_cache.h"
#include "platform/adapters/s3_objects.h"
#include "platform/adapters/sqlite.h"
#include "platform/adapters/sqlite_snapshot.h"
#include "platform/adapters/static_registry.h"

namespace sv {
namespace {

template <class Open>
struct Scheme {
  std::string_view name;
  Open open;
};

// check_config has refused what is in no table.
template <class Open, std::size_t N>
Open adapter(const Scheme<Open> (&table)[N], std::string_view url) {
  return std::ranges::find(table, url.substr(0, url.find(':')), &Scheme<Open>::name)->open;
}

template <class Open, std::size_t N>
std::vector<std::string_view> names(const Scheme<Open> (&table)[N]) {
  std::vector<std::string_view> out;
  for (const auto& scheme : table) out.push_back(scheme.name);
  return out;
}

struct DatabasePlace {
  const Config& config;
  std::string_view url;
  const std::string& name;
  bool read_only;
  Supervisor& supervisor;
  metrics::Registry& metrics;
};

Result<OpenDatabase> open_file(const DatabasePlace& place) {
  SqliteOptions options;
  options.path = parse_part_url(place.config, place.url).path;
  options.read_only = place.read_only;
  OpenDatabase out;
  options.checkpoints = &place.supervisor.loop("sqlite.checkpoint." + place.name);
  SV_TRY(out.db, open_sqlite(options));
  out.migrate = [db = out.db.get()](auto migrations, auto owner) {
    return migrate_sqlite(*db, migrations, owner);
  };
  out.pin = [path = options.path]() -> Result<OpenDatabase::CopyTo> {
    SV_TRY(std::shared_ptr<SqliteSnapshot> pinned, pin_sqlite(path));
    return [pinned](const std::filesystem::path& to) { return pinned->copy_to(to); };
  };
  return out;
}

void watch(metrics::Registry& metrics, std::shared_ptr<PostgresCounters> counters,
           const std::string& name) {
  const auto add = [&](const char* metric, const char* help, auto member) {
    metrics.watch(
        metric, help,
        [counters, member] { return static_cast<double>((counters.get()->*member).load()); },
        {{"database", name}});
  };
  add("shortvideo_sql_connections", "Connections to the server that are open",
      &PostgresCounters::open);
  add("shortvideo_sql_in_use", "Works that run and reads in flight", &PostgresCounters::in_use);
  add("shortvideo_sql_waiting", "Works and reads that wait for a connection",
      &PostgresCounters::waiting);
  add("shortvideo_sql_works", "Writes committed since the start", &PostgresCounters::works);
  add("shortvideo_sql_retries", "Works run again after a conflict since the start",
      &PostgresCounters::retries);
  add("shortvideo_sql_reconnects", "Connections lost and made again since the start",
      &PostgresCounters::reconnects);
}

Result<OpenDatabase> open_server(const DatabasePlace& place) {
  auto counters = std::make_shared<PostgresCounters>();
  PostgresOptions options{.url = std::string(place.url), .counters = counters};
  std::size_t connections = static_cast<std::size_t>(place.config.database_connections);
  if (connections == 0) connections = roles_of(place.config).cluster ? 5 : 10;
  options.readers = connections < 8 ? 1 : 2;
  options.writers = connections - options.readers;
  OpenDatabase out;
  out.shared = true;
  SV_TRY(out.db, open_postgres(options));
  out.migrate = [options](auto migrations, auto owner) {
    return migrate_postgres(options, migrations, owner);
  };
  watch(place.metrics, std::move(counters), place.name);
  return out;
}

constexpr Scheme<Result<OpenDatabase> (*)(const DatabasePlace&)> kDatabases[] = {
    {"sqlite", open_file}, {"postgres", open_server}, {"postgresql", open_server}};

struct CacheKind {
  Result<> (*check)(std::string_view url);
  std::unique_ptr<Cache> (*open)(std::string_view url, std::vector<asio::any_io_executor>,
                                 metrics::Registry&);
};

std::size_t megabytes(std::string_view url) {
  const auto query = parse_part_url({}, url).query;
  const auto mb = query.find("mb");
  return mb == query.end() ? 256 : std::stoul(mb->second);
}
constexpr CacheKind kMemory{
    [](std::string_view url) -> Result<> {
      const auto query = parse_part_url({}, url).query;
      const auto mb = query.find("mb");
      if (mb == query.end() || setting::number<std::uint32_t>(mb->second)) return {};
      return fail(Errc::invalid_argument, {},
                  fmt::format("mb={} is not a whole number of MiB", mb->second));
    },
    [](std::string_view url, std::vector<asio::any_io_executor>, metrics::Registry&) {
      return make_memory_cache({.bytes = megabytes(url) << 20});
    }};
constexpr CacheKind kRedis{
    [](std::string_view url) -> Result<> {
      SV_CHECK(parse_redis_url(url));
      return {};
    },
    [](std::string_view url, std::vector<asio::any_io_executor> loops, metrics::Registry& metrics) {
      auto options = *parse_redis_url(url);
      options.metrics = &metrics;
      return make_redis_cache(std::move(options), std::move(loops));
    }};
constexpr Scheme<CacheKind> kCaches[] = {{"memory", kMemory},         {"redis", kRedis},
                                         {"rediss", kRedis},          {"redis+sentinel", kRedis},
                                         {"rediss+sentinel", kRedis}, {"redis+cluster", kRedis},
                                         {"rediss+cluster", kRedis}};

std::unique_ptr<EventBus> local_events(const Config& config, std::vector<sql::Database*> sources,
                                       const Clock& clock, asio::any_io_executor executor,
                                       Supervisor& supervisor, metrics::Registry& metrics) {
  LocalEventsOptions options;
  const auto query = parse_part_url(config, config.events).query;
  if (const auto tries = query.find("tries"); tries != query.end())
    options.tries = std::stoi(tries->second);
  return make_local_events(std::move(sources), clock, std::move(executor), supervisor, metrics,
                           options);
}
Result<> check_local_events(std::string_view url) {
  const auto query = parse_part_url({}, url).query;
  const auto tries = query.find("tries");
  if (tries == query.end() || setting::number<std::uint16_t>(tries->second).value_or(0) != 0)
    return {};
  return fail(Errc::invalid_argument, {},
              fmt::format("tries={} is not a number from 1 to 65535", tries->second));
}
std::unique_ptr<EventBus> kafka_events(const Config& config, std::vector<sql::Database*> sources,
                                       const Clock& clock, asio::any_io_executor executor,
                                       Supervisor& supervisor, metrics::Registry& metrics) {
  return make_kafka_events(std::move(sources), clock, std::move(executor), supervisor, metrics,
                           {.url = config.events});
}
struct BusKind {
  Result<> (*check)(std::string_view url);
  decltype(&kafka_events) open;
};
constexpr Scheme<BusKind> kBuses[] = {{"local", {check_local_events, local_events}},
                                      {"kafka", {check_kafka_url, kafka_events}}};

Result<std::unique_ptr<SearchIndex>> local_search(const Config& config) {
  auto index = make_local_search(std::filesystem::path(config.data) / "search.db");
  if (!index)
    return fail(Errc::unavailable, "search_unusable",
                fmt::format("search: {}", index.error().detail));
  return index;
}
constexpr Scheme<decltype(&local_search)> kIndexes[] = {{"local", local_search}};

struct StorePlace {
  const Config& config;
  bool read_only;
  ThreadPool& disk;
  metrics::Registry& metrics;
};
struct StoreKind {
  Result<> (*check)(std::string_view url);
  Result<std::unique_ptr<ObjectStore>> (*open)(const StorePlace&);
};
constexpr StoreKind kFolder{
    [](std::string_view) -> Result<> { return {}; },
    [](const StorePlace& place) {
      const PartUrl url = parse_part_url(place.config, place.config.objects);
      return make_file_objects({.root = url.path, .read_only = place.read_only}, place.disk);
    }};
// Of many processes those that can do without it for a while begin without it.
constexpr StoreKind kBucket{check_s3_url, [](const StorePlace& place) {
                              return make_s3_objects(
                                  {.url = place.config.objects,
                                   .metrics = &place.metrics,
                                   .may_be_away = roles_of(place.config).cluster},
                                  place.disk);
                            }};
constexpr Scheme<StoreKind> kStores[] = {
    {"file", kFolder}, {"s3+http", kBucket}, {"s3+https", kBucket}};

// "host:port,host:port"
Result<std::vector<Instance>> instances_of(std::string_view text) {
  std::vector<Instance> out;
  for (; !text.empty(); text.remove_prefix(std::min(text.find(',') + 1, text.size()))) {
    const std::string address(text.substr(0, text.find(',')));
    SV_TRY([[maybe_unused]] auto at, parse_host_port("registry", address));
    out.push_back({.address = address});
    if (text.find(',') == std::string_view::npos) break;
  }
  if (out.empty()) return fail(Errc::invalid_argument, {}, "no address is named");
  return out;
}

struct NoRegistry {
  static Result<NoRegistry> parse(std::string_view) { return NoRegistry{}; }
  std::unique_ptr<Registry> open(asio::any_io_executor, metrics::Registry&) {
    return make_static_registry({});
  }
};

// static:?user=10.0.0.7:8881,10.0.0.8:8881&video=…
struct NamedInstances {
  std::map<std::string, std::vector<Instance>> instances;
  static Result<NamedInstances> parse(std::string_view url) {
    NamedInstances out;
    for (const auto& [service, addresses] : parse_part_url({}, url).query) {
      if (std::ranges::find(service_names(), service) == service_names().end())
        return fail(Errc::invalid_argument, {}, fmt::format("there is no service {}", service));
      SV_TRY(out.instances[service], instances_of(addresses));
    }
    return out;
  }
  std::unique_ptr<Registry> open(asio::any_io_executor, metrics::Registry&) {
    return make_static_registry(std::move(instances));
  }
};

// etcd://[user:password@]host:2379,host:2379[?prefix=kitex/registry-etcd]
struct Etcd {
  EtcdPlace place;
  std::string prefix = EtcdOptions().prefix;
  static Result<Etcd> parse(std::string_view url) {
    Etcd out;
    if (!url.starts_with("etcd://"))
      return fail(Errc::invalid_argument, {}, "it is not like etcd://host:2379");
    url.remove_prefix(7);
    if (const auto mark = url.find('?'); mark != std::string_view::npos) {
      const std::string_view query = url.substr(mark + 1);
      if (!query.starts_with("prefix=") || query.size() == 7 || query.ends_with('/') ||
          query.find('&') != std::string_view::npos)
        return fail(Errc::invalid_argument, {},
                    fmt::format("\"{}\": only prefix=some/path can be given", query));
      out.prefix = query.substr(7);
      url = url.substr(0, mark);
    }
    if (const auto at = url.rfind('@'); at != std::string_view::npos) {
      const std::string_view who = url.substr(0, at);
      out.place.user = who.substr(0, who.find(':'));
      out.place.password = who.substr(std::min(who.find(':') + 1, who.size()));
      url.remove_prefix(at + 1);
    }
    if (url.ends_with('/')) url.remove_suffix(1);
    SV_TRY(const auto endpoints, instances_of(url));
    for (const Instance& one : endpoints) out.place.endpoints.push_back(one.address);
    return out;
  }
  std::unique_ptr<Registry> open(asio::any_io_executor executor, metrics::Registry& metrics) {
    return make_etcd_registry({.place = std::move(place), .prefix = std::move(prefix)},
                              std::move(executor), metrics);
  }
};

template <class Kind>
Result<> registry_url(std::string_view url) {
  SV_CHECK(Kind::parse(url));
  return {};
}
template <class Kind>
std::unique_ptr<Registry> registry(std::string_view url, asio::any_io_executor executor,
                                   metrics::Registry& metrics) {
  return Kind::parse(url)->open(std::move(executor), metrics);
}
struct RegistryKind {
  Result<> (*check)(std::string_view);
  std::unique_ptr<Registry> (*open)(std::string_view, asio::any_io_executor, metrics::Registry&);
};
template <class Kind>
constexpr RegistryKind kRegistry{registry_url<Kind>, registry<Kind>};
constexpr Scheme<RegistryKind> kRegistries[] = {{"none", kRegistry<NoRegistry>},
                                                {"static", kRegistry<NamedInstances>},
                                                {"etcd", kRegistry<Etcd>}};

}  // namespace

std::vector<std::string_view> schemes_of(std::string_view key) {
  if (key == "database") return names(kDatabases);
  if (key == "cache") return names(kCaches);
  if (key == "events") return names(kBuses);
  if (key == "search") return names(kIndexes);
  if (key == "registry") return names(kRegistries);
  return names(kStores);
}

Result<OpenDatabase> open_database(const Config& config, std::string_view url,
                                   const std::string& name, bool read_only, Supervisor& supervisor,
                                   metrics::Registry& metrics) {
  return adapter(kDatabases, url)({config, url, name, read_only, supervisor, metrics});
}

std::vector<std::pair<std::string_view, std::span<const sql::Migration>>> tables_of_parts() {
  return {{"event", local_events_migrations()}, {"id", id_migrations()}};
}

Result<std::unique_ptr<IdSource>> open_ids(sql::Database& db, const Clock& clock,
                                           Supervisor& supervisor, const std::string& name) {
  return make_id_source(db, clock, supervisor, name);
}

Result<std::unique_ptr<sql::Database>> open_copy(const std::filesystem::path& file) {
  return open_sqlite({.path = file, .readers = 1, .read_only = true});
}

Result<> check_cache(std::string_view url) { return adapter(kCaches, url).check(url); }

std::unique_ptr<Cache> open_cache(const Config& config, std::vector<asio::any_io_executor> loops,
                                  metrics::Registry& metrics) {
  return adapter(kCaches, config.cache).open(config.cache, std::move(loops), metrics);
}

std::unique_ptr<EventBus> open_events(const Config& config, std::vector<sql::Database*> sources,
                                      const Clock& clock, asio::any_io_executor executor,
                                      Supervisor& supervisor, metrics::Registry& metrics) {
  return adapter(kBuses, config.events)
      .open(config, std::move(sources), clock, std::move(executor), supervisor, metrics);
}

Result<> check_events(std::string_view url) { return adapter(kBuses, url).check(url); }

Result<> check_registry(std::string_view url) { return adapter(kRegistries, url).check(url); }

std::unique_ptr<Registry> open_registry(const Config& config, asio::any_io_executor executor,
                                        metrics::Registry& metrics) {
  return adapter(kRegistries, config.registry).open(config.registry, std::move(executor), metrics);
}

Result<std::unique_ptr<SearchIndex>> open_search(const Config& config) {
  return adapter(kIndexes, config.search)(config);
}

Result<> check_objects(std::string_view url) { return adapter(kStores, url).check(url); }

Result<std::unique_ptr<ObjectStore>> open_objects(const Config& config, bool read_only,
                                                  ThreadPool& disk, metrics::Registry& metrics) {
  auto store = adapter(kStores, config.objects).open({config, read_only, disk, metrics});
  if (!store) store.error().detail = fmt::format("objects: {}", store.error().detail);
  return store;
}

}  // namespace sv
