#include "platform/adapters/postgres.h"
#include "platform/adapters/postgres_bulk.h"

#include <latch>
#include <thread>

#include "platform/adapters/postgres_testing.h"
#include "platform/adapters/postgres_values.h"
#include "platform/adapters/system_clock.h"
#include "platform/adapters/test_local_events.h"
#include "platform/adapters/test_proxy.h"
#include "platform/testing/database_contract.h"
#include "platform/testing/event_bus_log.h"
#include "platform/testing/run.h"

namespace sv {
namespace {

Result<std::unique_ptr<sql::Database>> open_schema(const std::filesystem::path& folder,
                                                   std::span<const sql::Migration> migrations) {
  const PostgresOptions options{.url = testing::schema_url(folder), .writers = 4, .readers = 1};
  SV_TRY(auto db, open_postgres(options));
  SV_CHECK(migrate_postgres(options, migrations, "contract"));
  return db;
}

std::unique_ptr<testing::EventBusSetup> events(const std::filesystem::path& folder,
                                               testing::BusUse use) {
  static const SystemClock clock;
  const PostgresOptions options{.url = testing::schema_url(folder), .writers = 4, .readers = 1};
  auto db = open_postgres(options).value();
  migrate_postgres(options, local_events_migrations(), "event").value();
  return std::make_unique<testing::LocalEventsSetup>(std::move(db), clock,
                                                     testing::options_of(use));
}

// None without a server.
std::vector<testing::EventBusContract::ParamType> buses() {
  if (testing::postgres_url().empty()) return {};
  return {events};
}

}  // namespace

namespace testing {
INSTANTIATE_TEST_SUITE_P(Postgres, EventBusContract, ::testing::ValuesIn(buses()));
INSTANTIATE_TEST_SUITE_P(
    Postgres, DatabaseContract,
    ::testing::Values(DatabaseUnderTest{
        .name = "postgres", .open = open_schema, .missing = no_postgres, .remove = drop_schema}));
}  // namespace testing

namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;
using testing::run_sql;
using testing::run_task;
using testing::token_of;

Ctx ends_in(std::chrono::milliseconds time) {
  Ctx ctx;
  ctx.deadline = Steady::now() + time;
  return ctx;
}

// "postgres://user:password@" and what follows the port, to be put together anew.
struct UrlParts {
  std::string before, after;
  std::uint16_t port = 0;
  explicit UrlParts(const std::string& url) {
    const auto at = url.find('@'), colon = url.find(':', at), slash = url.find('/', colon);
    before = url.substr(0, at + 1);
    port = static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1, slash - colon - 1)));
    after = url.substr(slash);
  }
  std::string at(std::uint16_t other) const {
    return fmt::format("{}127.0.0.1:{}{}", before, other, after);
  }
};

std::string sentence(const std::string& url) {
  const auto db = open_postgres({.url = url, .connect_timeout = 300ms});
  return db ? "it opened" : db.error().detail;
}

std::string password_of(const std::string& url) {
  const auto colon = url.find(':', url.find("://") + 3);
  return url.substr(colon + 1, url.find('@') - colon - 1);
}

