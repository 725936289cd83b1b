// configs/config.yaml and cluster.yaml name every key that this build takes, and no other.
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "app/config.h"

namespace sv {
namespace {

constexpr const char* kFile = SV_SOURCE_DIR "/configs/config.yaml";
constexpr const char* kCluster = SV_SOURCE_DIR "/configs/cluster.yaml";

void flatten(const YAML::Node& node, const std::string& prefix,
             std::map<std::string, std::string>& out) {
  for (const auto& item : node) {
    const std::string name = prefix + item.first.Scalar();
    if (item.second.IsMap()) flatten(item.second, name + ".", out);
    else out[name] = item.second.IsScalar() ? item.second.Scalar() : YAML::Dump(item.second);
  }
}

// Keys and values of a file, those in comments (`# databases.user: …`) too.
std::map<std::string, std::string> named(const char* path = kFile) {
  std::map<std::string, std::string> out;
  flatten(YAML::LoadFile(path), "", out);
  const std::regex commented(R"(^\s*#\s*([a-z_]+(\.[a-z_]+)*): *(.*)$)");
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (std::smatch m; std::regex_match(line, m, commented))
      out[m[1].str()] = YAML::Load(m[3].str()).Scalar();
  return out;
}

Result<Config> with(std::vector<std::string> sets) {
  return load_config({.file = {}, .environment = {}, .sets = std::move(sets)});
}

// For each key a value that is not its default.
const std::map<std::string, std::vector<std::string>> kOther{
    {"listen", {"listen=127.0.0.1:9999"}},
    {"public_url", {"public_url=https://video.example.org"}},
    {"trusted_proxies", {"trusted_proxies=[10.0.0.0/8]"}},
    {"cors.origins", {"cors.origins=[https://app.example]"}},
    {"tls.cert", {"tls.cert=/c.pem", "tls.key=/k.pem"}},
    {"tls.key", {"tls.cert=/c.pem", "tls.key=/k.pem"}},
    {"stop_grace", {"stop_grace=5s"}},
    {"threads", {"threads=2"}},
    {"data", {"data=elsewhere"}},
    {"database", {"database=sqlite:{data}/other.db"}},
    {"database_connections", {"database_connections=20"}},
    {"databases.user", {"databases.user=sqlite:{data}/user.db"}},
    {"cache", {"cache=memory:?mb=64"}},
    {"events", {"events=local:?tries=3"}},
    {"objects", {"objects=file:/srv/objects"}},
    {"media.max_age", {"media.max_age=2h"}},
    {"media.redirect", {"media.redirect=true"}},
    {"services", {"services=user,video", "registry=etcd://127.0.0.1:2379"}},
    {"registry", {"registry=static:?user=10.0.0.7:8881&video=10.0.0.7:8882,10.0.0.8:8882"}},
    {"rpc.listen.user", {"registry=etcd://127.0.0.1:2379", "rpc.listen.user=127.0.0.1:8981"}},
    {"rpc.advertise", {"rpc.advertise=10.0.0.7"}},
    {"rpc.secret", {"rpc.secret=0123456789abcdef0123456789abcdef"}},
    {"rpc.tls.cert", {"rpc.tls.cert=/c.pem", "rpc.tls.key=/k.pem", "rpc.tls.ca=/a.pem"}},
    {"rpc.tls.key", {"rpc.tls.cert=/c.pem", "rpc.tls.key=/k.pem", "rpc.tls.ca=/a.pem"}},
    {"rpc.tls.ca", {"rpc.tls.cert=/c.pem", "rpc.tls.key=/k.pem", "rpc.tls.ca=/a.pem"}},
    {"rpc.trusted_peers", {"rpc.trusted_peers=[10.0.0.0/8]"}},
    {"rpc.insecure", {"rpc.insecure=true"}},
    {"rpc.linger", {"rpc.linger=10s"}},
    {"metrics.listen", {"metrics.listen=127.0.0.1:9999"}},
    {"auth.keys", {"auth.keys=[{kid: a, secret: 0123456789abcdef0123456789abcdef}]"}},
    {"auth.access_ttl", {"auth.access_ttl=1h"}},
    {"auth.refresh_ttl", {"auth.refresh_ttl=7d"}},
    {"auth.refresh_grace", {"auth.refresh_grace=10s"}},
    {"auth.bcrypt_cost", {"auth.bcrypt_cost=12"}},
    {"messages.before_accept", {"messages.before_accept=1"}},
    {"log.addresses", {"log.addresses=cut"}},
    {"limits.enabled", {"limits.enabled=false"}},
    {"limits.factor", {"limits.factor=2"}},
    {"limits.upload_bytes", {"limits.upload_bytes=1G"}},
    {"limits.body_idle", {"limits.body_idle=10s"}},
    {"limits.body_rate", {"limits.body_rate=0"}},
    {"uploads.max_duration", {"uploads.max_duration=1h"}},
    {"transcode.workers", {"transcode.workers=2"}},
    {"transcode.jail", {"transcode.jail=off"}},
    {"log.level", {"log.level=debug"}},
    {"log.format", {"log.format=text"}},
    {"log.output", {"log.output=/var/log/shortvideo.log"}},
};

// Keys of the contract that have one value in this build, or nothing behind them yet.
const std::set<std::string> kNotYet{"database_replica", "search", "media", "ws.origins",
                                    "tracing.otlp"};

TEST(ConfigFile, HoldsTheDefaults) {
  const auto shipped = load_config({.file = kFile, .environment = {}, .sets = {}});
  ASSERT_TRUE(shipped) << shipped.error().detail;
  EXPECT_EQ(*shipped, Config{});
}

TEST(ConfigFile, EveryKeyItNamesTakesItsValueAndAnotherOne) {
  for (const auto& [key, value] : named()) {
    const auto shown = with({key + "=" + value});
    EXPECT_TRUE(shown) << shown.error().detail;
    const auto other = kOther.find(key);
    if (other == kOther.end()) {
      ADD_FAILURE() << key << ": name another value of it in kOther";
      continue;
    }
    const auto changed = with(other->second);
    ASSERT_TRUE(changed) << changed.error().detail;
    EXPECT_NE(*changed, Config{}) << key;
  }
}

TEST(ConfigFile, BothNameEveryKeyThatThisBuildTakes) {
  for (const char* path : {kFile, kCluster}) {
    const auto in_file = named(path);
    for (const std::string& key : config_keys())
      EXPECT_EQ(in_file.contains(key), !kNotYet.contains(key)) << path << ": " << key;
  }
}

TEST(ConfigFile, TheOneOfAClusterIsValidForEveryRole) {
  for (const char* role : {"gateway", "user", "video,transcode", "all"}) {
    const auto config = load_config(
        {.file = kCluster, .environment = {}, .sets = {std::string("services=") + role}});
    ASSERT_TRUE(config) << config.error().detail;
    EXPECT_TRUE(roles_of(*config).cluster);
  }
}

}  // namespace
}  // namespace sv
