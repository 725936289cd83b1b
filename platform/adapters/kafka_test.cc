// The event bus on a real Kafka, which SV_TEST_KAFKA names ("kafka://127.0.0.1:9092").
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "platform/adapters/kafka_client.h"
#include "platform/adapters/kafka_events.h"
#include "platform/adapters/sqlite.h"
#include "platform/adapters/system_clock.h"
#include "platform/adapters/test_local_events.h"
#include "platform/crypto/sha256.h"
#include "platform/testing/event_bus_log.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

std::string kafka_url() {
  const char* url = std::getenv("SV_TEST_KAFKA");
  return url ? url : "";
}

std::string kafka_prefix(const std::filesystem::path& folder) {
  return "test-" + sha256_hex(folder.string()).substr(0, 16) + ".";
}

std::shared_ptr<sql::Database> kafka_database(const std::filesystem::path& folder) {
  std::shared_ptr<sql::Database> db =
      open_sqlite({.path = folder / "events.db", .readers = 1}).value();
  migrate_sqlite(*db, local_events_migrations(), "event").value();
  return db;
}

struct KafkaSetup final : DatabaseBusSetup {
  explicit KafkaSetup(const std::filesystem::path& folder, const KafkaEventsOptions& wanted = {})
      : DatabaseBusSetup(kafka_database(folder), [&](DatabaseBusSetup& of) {
          static const SystemClock clock;
          static std::deque<std::string> urls;  // an option is a view
          KafkaEventsOptions options = wanted;
          options.url =
              urls.emplace_back(fmt::format("{}?partitions=3&tries={}&session=2s&prefix={}",
                                            kafka_url(), kEventTries, kafka_prefix(folder)));
          options.poll = 20ms;
          options.lease = 500ms;
          return make_kafka_events({of.db.get()}, clock, of.io.get_executor(), of.supervisor,
                                   of.metrics, options);
        }) {}
};

std::unique_ptr<EventBusSetup> kafka_bus(const std::filesystem::path& folder, BusUse) {
  return std::make_unique<KafkaSetup>(folder);
}
std::vector<EventBusContract::ParamType> kafka_buses() {
  if (kafka_url().empty()) return {};
  return {kafka_bus};
}

struct KafkaEventsTest : ::testing::Test {
  void SetUp() override {
    if (kafka_url().empty())
      GTEST_SKIP() << "SV_TEST_KAFKA names no server (script/engines starts one)";
    place = kafka::parse_url(kafka_url()).value();
    place.prefix = kafka_prefix(folder.path());
  }
  std::int64_t ask(KafkaSetup& setup, std::string sql) {
    return run_task(setup.db->query(Ctx{}, sql))->i64(0, 0);
  }
  void run(KafkaSetup& setup, std::string sql) {
    ASSERT_OK(run_task(setup.db->run_write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute(sql));
      return {};
    })));
  }
  TempDir folder;
  kafka::Place place;
};

}  // namespace

TEST(KafkaUrl, IsTakenApart) {
  const auto full =
      kafka::parse_url(
          "kafka://me:a%2Fb%40@one:9092,two:9093?partitions=12&replication=3&prefix=a."
          "&tries=3&retention=24h&sasl=scram-sha-256&tls=on&ca=/ca.pem")
          .value();
  EXPECT_EQ(full.brokers, "one:9092,two:9093");
  EXPECT_EQ(full.user, "me");
  EXPECT_EQ(full.password, "a/b@");
  EXPECT_EQ(full.partitions, 12);
  EXPECT_EQ(full.replication, 3);
  EXPECT_EQ(full.prefix, "a.");
  EXPECT_EQ(full.tries, 3);
  EXPECT_EQ(full.retention, 24h);
  EXPECT_EQ(full.mechanism, "SCRAM-SHA-256");
  EXPECT_TRUE(full.tls);
  EXPECT_EQ(full.authority, "/ca.pem");
  for (const char* bad : {"kafka:", "kafka://", "kafka://host", "kafka://host:0", "kafka://a:1,b",
                          "kafka://h:1?x=y", "kafka://h:1?partitions=0", "kafka://h:1?prefix=a/b",
                          "kafka://me:sesame", "kafka://sesame@h:1", "kafka://me:sesame@h:x"}) {
    const auto refused = kafka::parse_url(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().detail.find("sesame"), std::string::npos);
  }
}