// A database behind a proxy.
struct PostgresTest : ::testing::Test {
  void SetUp() override {
    if (const std::string why = testing::no_postgres(); !why.empty()) GTEST_SKIP() << why;
    direct = testing::schema_url(folder.path());
    proxy.emplace(UrlParts(direct).port);
    open(2);
    ASSERT_OK(write(Ctx{}, [](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute("CREATE TABLE t (id bigint PRIMARY KEY, name text, data bytea)"));
      return {};
    }));
  }
  void TearDown() override {
    db.reset();
    proxy.reset();
    if (!direct.empty()) testing::drop_schema(folder.path());
  }
  void open(std::size_t writers) {
    auto opened = open_postgres({.url = UrlParts(direct).at(proxy->port()),
                                 .writers = writers,
                                 .readers = 1,
                                 .connect_timeout = 1s,
                                 .counters = shared_counters});
    ASSERT_OK(opened);
    db = std::move(*opened);
  }
  Result<> write(const Ctx& ctx, std::function<Result<>(sql::Tx&)> work) {
    return run_task(db->run_write(ctx, std::move(work)));
  }
  Result<> put(const Ctx& ctx, std::int64_t id) {
    return write(ctx, [id](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute("INSERT INTO t (id) VALUES ($1)", {id}));
      return {};
    });
  }
  Result<sql::Rows> read(const Ctx& ctx) {
    return run_task(db->query(ctx, "SELECT count(*) FROM t"));
  }
  std::string count() { return run_sql(direct, "SELECT count(*) FROM t"); }

  testing::TempDir folder;
  std::string direct;
  std::optional<testing::Proxy> proxy;
  std::shared_ptr<PostgresCounters> shared_counters = std::make_shared<PostgresCounters>();
  PostgresCounters& counters = *shared_counters;
  std::unique_ptr<sql::Database> db;
};

std::vector<sql::Params> ten_rows() {
  std::vector<sql::Params> rows;
  for (int i = 0; i < 10; ++i) rows.push_back({i, "x"});
  return rows;
}

TEST(PostgresBulk, AnInsertOfManyRowsBecomesOneOverLists) {
  const auto made = postgres::bulk_insert(
      "\n  INSERT INTO t (b, a, c)\n  VALUES ($2, $1, 0)\n  ON CONFLICT DO NOTHING", ten_rows());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->sql,
            "INSERT INTO t (b, a, c) SELECT u.p2, u.p1, 0 FROM unnest($1, $2) AS u(p1, p2) ON "
            "CONFLICT DO NOTHING RETURNING a, b");
  EXPECT_TRUE(made->tells);
  EXPECT_EQ(made->lists.values()[0],
            sql::Value(std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(PostgresBulk, WhatWouldNotMeanTheSameStaysARowEach) {
  auto rows = ten_rows();
  for (const char* sql :
       {"UPDATE t SET a = $1 WHERE b = $2", "INSERT INTO t (a, b) VALUES ($1, $2 + 1)",
        "INSERT INTO t (a) VALUES ($1)", "INSERT INTO t (a, b) VALUES ($1, $2) RETURNING a",
        "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = $2",
        "INSERT INTO t (a, b) SELECT $1, $2"})
    EXPECT_FALSE(postgres::bulk_insert(sql, rows)) << sql;
  constexpr std::string_view kFits = "INSERT INTO t (a, b) VALUES ($1, $2)";
  EXPECT_TRUE(postgres::bulk_insert(kFits, rows));
  EXPECT_FALSE(postgres::bulk_insert(kFits, {{1, "x"}, {2, "y"}}));
  rows.push_back({10, nullptr});
  EXPECT_FALSE(postgres::bulk_insert(kFits, rows));
}

TEST_F(PostgresTest, AServerThatHangsEndsEveryCallAtItsDeadlineAndIsReplaced) {
  ASSERT_OK(read(Ctx{}));
  proxy->stall(true);
  const auto begin = Steady::now();
  auto rows = read(ends_in(200ms));
  EXPECT_EQ(token_of(rows), "deadline_exceeded");
  EXPECT_EQ(token_of(put(ends_in(200ms), 1)), "deadline_exceeded");
  EXPECT_LT(Steady::now() - begin, 1500ms);
  // The connections that hang are given up; new ones find a server that works.
  proxy->stall(false);
  EXPECT_OK(read(ends_in(5s)));
  EXPECT_OK(put(ends_in(5s), 1));
}

TEST_F(PostgresTest, WorksThatWaitBehindOnesThatHangEndAtTheirDeadlinesUnrun) {
  proxy->stall(true);
  std::vector<std::thread> hanging;
  for (std::int64_t i = 0; i < 2; ++i)  // as many as there are connections
    hanging.emplace_back([&, i] { EXPECT_FALSE(put(ends_in(1500ms), i)); });
  while (counters.in_use < 2) std::this_thread::yield();
  const auto begin = Steady::now();
  bool ran = false;
  auto behind = write(ends_in(300ms), [&](sql::Tx&) -> Result<> {
    ran = true;
    return fail(Errc::deadline_exceeded);
  });
  EXPECT_EQ(token_of(behind), "deadline_exceeded");
  EXPECT_LT(Steady::now() - begin, 800ms);
  EXPECT_FALSE(ran);
  for (auto& t : hanging) t.join();
}

TEST_F(PostgresTest, TheDestructorDoesNotWaitForAServerThatHangs) {
  open(1);  // whose connection is there before the server hangs
  ASSERT_OK(read(Ctx{}));
  proxy->stall(true);
  std::atomic<bool> asked{false};
  std::string told;
  std::thread caller([&] {
    told = token_of(write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
      asked = true;
      SV_CHECK(tx.execute("INSERT INTO t (id) VALUES (1)"));
      return {};
    }));
  });
  while (!asked) std::this_thread::yield();
  const auto begin = Steady::now();
  db.reset();
  EXPECT_LT(Steady::now() - begin, 4s);
  caller.join();
  EXPECT_EQ(told, "database_unreachable");
}

