#include "app/config.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace sv {
namespace {

Result<Config> from_sets(std::vector<std::string> sets) {
  return load_config({.file = {}, .environment = {}, .sets = std::move(sets)});
}

std::string sentence(std::vector<std::string> sets) {
  auto config = from_sets(std::move(sets));
  return config ? "" : config.error().detail;
}

TEST(Config, SetWinsOverEnvironmentWinsOverFile) {
  auto dir = std::filesystem::temp_directory_path() / fmt::format("sv_config_{}", ::getpid());
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "c.yaml") << "auth: {access_ttl: 1h, bcrypt_cost: 5}\nlimits.factor: 2\n";
  auto c = load_config({.file = dir / "c.yaml",
                        .environment = {"SHORTVIDEO_AUTH__ACCESS_TTL=2h", "HOME=/x"},
                        .sets = {"limits.factor=3"}});
  std::filesystem::remove_all(dir);
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->access_ttl, std::chrono::hours(2));
  EXPECT_EQ(c->bcrypt_cost, 5);
  EXPECT_EQ(c->limits_factor, 3);
}

TEST(Config, DurationsAndSizesHaveUnits) {
  const auto ttl = [](const std::string& text) {
    auto c = from_sets({"uploads.max_duration=" + text});
    return c ? c->uploads_max_duration.count() : -1;
  };
  EXPECT_EQ(ttl("90"), 90);
  EXPECT_EQ(ttl("90s"), 90);
  EXPECT_EQ(ttl("15m"), 900);
  EXPECT_EQ(ttl("2h"), 7200);
  EXPECT_EQ(ttl("30d"), 30 * 86'400);
  for (const char* bad : {"", "s", "-1s", "1.5h", "1w", "99999999999999999999s", "40000d"})
    EXPECT_EQ(ttl(bad), -1) << bad;
  const auto size = [](const std::string& text) {
    auto c = from_sets({"limits.upload_bytes=" + text});
    return c ? c->upload_bytes : -1;
  };
  EXPECT_EQ(size("1048576"), 1 << 20);
  EXPECT_EQ(size("512K"), 512 << 10);
  EXPECT_EQ(size("4GiB"), 4LL << 30);
  EXPECT_EQ(size("1T"), 1LL << 40);
  for (const char* bad : {"K", "4g", "-1", "4GB", "9999T"}) EXPECT_EQ(size(bad), -1) << bad;
}

TEST(Config, AnUnknownKeyIsRefusedWithASuggestion) {
  EXPECT_EQ(sentence({"listn=1"}), "listn (--set): there is no such key; did you mean listen?");
  auto c = load_config({.file = {}, .environment = {"SHORTVIDEO_DATBASE=x"}, .sets = {}});
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().detail,
            "datbase (SHORTVIDEO_DATBASE): there is no such key; did you mean database?");
}

TEST(Config, AWrongTypeNamesTheKeyAndWhatItExpects) {
  EXPECT_EQ(sentence({"auth.bcrypt_cost=ten"}),
            "auth.bcrypt_cost (--set): ten is not a whole number");
  EXPECT_NE(sentence({"auth.access_ttl=soon"}).find("duration"), std::string::npos);
  EXPECT_NE(sentence({"listen=8080"}).find("listen: 8080 is not an address"), std::string::npos);
  EXPECT_EQ(sentence({"log.addresses=none"}), "log.addresses: none is not one of full, cut");
  EXPECT_NE(sentence({"auth.keys=[{kid: a, secret: short}]"}).find("at least 32"),
            std::string::npos);
}

TEST(Config, APartsUrlIsLookedAtAndItsSecretIsNotShown) {
  EXPECT_EQ(sentence({"events=kafka://host"}), "events: a broker is not like host:9092");
  EXPECT_EQ(sentence({"events=local:?tries=0"}), "events: tries=0 is not a number from 1 to 65535");
  const std::string objects = sentence({"objects=s3+http://me:sesame@host:9000"});
  EXPECT_NE(objects.find("objects: a bucket"), std::string::npos) << objects;
  for (const std::string& url : {"objects=s3+http://me:sesame@host:9000",
                                 "objects=ftp://me:sesame@h/x", "events=kafka://me:sesame@host",
                                 "events=kafka://me:sesame", "cache=redis://me:sesame@host:x"})
    EXPECT_EQ(sentence({url}).find("sesame"), std::string::npos) << url;
}

