#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"

namespace sv {

// Everything an operator can set. Read by wiring.cc and the commands only: services take their own
// small option structs.
// Precedence: default < file < environment (SHORTVIDEO_AUTH__ACCESS_TTL) < --set auth.access_ttl=….
struct Config {
  struct AuthKey {
    std::string kid, secret;
    bool operator==(const AuthKey&) const = default;
  };

  std::string listen = "127.0.0.1:8080";
  std::string tls_cert, tls_key;
  std::string public_url;
  std::vector<std::string> trusted_proxies;
  std::vector<std::string> cors_origins;
  std::vector<std::string> ws_origins;

  std::string services = "all";
  std::string data = "data";
  std::string database = "sqlite:{data}/shortvideo.db";
  std::int64_t database_connections = 0;  // to each server, of this process; 0: 10 alone, 5 of many
  std::string database_replica;
  std::map<std::string, std::string> databases;  // by service; absent: `database`
  std::string cache = "memory:?mb=256";
  std::string events = "local:?tries=8";
  std::string search = "local:";
  std::string objects = "file:{data}/objects";
  std::string registry = "none:";
  std::string media = "nginx-rtmp:?listen=127.0.0.1:1935";

  std::vector<AuthKey> auth_keys;  // empty: made in the data folder
  std::chrono::seconds access_ttl = std::chrono::hours(24);
  std::chrono::seconds refresh_ttl = std::chrono::days(30);
  std::chrono::seconds refresh_grace = std::chrono::seconds(30);
  std::int64_t bcrypt_cost = 10;

  std::int64_t messages_before_accept = 0;

  bool limits_enabled = true;
  double limits_factor = 1;
  std::int64_t upload_bytes = 4LL << 30;
  std::chrono::seconds body_idle = std::chrono::seconds(30);
  std::int64_t body_rate = 1024;  // bytes a second
  std::chrono::seconds uploads_max_duration = std::chrono::hours(4);
  std::int64_t transcode_workers = 1;
  std::string transcode_jail = "required";
  std::chrono::seconds media_max_age = std::chrono::days(1);
  bool media_redirect = false;

  std::map<std::string, std::string> rpc_listen;  // by service; absent: 127.0.0.1 and its port
  std::string rpc_advertise;                      // host to announce; empty: found out
  std::string rpc_secret;
  std::string rpc_tls_cert, rpc_tls_key, rpc_tls_ca;
  std::vector<std::string> rpc_trusted_peers = {"127.0.0.0/8", "::1"};
  bool rpc_insecure = false;
  std::chrono::seconds rpc_linger = std::chrono::seconds(6);
  std::string metrics_listen;
  std::string tracing_otlp;
  std::string log_level = "info";
  std::string log_format = "json";
  std::string log_output;
  std::string log_addresses = "full";
  std::int64_t threads = 0;  // 0: one per core
  std::chrono::seconds stop_grace = std::chrono::seconds(30);

  bool operator==(const Config&) const = default;
};

// What this process does.
struct Roles {
  bool gateway = false;
  bool transcode = false;             // jobs of videos, whether it serves them or not
  std::vector<std::string> services;  // that it has, in the order of service_names()
  std::vector<std::string> callable;  // those of them that other processes may call
  // Others are in other processes, found through the registry; this one is one of many.
  bool cluster = false;

  bool has(std::string_view service) const {
    return std::ranges::find(services, service) != services.end();
  }
  // "gateway", "user", "user+video": for folders and logs.
  std::string name() const;
};
// Of a configuration that has been checked.
Roles roles_of(const Config& config);
// Where it serves this service's calls.
std::string rpc_listen_of(const Config& config, std::string_view service);
// Where it tells of itself; empty: on `listen` only.
std::string metrics_listen_of(const Config& config);

struct ConfigSource {
  std::string file;                      // empty: none
  std::vector<std::string> environment;  // "NAME=value", as in environ
  std::vector<std::string> sets;         // "key=value"
};

// An error is one sentence that names the key, where it was set, and how to fix it (Error::detail).
Result<Config> load_config(const ConfigSource& source);
std::span<const std::string_view> service_names();
std::span<const std::string_view> served_services();  // those of them that this build has
// rpc.secret: the one that is shown, then others that are believed while it changes.
std::vector<std::string> secrets_of(std::string_view text);
std::vector<std::string> config_keys();  // every key that load_config knows but for the families
                                         // databases.<service> and rpc.listen.<service>
// What does not depend on this machine: formats, ranges, schemes this build has. Called by
// load_config.
Result<> check_config(const Config& config);

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(std::string_view key,
                                 std::string_view text);  // "[::1]:80", "127.0.0.1:0"

// "sqlite:{data}/x.db" → {sqlite, /abs/data/x.db, {}}; "memory:?mb=256" → {memory, "", {mb: 256}}.
struct PartUrl {
  std::string scheme, path;
  std::map<std::string, std::string> query;
};
PartUrl parse_part_url(const Config& config, std::string_view text);

}  // namespace sv