TEST_F(PostgresTest, ACommitWhoseAnswerIsLostIsUnknownAndNotRunAgain) {
  int runs = 0, committed = 0;
  proxy->cut_after("COMMIT");
  auto told = write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    ++runs;
    tx.on_commit([&] { ++committed; });
    SV_CHECK(tx.execute("INSERT INTO t (id) VALUES (1)"));
    return {};
  });
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().token, "outcome_unknown");
  EXPECT_EQ(told.error().code, Errc::unavailable);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(committed, 0);
  EXPECT_EQ(count(), "1");
  EXPECT_OK(put(Ctx{}, 2));
}

TEST_F(PostgresTest, AConnectionLostBeforeTheCommitIsNoticedByNobody) {
  int runs = 0;
  ASSERT_OK(write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("INSERT INTO t (id) VALUES (1)"));
    if (++runs == 1) proxy->cut();
    SV_CHECK(tx.execute("INSERT INTO t (id) VALUES (2)"));
    return {};
  }));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(count(), "2");
  EXPECT_OK(read(Ctx{}));  // its connection was cut as well
}

TEST_F(PostgresTest, AServerThatIsGoneIsUnreachableAndUsedAgainSoonAfterItIsBack) {
  ASSERT_OK(read(Ctx{}));
  proxy->cut(true);
  auto rows = read(ends_in(5s));
  EXPECT_EQ(token_of(rows), "database_unreachable");
  EXPECT_EQ(token_of(put(ends_in(5s), 1)), "database_unreachable");
  proxy->accept_again();
  const auto back = Steady::now();
  while (!read(ends_in(1s)) && Steady::now() - back < 10s) std::this_thread::yield();
  while (!put(ends_in(1s), 1) && Steady::now() - back < 10s) std::this_thread::yield();
  EXPECT_LT(Steady::now() - back, 5s);
  EXPECT_EQ(count(), "1");
}

