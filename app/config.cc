#include "app/config.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include <yaml-cpp/yaml.h>

#include "app/config_value.h"
#include "app/parts.h"
#include "gateway/address.h"
#include "gateway/cors.h"

namespace sv {
namespace {

using namespace std::chrono_literals;
using namespace setting;

constexpr std::array<std::string_view, 8> kServices{"user",    "video", "social", "interaction",
                                                    "message", "live",  "danmu",  "recommend"};

// The port of each service's calls, as in the Go system.
constexpr std::uint16_t kFirstPort = 8881;
constexpr std::array<std::string_view, 5> kServed{"user", "video", "social", "interaction",
                                                  "message"};  // of this build

std::unexpected<Error> bad(std::string detail) {
  return fail(Errc::invalid_argument, "config_invalid", std::move(detail));
}

struct Key {
  std::string_view name;
  std::string_view expects;  // "a duration such as 24h"
  std::function<bool(Config&, const Input&)> set;
};

Key text(std::string_view name, std::string Config::* member) {
  return {name, "a text", [member](Config& c, const Input& in) {
            if (in.node && !in.node.IsScalar() && !in.node.IsNull()) return false;
            c.*member = in.text;
            return true;
          }};
}
template <class T>
Key parsed(std::string_view name, std::string_view expects, T Config::* member,
           std::optional<T> (*parse)(std::string_view)) {
  return {name, expects, [member, parse](Config& c, const Input& in) {
            if (in.node && !in.node.IsScalar()) return false;
            auto v = parse(in.text);
            if (v) c.*member = *v;
            return v.has_value();
          }};
}
Key words(std::string_view name, std::vector<std::string> Config::* member) {
  return {name, "a list such as [a, b]", [member](Config& c, const Input& in) {
            auto v = list(in);
            if (v) c.*member = std::move(*v);
            return v.has_value();
          }};
}

const std::vector<Key>& keys() {
  constexpr std::string_view kDuration = "a duration such as 90s, 15m, 24h or 30d",
                             kWhole = "a whole number", kBytes = "a size such as 512M or 4G";
  static const std::vector<Key> all{
      text("listen", &Config::listen),
      text("tls.cert", &Config::tls_cert),
      text("tls.key", &Config::tls_key),
      text("public_url", &Config::public_url),
      words("trusted_proxies", &Config::trusted_proxies),
      words("cors.origins", &Config::cors_origins),
      words("ws.origins", &Config::ws_origins),
      {"services", "a list of services or all",
       [](Config& c, const Input& in) {
         auto v = list(in);
         if (!v) return false;
         c.services.clear();
         for (const auto& s : *v) c.services += (c.services.empty() ? "" : ",") + s;
         return true;
       }},
      text("data", &Config::data),
      text("database", &Config::database),
      parsed("database_connections", kWhole, &Config::database_connections, number<std::int64_t>),
      text("database_replica", &Config::database_replica),
      text("cache", &Config::cache),
      text("events", &Config::events),
      text("search", &Config::search),
      text("objects", &Config::objects),
      text("registry", &Config::registry),
      text("media", &Config::media),
      {"auth.keys", "a list of {kid, secret}",
       [](Config& c, const Input& in) {
         auto v = auth_keys(in);
         if (v) c.auth_keys = std::move(*v);
         return v.has_value();
       }},
      parsed("auth.access_ttl", kDuration, &Config::access_ttl, duration),
      parsed("auth.refresh_ttl", kDuration, &Config::refresh_ttl, duration),
      parsed("auth.refresh_grace", kDuration, &Config::refresh_grace, duration),
      parsed("auth.bcrypt_cost", kWhole, &Config::bcrypt_cost, number<std::int64_t>),
      parsed("messages.before_accept", kWhole, &Config::messages_before_accept,
             number<std::int64_t>),
      parsed("limits.enabled", "true or false", &Config::limits_enabled, boolean),
      parsed("limits.factor", "a number", &Config::limits_factor, number<double>),
      parsed("limits.upload_bytes", kBytes, &Config::upload_bytes, bytes),
      parsed("limits.body_idle", kDuration, &Config::body_idle, duration),
      parsed("limits.body_rate", kBytes, &Config::body_rate, bytes),
      parsed("uploads.max_duration", kDuration, &Config::uploads_max_duration, duration),
      parsed("transcode.workers", kWhole, &Config::transcode_workers, number<std::int64_t>),
      text("transcode.jail", &Config::transcode_jail),
      parsed("media.max_age", kDuration, &Config::media_max_age, duration),
      parsed("media.redirect", "true or false", &Config::media_redirect, boolean),
      text("rpc.advertise", &Config::rpc_advertise),
      text("rpc.secret", &Config::rpc_secret),
      text("rpc.tls.cert", &Config::rpc_tls_cert),
      text("rpc.tls.key", &Config::rpc_tls_key),
      text("rpc.tls.ca", &Config::rpc_tls_ca),
      words("rpc.trusted_peers", &Config::rpc_trusted_peers),
      parsed("rpc.insecure", "true or false", &Config::rpc_insecure, boolean),
      parsed("rpc.linger", kDuration, &Config::rpc_linger, duration),
      text("metrics.listen", &Config::metrics_listen),
      text("tracing.otlp", &Config::tracing_otlp),
      text("log.level", &Config::log_level),
      text("log.format", &Config::log_format),
      text("log.output", &Config::log_output),
      text("log.addresses", &Config::log_addresses),
      parsed("threads", kWhole, &Config::threads, number<std::int64_t>),
      parsed("stop_grace", kDuration, &Config::stop_grace, duration),
  };
  return all;
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t best =
          std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row.back();
}

std::string nearest(std::string_view name) {
  const Key* best = nullptr;
  std::size_t best_distance = 4;
  for (const Key& k : keys())
    if (std::size_t d = distance(name, k.name); d < best_distance) {
      best = &k;
      best_distance = d;
    }
  return best ? fmt::format("did you mean {}?", best->name)
              : "see configs/config.yaml for every key";
}

Result<> assign(Config& config, std::string_view name, const Input& in) {
  for (std::string_view prefix : {"databases.", "rpc.listen."}) {
    if (!name.starts_with(prefix)) continue;
    std::string_view service = name.substr(prefix.size());
    if (std::find(kServices.begin(), kServices.end(), service) == kServices.end())
      return bad(fmt::format("{} ({}): there is no service {}; the services are {}", name,
                             in.origin, service, fmt::join(kServices, ", ")));
    (prefix == "databases." ? config.databases : config.rpc_listen)[std::string(service)] = in.text;
    return {};
  }
  for (const Key& key : keys()) {
    if (key.name != name) continue;
    if (!key.set(config, in))
      return bad(fmt::format("{} ({}): {} is not {}", name, in.origin,
                             in.node && !in.node.IsScalar() ? "the value" : in.text, key.expects));
    return {};
  }
  return bad(fmt::format("{} ({}): there is no such key; {}", name, in.origin, nearest(name)));
}

bool is_key(const std::string& name) {
  return std::ranges::any_of(keys(), [&](const Key& k) { return k.name == name; });
}

Result<> assign_tree(Config& config, const YAML::Node& node, const std::string& prefix,
                     const std::string& origin) {
  for (const auto& item : node) {
    std::string name = prefix + item.first.Scalar();
    if (item.second.IsMap() && !is_key(name)) {
      SV_CHECK(assign_tree(config, item.second, name + ".", origin));
    } else {
      SV_CHECK(assign(config, name,
                      {origin, item.second.IsScalar() ? item.second.Scalar() : "", item.second}));
    }
  }
  return {};
}

std::string key_of_environment(std::string_view name) {
  std::string key;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 2) == "__") {
      key += '.';
      ++i;
    } else {
      key += name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
    }
  }
  return key;
}