TEST_F(KafkaEventsTest, TopicsHaveTheirPartitions) {
  KafkaSetup setup(folder.path());
  EventLog log;
  subscribe(setup, "one", {"video.changed"}, log);
  ASSERT_OK(setup.bus().start());
  ASSERT_OK(publish(setup, "video.changed", "1", "a"));
  ASSERT_OK(publish(setup, "user.changed", "1", "b"));
  ASSERT_TRUE(log.wait_for(1));
  const auto handle = kafka::new_handle(place, RD_KAFKA_PRODUCER, {}).value();
  for (const char* topic : {"video.changed", "user.changed"})
    EXPECT_EQ(
        kafka::partitions_of(handle.get(), place, kafka::stream_of(place, topic), 10s)->size(), 3u);
  setup.bus().stop();
}

// A relay that died between the sending and the mark, or a second one that thought it was alone.
TEST_F(KafkaEventsTest, WhatIsSentTwiceIsDoneOnce) {
  EventLog log;
  KafkaSetup setup(folder.path());
  subscribe(setup, "one", {"t"}, log);
  ASSERT_OK(setup.bus().start());
  for (int i = 0; i < 20; ++i)
    ASSERT_OK(publish(setup, "t", std::to_string(i % 4), std::to_string(i)));
  ASSERT_TRUE(log.wait_for(20));
  run(setup, "UPDATE event_cursors SET position = 5 WHERE consumer = 'kafka'");
  ASSERT_OK(publish(setup, "t", "0", "20"));
  for (int key = 0; key < 4; ++key) ASSERT_OK(publish(setup, "t", std::to_string(key), "end"));
  ASSERT_TRUE(
      log.wait_until([&] { return std::ranges::count(log.events, "end", &Event::payload) == 4; }));
  setup.bus().stop();
  EXPECT_EQ(log.events.size(), 25u);
}

// An installation that begins to use Kafka has done what its log still has.
TEST_F(KafkaEventsTest, WhatWasDoneWithoutKafkaIsNotDoneAgain) {
  EventLog before, after;
  {
    static const SystemClock clock;
    LocalEventsSetup setup(kafka_database(folder.path()), clock, options_of(BusUse::shared));
    subscribe(setup, "one", {"t"}, before);
    ASSERT_OK(setup.bus().start());
    ASSERT_OK(publish(setup, "t", "1", "old"));
    ASSERT_TRUE(before.wait_for(1));
    setup.bus().stop();
    ASSERT_OK(publish(setup, "t", "1", "yet to come"));
  }
  KafkaSetup setup(folder.path());
  subscribe(setup, "one", {"t"}, after);
  ASSERT_OK(setup.bus().start());
  ASSERT_OK(publish(setup, "t", "1", "new"));
  ASSERT_TRUE(after.wait_for(2));
  setup.bus().stop();
  EXPECT_EQ(after.payloads(), (Texts{"yet to come", "new"}));
}

