// The cache on real Redis servers: one that SV_TEST_REDIS names, and others of the tests' own.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/adapters/redis_cache.h"
#include "platform/adapters/redis_servers.h"
#include "platform/adapters/redis_slots.h"
#include "platform/adapters/redis_testing.h"
#include "platform/adapters/test_proxy.h"
#include "platform/net/tls_testing.h"
#include "platform/testing/ear.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"
#include "platform/testing/within.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;
using Shape = RedisOptions::Shape;

// Each is started once, when the first test needs it.
const std::string& redis_url() {
  static const std::string url = [] {
    const char* named = std::getenv("SV_TEST_REDIS");
    if (named && *named) return std::string(named);
    static RedisProcess own({});
    return own.url();
  }();
  return url;
}
RedisClusterProcesses& redis_cluster() {
  static RedisClusterProcesses cluster;
  return cluster;
}

std::vector<std::function<std::unique_ptr<Cache>()>> redis_caches() {
  if (!redis_is_installed()) return {};
  return {[] { return std::make_unique<RedisForTests>(redis_url()); },
          [] { return std::make_unique<RedisForTests>(redis_cluster().url()); },
          [] {
            static RedisSentinelProcesses sentinel;
            return std::make_unique<RedisForTests>(sentinel.url());
          }};
}

struct RedisCacheTest : ::testing::Test {
  void SetUp() override {
    if (!redis_is_installed()) GTEST_SKIP() << "redis-server is not installed (script/setup test)";
  }
};

std::uint16_t port_of(std::string_view url) {
  return static_cast<std::uint16_t>(std::stoi(parse_redis_url(url).value().addresses.front().port));
}

std::optional<std::string> value_in(Cache& cache, const std::string& key) {
  const std::vector<std::string> keys{key};
  auto values = run_task(cache.get_many(keys));
  return values ? values->at(0) : std::nullopt;
}

// Whether a value comes and goes.
bool works(Cache& cache, const std::string& key = "probe") {
  return run_task(cache.set(key, "1", 1min)).has_value() && value_in(cache, key) == "1";
}

std::string trouble(Cache& cache) {
  const auto done = run_task(cache.set("probe", "1", 1min));
  return done ? "" : done.error().detail;
}

TEST(RedisUrl, IsTakenApart) {
  const auto full = parse_redis_url("redis://me:se:cret@cache.example:6380/3?prefix=a:").value();
  EXPECT_EQ(full.shape, Shape::single);
  EXPECT_EQ(full.addresses, (std::vector<RedisAddress>{{.host = "cache.example", .port = "6380"}}));
  EXPECT_EQ(full.user, "me");
  EXPECT_EQ(full.password, "se:cret");
  EXPECT_EQ(full.database, 3);
  EXPECT_EQ(full.prefix, "a:");
  EXPECT_FALSE(full.tls);
  EXPECT_EQ(parse_redis_url("redis://[::1]").value().addresses.front().text(), "::1:6379");
  EXPECT_EQ(parse_redis_url("redis://h/").value().database, 0);
  const auto encoded = parse_redis_url("redis://m%40e:a%2Fb%3F%40%25@h").value();
  EXPECT_EQ(encoded.user, "m@e");
  EXPECT_EQ(encoded.password, "a/b?@%");
  EXPECT_EQ(parse_redis_url("redis://u:a/b:@c@h").value().password, "a/b:@c");
  const auto nameless = parse_redis_url("redis://:secret@h").value();
  EXPECT_EQ(nameless.user, "");
  EXPECT_EQ(nameless.password, "secret");
  EXPECT_TRUE(parse_redis_url("rediss://h").value().tls);
}

TEST(RedisUrl, NamesSentinelsAndClusters) {
  const auto sentinel =
      parse_redis_url("redis+sentinel://u:p@one,two:26380/mymaster/2?prefix=b:").value();
  EXPECT_EQ(sentinel.shape, Shape::sentinel);
  EXPECT_EQ(sentinel.addresses, (std::vector<RedisAddress>{{.host = "one", .port = "26379"},
                                                           {.host = "two", .port = "26380"}}));
  EXPECT_EQ(sentinel.master, "mymaster");
  EXPECT_EQ(sentinel.database, 2);
  EXPECT_EQ(sentinel.password, "p");
  const auto cluster = parse_redis_url("redis+cluster://one:1,two").value();
  EXPECT_EQ(cluster.shape, Shape::cluster);
  EXPECT_EQ(cluster.addresses, (std::vector<RedisAddress>{{.host = "one", .port = "1"},
                                                          {.host = "two", .port = "6379"}}));
  EXPECT_TRUE(parse_redis_url("rediss+cluster://one").value().tls);
}