Result<> each(std::string_view key, const std::vector<std::string>& values,
              Result<> (*check)(std::string_view)) {
  for (const std::string& value : values)
    if (auto fine = check(value); !fine)
      return bad(fmt::format("{}: {}", key, fine.error().detail));
  return {};
}

Result<> one_of(std::string_view key, const std::string& value,
                std::initializer_list<std::string_view> allowed) {
  if (std::ranges::find(allowed, value) != allowed.end()) return {};
  return bad(fmt::format("{}: {} is not one of {}", key, value.empty() ? "(empty)" : value,
                         fmt::join(allowed, ", ")));
}

// A part whose adapter this build lacks is refused by name rather than replaced by another one. The
// URL is not told: it may hold a password.
Result<> scheme(std::string_view key, std::string_view url,
                const std::vector<std::string_view>& have) {
  const std::string_view name = url.substr(0, url.find(':'));
  if (std::ranges::find(have, name) != have.end()) return {};
  return bad(fmt::format("{}: this build has no adapter for \"{}\"; it has {}", key, name,
                         fmt::join(have, ", ")));
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  for (;; text.remove_prefix(text.find(',') + 1)) {
    out.emplace_back(text.substr(0, text.find(',')));
    if (text.find(',') == std::string_view::npos) return out;
  }
}