TEST_F(PostgresTest, NothingThatWasAcknowledgedIsLostWhenConnectionsBreakAndSessionsAreEnded) {
  std::atomic<bool> done{false};
  std::atomic<std::int64_t> acknowledged{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> writers;
  std::mutex mutex;
  std::vector<std::int64_t> ids;
  for (std::int64_t t = 0; t < 3; ++t)
    writers.emplace_back([&, t] {
      for (std::int64_t id = t; !done; id += 3) {
        const std::string token = token_of(put(ends_in(2s), id));
        if (token == "unique_violation" ||
            (!token.empty() && token != "outcome_unknown" && token != "database_unreachable"))
          ++wrong;
        if (!token.empty()) continue;
        std::lock_guard lock(mutex);
        ids.push_back(id);
        ++acknowledged;
      }
    });
  for (int i = 0; i < 6; ++i) {
    const auto before = acknowledged.load();
    const auto end = Steady::now() + 10s;
    while (acknowledged < before + 30 && Steady::now() < end) std::this_thread::yield();
    if (i % 2 == 0) proxy->cut();
    else
      run_sql(direct,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
              "'shortvideo' AND query LIKE '%INTO t%'");
  }
  done = true;
  for (auto& t : writers) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(acknowledged, 180);
  std::int64_t found = 0;
  auto rows = run_task(db->query(Ctx{}, "SELECT count(*) FROM t WHERE id = any($1)", {ids}));
  ASSERT_OK(rows);
  found = rows->i64(0, 0);
  EXPECT_EQ(found, acknowledged);
}

TEST_F(PostgresTest, ABatchLargerThanEveryBufferIsOneRoundTrip) {
  std::vector<sql::Params> rows;
  for (std::int64_t id = 0; id < 3000; ++id) rows.push_back({id, std::string(2000, 'x')});
  ASSERT_OK(write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    SV_TRY(auto n, tx.execute_many("INSERT INTO t (id, name) VALUES ($1, $2)", rows));
    EXPECT_EQ(n, 3000);
    SV_TRY(auto names, tx.query("SELECT name FROM t"));
    EXPECT_EQ(names.size(), 3000u);
    return {};
  }));
}

TEST_F(PostgresTest, AValueThatAColumnCannotHoldIsABadRow) {
  ASSERT_OK(write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("CREATE TABLE small (n smallint, name text)"));
    SV_TRY(auto each, tx.execute_each("INSERT INTO small (n, name) VALUES ($1, $2)",
                                      {{1, "a"}, {70'000, "b"}, {3, std::string("c\0d", 3)}}));
    EXPECT_TRUE(each[0]);
    EXPECT_FALSE(each[1]);
    EXPECT_FALSE(each[2]);
    return {};
  }));
}

TEST_F(PostgresTest, MoreStatementsThanAreKeptPreparedAllWork) {
  ASSERT_OK(write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    for (int round = 0; round < 2; ++round)
      for (int i = 0; i < 300; ++i) {
        SV_TRY(auto rows, tx.query(fmt::format("SELECT {} + $1", i), {1}));
        EXPECT_EQ(rows.i64(0, 0), i + 1);
      }
    SV_TRY(auto kept, tx.query("SELECT count(*) FROM pg_prepared_statements"));
    EXPECT_LE(kept.i64(0, 0), 256);
    return {};
  }));
}

TEST_F(PostgresTest, AReadOnlySessionIsASentence) {
  auto told = write(Ctx{}, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("SET TRANSACTION READ ONLY"));
    SV_CHECK(tx.execute("INSERT INTO t (id) VALUES (1)"));
    return {};
  });
  ASSERT_FALSE(told);
  EXPECT_TRUE(told.error().detail.starts_with("the database takes no writes"))
      << told.error().detail;
}

TEST_F(PostgresTest, WhatIsWrongAtTheStartIsNamedFirst) {
  const UrlParts url(testing::postgres_url());
  const std::string here = fmt::format("127.0.0.1:{}", url.port);
  auto begins = [](const std::string& text, std::string_view with) {
    EXPECT_TRUE(text.starts_with(with)) << text;
  };
  begins(sentence("postgres://a:geheim@127.0.0.1:1/x?nothing=1"), "the database's URL is wrong: ");
  begins(sentence("postgres://a:geheim@127.0.0.1:1/x"),
         "no PostgreSQL server answers at 127.0.0.1:1");
  begins(sentence(fmt::format("postgres://shortvideo:geheim@{}/shortvideo", here)),
         "the password of the database user shortvideo is wrong at " + here);
  begins(sentence(fmt::format("{}{}/nowhere", url.before, here)),
         "the database nowhere does not exist at " + here);
  const testing::Proxy silent(0);
  begins(sentence(fmt::format("postgres://a:geheim@127.0.0.1:{}/x", silent.port())),
         "no PostgreSQL server answers at ");
  const PostgresOptions nowhere{.url = url.at(url.port) + "&options=-csearch_path%3Dpg_catalog"};
  auto refused = migrate_postgres(nowhere, {}, "contract");
  ASSERT_FALSE(refused);
  begins(refused.error().detail, "cannot make tables in ");
}