TEST(RedisUrl, SaysWhatIsWrongWithoutRepeatingSecrets) {
  for (const char* bad : {"redis:",
                          "redis://",
                          "redis://h:x",
                          "redis://h:0",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h?pool=3",
                          "redis://secret@h",
                          "redis://a,b",
                          "redis://u:%zzsecret@h",
                          "redis://u:se?cret@h",

                          "redis://u:se#cret@h:x",
                          "redis://h?ca=/x",
                          "rediss://h?ca=/not/there",
                          "redis+sentinel://h",
                          "redis+sentinel://h/",
                          "redis+other://h",
                          "redis+cluster://h/1",
                          "redis+cluster://",
                          "redis+cluster://h,",
                          "redis+cluster://,h"}) {
    const auto parsed = parse_redis_url(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_FALSE(parsed.error().detail.empty()) << bad;
    EXPECT_FALSE(parsed.error().detail.contains("cret")) << parsed.error().detail;
  }
}

TEST(RedisSlots, FollowTheSpecification) {
  EXPECT_EQ(redis_slot("123456789"), 0x31C3);
  EXPECT_EQ(redis_slot("{user1000}.following"), redis_slot("user1000"));
  EXPECT_EQ(redis_slot("foo{{bar}}zap"), redis_slot("{bar"));
  EXPECT_EQ(redis_slot("foo{bar}{zap}"), redis_slot("bar"));
  EXPECT_NE(redis_slot("foo{}{bar}"), redis_slot("bar"));
}

TEST(RedisSlots, RedirectsAreRead) {
  const RedisAddress asked{.host = "h", .port = "1"};
  const auto read = [&](std::string text) {
    return redis_redirect({.kind = RedisReply::Kind::error, .text = std::move(text)}, asked);
  };
  EXPECT_EQ(read("MOVED 3999 10.0.0.1:6381")->to.text(), "10.0.0.1:6381");
  EXPECT_EQ(read("MOVED 3999 10.0.0.1:6381")->slot, 3999);
  EXPECT_FALSE(read("MOVED 3999 10.0.0.1:6381")->once);
  EXPECT_TRUE(read("ASK 3999 ::1:6381")->once);
  EXPECT_EQ(read("ASK 3999 ::1:6381")->to, (RedisAddress{.host = "::1", .port = "6381"}));
  EXPECT_EQ(read("MOVED 1 :6381")->to.text(), "h:6381");
  for (const char* bad : {"MOVED", "MOVED 1", "MOVED x h:1", "MOVED 16384 h:1", "MOVEDX 1 h:1",
                          "ERR MOVED 1 h:1", "MOVED 1:2 h"})
    EXPECT_FALSE(read(bad)) << bad;
}

TEST(RedisReader, TakesRepliesOutOfPieces) {
  RedisReader reader;
  const std::string_view bytes = "*3\r\n$2\r\na\n\r\n*2\r\n:-7\r\n$-1\r\n+x\r\n-MOVED 1 h:1\r\n";
  std::vector<RedisReply> got;
  for (const char byte : bytes) {
    reader.feed({&byte, 1});
    if (auto next = reader.next().value()) got.push_back(std::move(*next));
  }
  ASSERT_EQ(got.size(), 2u);
  ASSERT_EQ(got[0].list.size(), 3u);
  EXPECT_EQ(got[0].list[0].text, "a\n");
  EXPECT_EQ(got[0].list[1].list.at(0).number, -7);
  EXPECT_EQ(got[0].list[1].list.at(1).kind, RedisReply::Kind::nil);
  EXPECT_TRUE(got[1].is_error("MOVED"));
  EXPECT_FALSE(got[1].is_error("MOVE"));
  reader.feed("HTTP/1.1 400\r\n");
  EXPECT_FALSE(reader.next());
}

TEST(RedisPause, DoublesToItsLongestWithJitterAndStartsAnew) {
  RedisPause pause(RedisOptions{});
  for (int round = 0; round < 2; ++round) {
    for (const int longest : {50, 100, 200, 400, 800, 1000, 1000}) {
      const auto length = pause.next();
      EXPECT_LE(length.count(), longest);
      EXPECT_GE(length.count(), longest / 2);
    }
    pause.reset();
  }
}

TEST_F(RedisCacheTest, SilenceIsAnErrorInTimeAndPasses) {
  Proxy proxy(port_of(redis_url()));
  RedisForTests cache(fmt::format("redis://127.0.0.1:{}", proxy.port()));
  ASSERT_OK(run_task(cache.set("a", "1", 1min)));
  proxy.stall(true);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(run_task(cache.set("a", "2", 1min)));
  EXPECT_FALSE(run_task(cache.set("a", "3", 1min)));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
  proxy.stall(false);
  EXPECT_TRUE(eventually([&] { return value_in(cache, "a").has_value(); }));
  proxy.cut();
  EXPECT_TRUE(eventually([&] { return value_in(cache, "a").has_value(); }));
  EXPECT_TRUE(cache.metrics.text().contains("shortvideo_cache_reconnects_total 2"))
      << cache.metrics.text();
}

TEST_F(RedisCacheTest, AServerThatIsBackIsUsedAgainWithinTwoSeconds) {
  RedisProcess server({});
  RedisForTests cache(server.url());
  ASSERT_TRUE(works(cache));
  server.stop();
  int refused = 0;
  const auto down = std::chrono::steady_clock::now() + 2s;
  while (std::chrono::steady_clock::now() < down) refused += !trouble(cache).empty();
  EXPECT_GT(refused, 100) << "while nobody answers, questions fail at once";
  server.start();
  EXPECT_TRUE(eventually([&] { return works(cache); }, 2s));
}

TEST_F(RedisCacheTest, WhoGivesUpWhileItIsDialledSpoilsItForNobody) {
  Proxy proxy(port_of(redis_url()));
  RedisForTests cache(fmt::format("redis://127.0.0.1:{}", proxy.port()));
  proxy.stall(true);
  const auto soon = std::chrono::steady_clock::now() + 20ms;
  const auto given_up = run_task(within(soon, cache.set("a", "1", 1min)));
  EXPECT_FALSE(given_up && *given_up);
  proxy.stall(false);
  EXPECT_TRUE(eventually([&] { return works(cache); }));
}

Task<> ask_and_hold(Cache& cache, std::shared_ptr<int>) {
  (void)co_await cache.set("a", "1", 1min);
}

TEST_F(RedisCacheTest, QuestionsThatNobodyAnswersEndWithTheirLoop) {
  Proxy proxy(port_of(redis_url()));
  const auto held = std::make_shared<int>();
  {
    asio::io_context asker;
    RedisForTests cache(fmt::format("redis://127.0.0.1:{}", proxy.port()));
    ASSERT_TRUE(works(cache));
    proxy.stall(true);
    asio::co_spawn(asker, ask_and_hold(cache, held), [](std::exception_ptr) {});
    asker.poll();
    cache.settle();
    ASSERT_GT(held.use_count(), 1);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(RedisCacheTest, ScriptsThatTheServerForgotAreToldAgain) {
  RedisForTests cache(redis_url());
  ASSERT_OK(run_task(cache.add_bits("a", 1, 1min)));
  ASSERT_OK(say(port_of(redis_url()), {"SCRIPT", "FLUSH"}));
  ASSERT_OK(run_task(cache.add_bits("a", 2, 1min)));
  EXPECT_EQ(value_in(cache, "a"), "3");
}

TEST_F(RedisCacheTest, AWrongPasswordIsSaidWithoutIt) {
  RedisProcess server({"--requirepass", "p@ss/word"});
  RedisForTests right(fmt::format("redis://:p%40ss%2Fword@{}", server.address()));
  EXPECT_EQ(trouble(right), "");
  RedisForTests wrong(fmt::format("redis://default:guess@{}", server.address()));
  const std::string said = trouble(wrong);
  EXPECT_TRUE(said.contains("WRONGPASS")) << said;
  EXPECT_FALSE(said.contains("guess")) << said;
  RedisForTests without(server.url());
  EXPECT_TRUE(trouble(without).contains("NOAUTH")) << trouble(without);
}

TEST_F(RedisCacheTest, AServerThatRepeatsWhatItWasToldGivesNothingAway) {
  RedisProcess server({"--rename-command", "AUTH", "\"\""});
  RedisForTests cache(fmt::format("redis://:guess@{}", server.address()));
  const std::string said = trouble(cache);
  EXPECT_TRUE(said.contains("ERR")) << said;
  EXPECT_FALSE(said.contains("guess")) << said;
}

// Over TLS, with a certificate for `name`.
struct SecureRedis {
  explicit SecureRedis(const char* name) {
    files.make(name);
    process.emplace(std::vector<std::string>{
        "--tls-port", std::to_string(port), "--tls-cert-file", files.certificate.string(),
        "--tls-key-file", files.key.string(), "--tls-ca-cert-file", files.certificate.string(),
        "--tls-auth-clients", "no"});
  }
  std::string url(std::string_view host = "localhost") const {
    return fmt::format("rediss://{}:{}?ca={}", host, port, files.certificate.string());
  }
  net::TestCertificate files;
  const std::uint16_t port = free_port();
  std::optional<RedisProcess> process;
};

TEST_F(RedisCacheTest, TlsCarriesTheSame) {
  SecureRedis server("localhost");
  RedisForTests cache(server.url());
  const std::string large(3'000'000, 'x');
  ASSERT_OK(run_task(cache.set("large", large, 1min)));
  EXPECT_EQ(value_in(cache, "large"), large);
  ASSERT_OK(run_task(cache.add_bits("a", 5, 1min)));
  EXPECT_EQ(value_in(cache, "a"), "5");
}

TEST_F(RedisCacheTest, TlsIsForTheNameThatWasDialled) {
  SecureRedis server("cache.example");
  RedisForTests cache(server.url());
  EXPECT_TRUE(trouble(cache).contains("ostname mismatch")) << trouble(cache);
  RedisForTests address(server.url("127.0.0.1"));
  EXPECT_TRUE(trouble(address).contains("IP address mismatch")) << trouble(address);
}

TEST_F(RedisCacheTest, TlsTrustsOnlyTheAuthority) {
  SecureRedis server("localhost");
  RedisForTests cache(fmt::format("rediss://localhost:{}", server.port));
  EXPECT_TRUE(trouble(cache).contains("self-signed")) << trouble(cache);
  RedisForTests plain(fmt::format("rediss://localhost:{}", port_of(redis_url())));
  EXPECT_FALSE(works(plain));
}

TEST_F(RedisCacheTest, KeysOfAllNodesComeBackInTheirOrder) {
  RedisForTests cache(redis_cluster().url());
  std::vector<std::string> keys;
  for (int i = 0; i < 200; ++i) keys.push_back(fmt::format("key{}", i));
  for (const auto& key : keys) ASSERT_OK(run_task(cache.set(key, "of " + key, 1min)));
  const auto values = run_task(cache.get_many(keys));
  ASSERT_OK(values);
  ASSERT_EQ(values->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(values->at(i), "of " + keys[i]);
}

// A slot of the first node that is moved to the second, and back at the end.
struct MovingSlot {
  explicit MovingSlot(std::string k) : key(std::move(k)), slot(std::to_string(redis_slot(key))) {
    for (std::size_t i = 0; i < 2; ++i) id[i] = redis_cluster().id(i);
  }
  ~MovingSlot() {
    EXPECT_OK(say(redis_cluster().port(1), {"DEL", key}));  // it would hold the slot there
    for (std::size_t i = 0; i < RedisClusterProcesses::kNodes; ++i)
      tell(redis_cluster().port(i), {"NODE", id[0]});
  }
  void begin() const {
    tell(redis_cluster().port(1), {"IMPORTING", id[0]});
    tell(redis_cluster().port(0), {"MIGRATING", id[1]});
  }
  void finish() const {
    for (const std::size_t i : {1u, 0u, 2u}) tell(redis_cluster().port(i), {"NODE", id[1]});
  }
  void tell(std::uint16_t port, std::vector<std::string_view> what) const {
    what.insert(what.begin(), {"CLUSTER", "SETSLOT", slot});
    const auto said = say(port, what);
    ASSERT_OK(said);
    EXPECT_EQ(said->text, "OK");
  }
  const std::string key, slot;
  std::string id[2];
};

// A key that lies on the first node, as the server sees it.
std::string key_on_first_node(const std::string& prefix) {
  for (int i = 0;; ++i) {
    std::string key = fmt::format("moving{}", i);
    if (redis_slot(prefix + "v:" + key) < RedisClusterProcesses::first_slot(1)) return key;
  }
}

TEST_F(RedisCacheTest, ASlotThatMovesIsFollowed) {
  auto options = parse_redis_url(redis_cluster().url()).value();
  options.prefix = "moving:";
  const std::string key = key_on_first_node(options.prefix), wire = options.prefix + "v:" + key;
  RedisForTests cache(options);
  ASSERT_OK(run_task(cache.set(key, "1", 1min)));
  const MovingSlot slot(wire);
  slot.begin();
  EXPECT_EQ(value_in(cache, key), "1") << "it is still there";
  const auto second = std::to_string(redis_cluster().port(1));
  ASSERT_EQ(say(redis_cluster().port(0), {"MIGRATE", "127.0.0.1", second, wire, "0", "5000"})->text,
            "OK");
  EXPECT_EQ(value_in(cache, key), "1") << "ASK is followed";
  ASSERT_OK(run_task(cache.set(key, "2", 1min)));
  EXPECT_TRUE(say(redis_cluster().port(0), {"GET", wire})->is_error("ASK"));
  slot.finish();
  EXPECT_EQ(value_in(cache, key), "2") << "MOVED is followed";
  ASSERT_OK(run_task(cache.add_bits(key, 1, 1min)));
  EXPECT_EQ(value_in(cache, key), "3");
}

TEST_F(RedisCacheTest, ANodeThatIsGoneTakesOnlyItsOwnKeysAway) {
  RedisClusterProcesses cluster;
  RedisForTests cache(cluster.url());
  std::vector<std::string> keys;
  for (int i = 0; i < 30; ++i) keys.push_back(fmt::format("k{}", i));
  for (const auto& key : keys) ASSERT_TRUE(works(cache, key));
  cluster.node(0).stop();
  std::size_t lost = 0;
  for (const auto& key : keys) lost += !works(cache, key);
  EXPECT_GT(lost, 0u);
  EXPECT_LT(lost, 20u);
  cluster.node(0).start();
  EXPECT_TRUE(eventually([&] {
    return std::ranges::all_of(keys, [&](const auto& key) { return works(cache, key); });
  }));
}

TEST_F(RedisCacheTest, TheSentinelsNewMasterIsUsed) {
  RedisSentinelProcesses servers;
  RedisForTests cache(servers.url());
  Ear ear;
  const auto subscription = cache.subscribe("room", ear.listener());
  ASSERT_TRUE(ear.begun(1));
  ASSERT_TRUE(works(cache));
  servers.master().stop();
  EXPECT_FALSE(works(cache));
  EXPECT_TRUE(eventually([&] { return works(cache); }));
  EXPECT_EQ(say(servers.replica().port(), {"ROLE"})->list.at(0).text, "master");
  ASSERT_TRUE(ear.begun(2));
  ASSERT_OK(run_task(cache.publish("room", "after")));
  EXPECT_TRUE(ear.heard({"after"}));
}

TEST_F(RedisCacheTest, AMasterThatBecomesAReplicaIsLeft) {
  RedisProcess one({}), other({});
  Proxy proxy(one.port());
  RedisForTests cache(fmt::format("redis://127.0.0.1:{}", proxy.port()));
  ASSERT_TRUE(works(cache));
  const auto port = std::to_string(other.port());
  ASSERT_OK(say(one.port(), {"REPLICAOF", "127.0.0.1", port}));
  EXPECT_TRUE(eventually([&] { return trouble(cache).contains("takes no writes"); }));
  ASSERT_OK(say(one.port(), {"REPLICAOF", "NO", "ONE"}));
  EXPECT_TRUE(eventually([&] { return works(cache); }));
  EXPECT_FALSE(cache.metrics.text().contains("shortvideo_cache_reconnects_total 0"));
}

TEST_F(RedisCacheTest, ASubscriberHearsAgainAfterACutAndIsToldSo) {
  Proxy proxy(port_of(redis_url()));
  auto options = parse_redis_url(fmt::format("redis://127.0.0.1:{}", proxy.port())).value();
  options.prefix = "cut:";
  RedisForTests listening(options);
  auto direct = parse_redis_url(redis_url()).value();
  direct.prefix = "cut:";
  RedisForTests speaking(direct);
  Ear ear;
  const auto subscription = listening.subscribe("room", ear.listener());
  ASSERT_TRUE(ear.begun(1));
  ASSERT_OK(run_task(speaking.publish("room", "before")));
  ASSERT_TRUE(ear.heard({"before"}));
  proxy.cut(true);
  ASSERT_OK(run_task(speaking.publish("room", "lost")));
  proxy.accept_again();
  ASSERT_TRUE(ear.begun(2));
  ASSERT_OK(run_task(speaking.publish("room", "after")));
  EXPECT_TRUE(ear.heard({"before", "after"}));
  EXPECT_TRUE(listening.metrics.text().contains("shortvideo_cache_subscribers 1"));
}

TEST_F(RedisCacheTest, ASubscriberNoticesASilentServer) {
  Proxy proxy(port_of(redis_url()));
  RedisForTests cache(fmt::format("redis://127.0.0.1:{}", proxy.port()));
  Ear ear;
  const auto subscription = cache.subscribe("room", ear.listener());
  ASSERT_TRUE(ear.begun(1));
  const int connections = proxy.accepted();
  proxy.stall(true);
  EXPECT_TRUE(eventually([&] { return proxy.accepted() > connections; }));
  proxy.stall(false);
  EXPECT_TRUE(ear.begun(2));
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CacheContract);
INSTANTIATE_TEST_SUITE_P(Redis, CacheContract, ::testing::ValuesIn(redis_caches()));

}  // namespace sv::testing