Result<> check_roles(const Config& c) {
  if (c.services == "all") return {};
  for (const std::string& role : split(c.services)) {
    if (role == "gateway" || role == "transcode" ||
        std::ranges::find(kServed, role) != kServed.end())
      continue;
    if (std::ranges::find(kServices, role) != kServices.end())
      return bad(fmt::format("services: this build does not have {} yet; it has {}", role,
                             fmt::join(kServed, ", ")));
    return bad(fmt::format("services: there is no {}; there are gateway, {} and transcode, or all",
                           role.empty() ? "(empty)" : role, fmt::join(kServed, ", ")));
  }
  if (c.registry.starts_with("none"))
    return bad(
        fmt::format("services: {} needs to find the others: name a registry, such as "
                    "registry=etcd://127.0.0.1:2379",
                    c.services));
  return {};
}

bool is_loopback_host(const std::string& host) {
  return host == "localhost" || gateway::is_loopback(host);
}

Result<> check_rpc(const Config& c) {
  SV_CHECK(each("rpc.trusted_peers", c.rpc_trusted_peers, gateway::check_proxy));
  for (const std::string& secret : secrets_of(c.rpc_secret))
    if (!c.rpc_secret.empty() && secret.size() < 32)
      return bad(
          fmt::format("rpc.secret: one has {} bytes; use at least 32 random ones", secret.size()));
  if (c.rpc_tls_cert.empty() != c.rpc_tls_key.empty() ||
      c.rpc_tls_cert.empty() != c.rpc_tls_ca.empty())
    return bad(fmt::format("rpc.tls.{}: it is empty; name cert, key and ca, or none of them",
                           c.rpc_tls_cert.empty()  ? "cert"
                           : c.rpc_tls_key.empty() ? "key"
                                                   : "ca"));
  if (c.rpc_linger > 10min) return bad("rpc.linger: it must be at most 10m");
  const Roles roles = roles_of(c);
  for (const std::string& service : roles.callable) {
    SV_TRY(const HostPort at, parse_host_port("rpc.listen." + service, rpc_listen_of(c, service)));
    if (!is_loopback_host(at.host) && c.rpc_secret.empty() && c.rpc_tls_cert.empty() &&
        !c.rpc_insecure)
      return bad(fmt::format(
          "rpc.listen.{}: {} is reached from other machines: set rpc.secret, the same for all "
          "processes, or rpc.tls.cert, or rpc.insecure=true where nobody else can reach it",
          service, at.host));
  }
  return {};
}

}  // namespace

std::string Roles::name() const {
  std::string out = gateway ? "gateway" : "";
  const auto add = [&](std::string_view role) {
    if (!out.empty()) out += '+';
    out += role;
  };
  for (const std::string& service : services) add(service);
  if (transcode && !has("video")) add("transcode");
  return out;
}

Roles roles_of(const Config& c) {
  Roles out;
  const bool all = c.services == "all";
  const auto named = split(c.services);
  const auto has = [&](std::string_view role) {
    return all || std::ranges::find(named, role) != named.end();
  };
  out.gateway = has("gateway");
  for (const std::string_view service : kServed)
    if (has(service)) out.services.emplace_back(service);
  out.transcode = (has("transcode") || has("video")) && c.transcode_workers > 0;
  out.cluster = !all || !c.registry.starts_with("none");
  for (const std::string& service : out.services)
    if (out.cluster || c.rpc_listen.contains(service)) out.callable.push_back(service);
  return out;
}

std::string rpc_listen_of(const Config& c, std::string_view service) {
  if (const auto it = c.rpc_listen.find(std::string(service)); it != c.rpc_listen.end())
    return it->second;
  const auto place = std::ranges::find(kServices, service) - kServices.begin();
  return fmt::format("127.0.0.1:{}", kFirstPort + place);
}