TEST_F(PostgresTest, NoErrorShowsThePassword) {
  const UrlParts url(testing::postgres_url());
  for (const std::string& wrong :
       {std::string("postgres://a:ge%68eim@127.0.0.1:1/x?nothing=1"),
        std::string("postgres://a:ge/heim@127.0.0.1:1/x"), std::string("host=h password=geheim x"),
        std::string("host=h port=1 password='geheim' nothing=3"),
        fmt::format("postgres://shortvideo:geheim@127.0.0.1:{}/shortvideo", url.port)}) {
    const std::string text = sentence(wrong);
    EXPECT_EQ(text.find("geheim"), text.npos) << text;
    EXPECT_EQ(text.find("ge/heim"), text.npos) << text;
    EXPECT_EQ(text.find("ge%68eim"), text.npos) << text;
  }
  proxy->cut(true);
  const auto lost = put(ends_in(1s), 1);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().detail.find(":" + password_of(direct) + "@"), std::string::npos);
}

TEST(PostgresTextTest, PasswordsAreTakenOutAsWrittenAndAsMeant) {
  for (const std::string& url : {std::string("postgres://a:ge%68eim@h/x"),
                                 std::string("postgres://h/x?password=ge%68eim&y=1"),
                                 std::string("host=h password='ge%68eim' port=1")})
    for (const std::string& shown : {std::string("ge%68eim"), std::string("geheim")}) {
      const std::string text = postgres::redact("at " + shown + ".", url);
      EXPECT_EQ(text.find(shown), text.npos) << text << " of " << url;
    }
}

TEST_F(PostgresTest, ConnectionsAreCounted) {
  ASSERT_OK(read(Ctx{}));
  EXPECT_GE(counters.open.load(), 2);
  EXPECT_EQ(counters.waiting.load(), 0);
  EXPECT_EQ(counters.in_use.load(), 0);
  EXPECT_EQ(counters.works.load(), 1u);
  db.reset();
  EXPECT_EQ(counters.open.load(), 0);
}

// Its number is lower than that of one which was committed, and read, before it.
TEST_F(PostgresTest, AnEventThatCommitsLateIsDeliveredAllTheSame) {
  testing::TempDir folder;
  const auto setup = events(folder.path(), testing::BusUse::alone);
  testing::EventLog log;
  testing::subscribe(*setup, "one", {"t"}, log);
  ASSERT_OK(setup->bus().start());
  const auto publish = [&](std::string payload, std::function<void()> then) {
    return run_task(setup->database().run_write(
        Ctx{},
        [&](sql::Tx& tx) -> Result<> {
          SV_CHECK(setup->bus().publish(
              tx, {{.topic = "t", .key = payload, .revision = 1, .payload = payload}}));
          then();
          return {};
        },
        sql::Isolation::read_committed));
  };
  std::latch published(1);
  std::thread late([&] {
    EXPECT_TRUE(publish("late", [&] {
      published.count_down();
      EXPECT_TRUE(log.wait_for(1));
    }));
  });
  published.wait();
  EXPECT_TRUE(publish("early", [] {}));
  late.join();
  ASSERT_TRUE(log.wait_for(2));
  setup->bus().stop();
  EXPECT_EQ(log.payloads(), (testing::Texts{"early", "late"}));
}

}  // namespace
}  // namespace sv