TEST_F(KafkaEventsTest, ARecordThatIsNoEventBecomesADeadLetter) {
  EventLog log;
  KafkaSetup setup(folder.path());
  subscribe(setup, "one", {"t"}, log);
  ASSERT_OK(setup.bus().start());
  ASSERT_OK(publish(setup, "t", "1", "a"));
  ASSERT_TRUE(log.wait_for(1));
  const auto handle = kafka::new_handle(place, RD_KAFKA_PRODUCER, {}).value();
  const std::string stream = kafka::stream_of(place, "t");
  for (int partition = 0; partition < 3; ++partition) {
    ASSERT_EQ(kafka::enqueue(handle.get(), stream, "x", "junk", nullptr, nullptr, partition),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  ASSERT_EQ(rd_kafka_flush(handle.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  for (int key = 1; key < 9; ++key) ASSERT_OK(publish(setup, "t", std::to_string(key), "b"));
  ASSERT_TRUE(log.wait_for(9));
  setup.bus().stop();
  EXPECT_EQ(setup.dead().size(), 3u);
  EXPECT_EQ(setup.dead()[0].error.substr(0, 16), "event_unreadable");
}

// Kafka takes a member for dead that does not ask for its poll interval; ours asks while it works.
TEST_F(KafkaEventsTest, AConsumerThatIsSlowKeepsItsPartitions) {
  struct Slow {
    static Task<Result<Effect>> prepare(EventLog& log, std::vector<Event> batch) {
      SV_CO_CHECK(log.look(batch));
      co_await pause(4s);
      co_return effect_in(log, std::move(batch));
    }
  };
  EventLog log;
  KafkaSetup setup(folder.path(), {.member_poll = 2000ms});
  setup.bus().group(
      {.name = "one",
       .topics = {"t"},
       .db = setup.database(),
       .prepare = [&log](const std::vector<Event>& batch) { return Slow::prepare(log, batch); }});
  ASSERT_OK(setup.bus().start());
  ASSERT_OK(publish(setup, "t", "1", "a"));
  ASSERT_TRUE(log.wait_for(1));
  setup.bus().stop();
  EXPECT_EQ(log.attempts, 1);
}

// What is on the way is told by metrics, and trimmed once Kafka has it.
TEST_F(KafkaEventsTest, TheOutboxIsEmptyOnceKafkaHasAll) {
  EventLog log;
  KafkaSetup setup(folder.path());
  subscribe(setup, "one", {"t"}, log);
  for (int i = 0; i < 5; ++i) ASSERT_OK(publish(setup, "t", "1", std::to_string(i)));
  ASSERT_OK(setup.bus().start());
  ASSERT_TRUE(log.wait_for(5));
  auto& waiting = setup.metrics.gauge("shortvideo_events_outbox", "");
  EXPECT_TRUE(eventually([&] { return waiting.value() == 0; }));
  setup.bus().stop();
  EXPECT_EQ(ask(setup, "SELECT count(*) FROM event_cursors WHERE consumer = 'kafka'"), 1);
}

// Without a broker everything starts, events wait, and stopping takes no time.
TEST(KafkaAway, AnInstallationStartsAndStops) {
  TempDir folder;
  static const SystemClock clock;
  DatabaseBusSetup setup(kafka_database(folder.path()), [&](DatabaseBusSetup& of) {
    return make_kafka_events({of.db.get()}, clock, of.io.get_executor(), of.supervisor, of.metrics,
                             {.url = "kafka://127.0.0.1:1", .poll = 20ms});
  });
  EventLog log;
  subscribe(setup, "one", {"t"}, log);
  setup.bus().each({.name = "ear", .topics = {"t"}, .hear = heard_by(log)});
  ASSERT_OK(setup.bus().start());
  ASSERT_OK(publish(setup, "t", "1", "a"));
  auto& waiting = setup.metrics.gauge("shortvideo_events_outbox", "");
  EXPECT_TRUE(eventually([&] { return waiting.value() == 1; }));
  // What /health/ready takes for an engine that can be waited for.
  EXPECT_TRUE(eventually([&] { return !setup.supervisor.failing().empty(); }));
  for (const auto& [loop, why] : setup.supervisor.failing())
    EXPECT_EQ(why.token, "events_unavailable") << loop;
  setup.bus().stop();
  EXPECT_TRUE(log.payloads().empty());
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EventBusContract);
INSTANTIATE_TEST_SUITE_P(Kafka, EventBusContract, ::testing::ValuesIn(kafka_buses()));

}  // namespace sv::testing