std::string metrics_listen_of(const Config& c) {
  const Roles roles = roles_of(c);
  if (!c.metrics_listen.empty() || !roles.cluster) return c.metrics_listen;
  if (roles.gateway) return "127.0.0.1:9090";
  if (roles.services.empty()) return "127.0.0.1:9889";
  const auto rpc = parse_host_port("rpc.listen", rpc_listen_of(c, roles.services.front()));
  if (!rpc || rpc->port == 0) return "127.0.0.1:0";
  return fmt::format("127.0.0.1:{}", rpc->port + 1000);
}

Result<HostPort> parse_host_port(std::string_view key, std::string_view text) {
  std::size_t colon = text.rfind(':');
  auto port = colon == std::string_view::npos ? std::nullopt
                                              : number<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = colon == std::string_view::npos ? text : text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (!port || host.empty())
    return bad(fmt::format("{}: {} is not an address like 127.0.0.1:8080", key, text));
  return HostPort{std::string(host), *port};
}

PartUrl parse_part_url(const Config& config, std::string_view url) {
  PartUrl out;
  std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) {
    out.scheme = std::string(url);
    return out;
  }
  out.scheme = std::string(url.substr(0, colon));
  std::string_view rest = url.substr(colon + 1);
  std::string_view query;
  if (std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  out.path = std::string(rest);
  if (std::size_t at = out.path.find("{data}"); at != std::string::npos)
    out.path.replace(at, 6, config.data);
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    std::size_t eq = std::min(pair.find('='), pair.size());
    out.query[std::string(pair.substr(0, eq))] =
        std::string(pair.substr(std::min(eq + 1, pair.size())));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
  }
  return out;
}

Result<> check_config(const Config& c) {
  SV_TRY([[maybe_unused]] auto address, parse_host_port("listen", c.listen));
  if (c.tls_cert.empty() != c.tls_key.empty())
    return bad(c.tls_cert.empty()
                   ? "tls.cert: it is empty, but tls.key is not; name both files or neither"
                   : "tls.key: it is empty, but tls.cert is not; name both files or neither");
  if (!c.public_url.empty() && !c.public_url.starts_with("http://") &&
      !c.public_url.starts_with("https://"))
    return bad(fmt::format("public_url: {} does not start with http:// or https://", c.public_url));
  SV_CHECK(each("trusted_proxies", c.trusted_proxies, gateway::check_proxy));
  SV_CHECK(each("cors.origins", c.cors_origins, gateway::check_origin));
  SV_CHECK(each("ws.origins", c.ws_origins, gateway::check_origin));
  SV_CHECK(check_roles(c));
  if (c.data.empty()) return bad("data: it is empty; name the folder that holds the data");
  SV_CHECK(scheme("database", c.database, schemes_of("database")));
  for (const auto& [service, url] : c.databases)
    SV_CHECK(scheme("databases." + service, url, schemes_of("database")));
  if (c.database_connections != 0 && (c.database_connections < 2 || c.database_connections > 200))
    return bad("database_connections: it must be between 2 and 200, or 0");
  if (!c.database_replica.empty())
    return bad("database_replica: this build reads no replica; leave it empty");
  SV_CHECK(scheme("cache", c.cache, schemes_of("cache")));
  if (auto cache = check_cache(c.cache); !cache) return bad("cache: " + cache.error().detail);
  SV_CHECK(scheme("events", c.events, schemes_of("events")));
  if (auto events = check_events(c.events); !events) return bad("events: " + events.error().detail);
  SV_CHECK(scheme("search", c.search, schemes_of("search")));
  SV_CHECK(scheme("objects", c.objects, schemes_of("objects")));
  if (auto objects = check_objects(c.objects); !objects)
    return bad("objects: " + objects.error().detail);
  SV_CHECK(scheme("registry", c.registry, schemes_of("registry")));
  if (auto registry = check_registry(c.registry); !registry)
    return bad("registry: " + registry.error().detail);
  SV_CHECK(scheme("media", c.media, {"nginx-rtmp", "none"}));
  SV_CHECK(check_rpc(c));
  if (!c.metrics_listen.empty()) SV_CHECK(parse_host_port("metrics.listen", c.metrics_listen));
  if (!c.tracing_otlp.empty())
    return bad("tracing.otlp: this build exports no traces; leave it empty");
  for (const auto& key : c.auth_keys)
    if (key.secret.size() < 32)
      return bad(fmt::format(
          "auth.keys: the secret of kid \"{}\" has {} bytes; use at least 32 random ones", key.kid,
          key.secret.size()));
  if (c.access_ttl < 1min || c.access_ttl > 168h)
    return bad("auth.access_ttl: it must be between 1m and 168h");
  if (c.refresh_ttl < c.access_ttl)
    return bad("auth.refresh_ttl: it must not be shorter than auth.access_ttl");
  if (c.refresh_grace > 10min)
    return bad("auth.refresh_grace: it must not be longer than 10m: a stolen token works as long");
  if (c.messages_before_accept < 0)
    return bad("messages.before_accept: it must be at least 0, and 0 is any number");
  if (c.bcrypt_cost < 4 || c.bcrypt_cost > 16)
    return bad("auth.bcrypt_cost: it must be between 4 and 16");
  if (!(c.limits_factor > 0 && c.limits_factor <= 1e6))
    return bad("limits.factor: it must be more than 0; limits.enabled=false switches limits off");
  if (c.upload_bytes < 1) return bad("limits.upload_bytes: it must be at least 1");
  if (c.body_idle < 1s || c.body_idle > 1h)
    return bad("limits.body_idle: it must be between 1s and 1h");
  if (c.body_rate > 1 << 30) return bad("limits.body_rate: it must be at most 1G (0: any rate)");
  if (c.transcode_workers < 0 || c.transcode_workers > 64)
    return bad("transcode.workers: it must be between 0 and 64");
  const std::vector<std::string> named = split(c.services);
  if (c.transcode_workers == 0 && std::ranges::find(named, "transcode") != named.end())
    return bad(
        "transcode.workers: 0 is nobody, but services names transcode; leave one of them out");
  SV_CHECK(one_of("transcode.jail", c.transcode_jail, {"required", "off"}));
  SV_CHECK(one_of("log.level", c.log_level, {"debug", "info", "warn", "error", "off"}));
  SV_CHECK(one_of("log.format", c.log_format, {"json", "text"}));
  SV_CHECK(one_of("log.addresses", c.log_addresses, {"full", "cut"}));
  if (c.threads < 0 || c.threads > 256)
    return bad("threads: it must be between 0 and 256 (0: one per core)");
  return {};
}