TEST(Config, AProcessForJobsHasSomebodyWhoDoesThem) {
  const std::string registry = "registry=etcd://127.0.0.1:2379";
  EXPECT_NE(sentence({"services=transcode", registry, "transcode.workers=0"}).find("nobody"),
            std::string::npos);
  EXPECT_TRUE(from_sets({"services=video", registry, "transcode.workers=0"}));
}

TEST(Config, AListFromTheCommandLineOrTheEnvironmentIsYaml) {
  using List = std::vector<std::string>;
  auto proxies = [](const std::string& text) {
    auto c = from_sets({"trusted_proxies=" + text});
    return c ? c->trusted_proxies : List{c.error().detail};
  };
  EXPECT_EQ(proxies(R"(["127.0.0.1"])"), List{"127.0.0.1"});
  EXPECT_EQ(proxies(R"( ['10.0.0.0/8', "::1"] )"), (List{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(proxies("[10.0.0.0/8, 127.0.0.1]"), (List{"10.0.0.0/8", "127.0.0.1"}));
  EXPECT_EQ(proxies("[::1]"), List{"::1"});
  EXPECT_EQ(proxies("[]"), List{});
  EXPECT_EQ(proxies(""), List{});
  EXPECT_EQ(proxies("127.0.0.1"), List{"127.0.0.1"});
  EXPECT_EQ(proxies("10.0.0.0/8, ::1"), (List{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(proxies(R"("127.0.0.1")"), List{"127.0.0.1"});
  EXPECT_EQ(proxies(R"("127.0.0.1", '::1')"), (List{"127.0.0.1", "::1"}));

  auto c = load_config({.file = {},
                        .environment = {R"(SHORTVIDEO_CORS__ORIGINS=["https://app.example"])",
                                        "SHORTVIDEO_WS__ORIGINS=*"},
                        .sets = {"services=[all]"}});
  ASSERT_TRUE(c) << c.error().detail;
  EXPECT_EQ(c->cors_origins, List{"https://app.example"});
  EXPECT_EQ(c->ws_origins, List{"*"});
  EXPECT_EQ(c->services, "all");
}

TEST(Config, WhatIsNoListIsRefused) {
  for (const std::string bad : {R"(["127.0.0.1")", R"(["127.0.0.1"] junk)", R"(["127.0.0.1"] [x])",
                                "{a: b}", "[[127.0.0.1]]", R"("127.0.0.1)"})
    EXPECT_EQ(sentence({"trusted_proxies=" + bad}),
              "trusted_proxies (--set): " + bad + " is not a list such as [a, b]");
  EXPECT_NE(sentence({"auth.keys=[{kid"}).find("auth.keys (--set)"), std::string::npos);
}

TEST(Config, AnAddressOrOriginThatIsNoneIsRefusedByItsKey) {
  EXPECT_EQ(sentence({"trusted_proxies=10.0.0.0/8,localhost"}),
            "trusted_proxies: \"localhost\" is neither an address nor a network like 10.0.0.0/8");
  for (const std::string key : {"cors.origins", "ws.origins"}) {
    EXPECT_EQ(sentence({key + "=[https://app.example, \"*\"]"}), "");
    EXPECT_EQ(sentence({key + "=https://app.example/"}),
              key +
                  ": \"https://app.example/\" is no origin like https://app.example or "
                  "http://localhost:3000, without a path, nor *");
  }
}

TEST(Config, ACertificateNeedsItsKey) {
  EXPECT_EQ(sentence({"tls.cert=/c.pem"}),
            "tls.key: it is empty, but tls.cert is not; name both files or neither");
  EXPECT_EQ(sentence({"tls.key=/k.pem"}),
            "tls.cert: it is empty, but tls.key is not; name both files or neither");
  EXPECT_EQ(sentence({"tls.cert=/c.pem", "tls.key=/k.pem"}), "");
}

TEST(Config, APartWithoutAnAdapterIsRefusedByName) {
  EXPECT_EQ(
      sentence({"database=mysql://u:secret@h/d"}),
      "database: this build has no adapter for \"mysql\"; it has sqlite, postgres, postgresql");
  EXPECT_NE(sentence({"services=user"}).find("services:"), std::string::npos);
  EXPECT_NE(sentence({"databases.shop=sqlite:x"}).find("there is no service shop"),
            std::string::npos);
}

TEST(Config, PartUrlsExpandTheDataFolderAndTheQuery) {
  Config c;
  c.data = "/srv/d";
  PartUrl url = parse_part_url(c, "sqlite:{data}/x.db?readers=2&sync=full");
  EXPECT_EQ(url.scheme, "sqlite");
  EXPECT_EQ(url.path, "/srv/d/x.db");
  EXPECT_EQ(url.query["readers"], "2");
  EXPECT_EQ(url.query["sync"], "full");
}

TEST(Config, AddressesOfBothFamiliesParse) {
  auto v6 = parse_host_port("listen", "[::1]:0");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_FALSE(parse_host_port("listen", "localhost"));
  EXPECT_FALSE(parse_host_port("listen", "h:70000"));
}

void expect_part(const std::string& whole, const std::string& part) {
  EXPECT_NE(whole.find(part), std::string::npos) << whole;
}

TEST(Config, AProcessOfManyFindsTheOthers) {
  EXPECT_EQ(sentence({"services=user"}),
            "services: user needs to find the others: name a registry, such as "
            "registry=etcd://127.0.0.1:2379");
  const auto one = load_config(
      {.file = {}, .environment = {}, .sets = {"services=video,user", "registry=etcd://h:2379"}});
  ASSERT_TRUE(one) << one.error().detail;
  const Roles roles = roles_of(*one);
  EXPECT_EQ(roles.name(), "user+video");
  EXPECT_TRUE(roles.cluster && roles.transcode && !roles.gateway);
  EXPECT_EQ(roles.callable, roles.services);
  EXPECT_EQ(rpc_listen_of(*one, "video"), "127.0.0.1:8882");
  EXPECT_EQ(metrics_listen_of(*one), "127.0.0.1:9881");
  EXPECT_EQ(roles_of(Config{}).name(), "gateway+user+video+social+interaction+message");
  EXPECT_TRUE(roles_of(Config{}).callable.empty());
}

TEST(Config, SaysWhatIsWrongWithAProcessOfMany) {
  const std::string etcd = "registry=etcd://127.0.0.1:2379";
  expect_part(sentence({"services=live", etcd}), "does not have live yet");
  expect_part(sentence({"services=usr", etcd}), "there is no usr");
  expect_part(sentence({"registry=etcd:127.0.0.1"}), "etcd://host:2379");
  expect_part(sentence({"registry=etcd://h:1?pool=3"}), "only prefix=");
  expect_part(sentence({"cache=redis:x"}), "cache: it is not like redis://");
  expect_part(sentence({"cache=redis+sentinel://h"}), "cache: it names no master");
  expect_part(sentence({"cache=rediss://h?ca=/not/there"}),
              "cache: /not/there holds no certificate");
  EXPECT_EQ(sentence({"cache=redis+cluster://a:1,b:2?prefix=x:"}), "");
  expect_part(sentence({"registry=zookeeper://h"}), "registry: this build has no adapter");
  expect_part(sentence({"registry=static:?usr=h:1"}), "there is no service usr");
  expect_part(sentence({etcd, "rpc.listen.user=0.0.0.0:8881"}), "set rpc.secret");
  expect_part(sentence({etcd, "rpc.secret=short"}), "at least 32");
  expect_part(sentence({etcd, "rpc.tls.cert=/c.pem", "rpc.tls.key=/k.pem"}), "rpc.tls.ca");
  EXPECT_EQ(sentence({etcd, "rpc.listen.user=0.0.0.0:8881", "rpc.tls.cert=/c.pem",
                      "rpc.tls.key=/k.pem", "rpc.tls.ca=/a.pem"}),
            "");
  expect_part(sentence({"rpc.trusted_peers=[everyone]"}), "rpc.trusted_peers");
  EXPECT_EQ(sentence({etcd, "rpc.listen.user=0.0.0.0:8881", "rpc.insecure=true"}), "");
}

}  // namespace
}  // namespace sv