std::span<const std::string_view> service_names() { return kServices; }
std::span<const std::string_view> served_services() { return kServed; }
std::vector<std::string> secrets_of(std::string_view text) { return split(text); }

std::vector<std::string> config_keys() {
  std::vector<std::string> out;
  for (const Key& key : keys()) out.emplace_back(key.name);
  return out;
}

Result<Config> load_config(const ConfigSource& source) {
  Config config;
  if (!source.file.empty()) {
    try {
      YAML::Node root = YAML::LoadFile(source.file);
      if (!root.IsMap() && !root.IsNull())
        return bad(fmt::format("{}: the file is not a map of keys", source.file));
      SV_CHECK(assign_tree(config, root, "", source.file));
    } catch (const YAML::BadFile&) {
      return bad(fmt::format("--config: {} cannot be read", source.file));
    } catch (const YAML::Exception& e) { return bad(fmt::format("{}: {}", source.file, e.what())); }
  }
  constexpr std::string_view kPrefix = "SHORTVIDEO_";
  for (std::string_view entry : source.environment) {
    std::size_t eq = entry.find('=');
    if (!entry.starts_with(kPrefix) || eq == std::string_view::npos) continue;
    std::string_view name = entry.substr(0, eq);
    SV_CHECK(assign(config, key_of_environment(name.substr(kPrefix.size())),
                    {std::string(name), std::string(entry.substr(eq + 1)),
                     YAML::Node(YAML::NodeType::Undefined)}));
  }
  for (std::string_view entry : source.sets) {
    std::size_t eq = entry.find('=');
    if (eq == std::string_view::npos || eq == 0)
      return bad(fmt::format("--set: {} is not key=value", entry));
    SV_CHECK(assign(
        config, entry.substr(0, eq),
        {"--set", std::string(entry.substr(eq + 1)), YAML::Node(YAML::NodeType::Undefined)}));
  }
  SV_CHECK(check_config(config));
  return config;
}

}  // namespace sv
