#include "platform/adapters/id_source.h"

#include <set>
#include <thread>

#include "platform/adapters/postgres.h"
#include "platform/adapters/postgres_testing.h"
#include "platform/adapters/sqlite.h"
#include "platform/core/exception.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

// A process that takes ids: its connection, its clock, its lease.
struct IdTaker final : IdSource {
  IdTaker(std::unique_ptr<sql::Database> opened, const Clock& clock)
      : db(std::move(opened)), ids(make_id_source(*db, clock, supervisor).value()) {}
  std::int64_t next() override { return ids->next(); }

  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<IdSource> ids;
};

std::unique_ptr<sql::Database> sqlite_ids(const std::filesystem::path& folder, const Clock& clock) {
  auto db = open_sqlite({.path = folder / "ids.db", .readers = 1, .clock = &clock}).value();
  migrate_sqlite(*db, id_migrations(), "id").value();
  return db;
}

std::unique_ptr<IdSource> on_sqlite(const std::filesystem::path& folder, const Clock& clock) {
  return std::make_unique<IdTaker>(sqlite_ids(folder, clock), clock);
}

std::unique_ptr<IdSource> on_postgres(const std::filesystem::path& folder, const Clock& clock) {
  const PostgresOptions options{.url = schema_url(folder), .writers = 1, .readers = 1};
  migrate_postgres(options, id_migrations(), "id").value();
  return std::make_unique<IdTaker>(open_postgres(options).value(), clock);
}

// None without a server.
std::vector<IdSourceContract::ParamType> postgres_only() {
  if (postgres_url().empty()) return {};
  return {on_postgres};
}

std::int64_t node_of(std::int64_t id) { return id >> 10 & 127; }
std::int64_t tick_of(std::int64_t id) { return id >> 17; }

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return condition();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, IdSourceContract, ::testing::Values(on_sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, IdSourceContract, ::testing::ValuesIn(postgres_only()));

namespace {

TEST(IdSourceTest, WhileTheDatabaseTakesNothingIdsGoOutWithoutAWaitAndThenEnd) {
  TempDir folder;
  ManualClock clock;
  IdTaker taker(sqlite_ids(folder.path(), clock), clock);
  std::int64_t last = taker.next();
  run_task(taker.db->run_write(Ctx{}, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("ALTER TABLE id_nodes RENAME TO elsewhere"));
    return {};
  })).value();
  clock.advance(1h);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t id = taker.next();
    ASSERT_GT(id, last);
    last = id;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  ASSERT_TRUE(eventually([&] { return !taker.supervisor.failing().empty(); }));
  EXPECT_EQ(taker.supervisor.failing()[0].loop, "ids");
  EXPECT_THROW(for (int i = 0; i < 5'000'000; ++i) taker.next(), ErrorException);
}

// Its machine slept for longer than its lease: what it still hands out was its own, then it takes
// another node.
TEST(IdSourceTest, WhoLostItsNodeGivesNoIdThatItsSuccessorGives) {
  TempDir folder;
  ManualClock slept, clock;
  IdTaker sleeper(sqlite_ids(folder.path(), clock), slept);
  std::set<std::int64_t> all;
  for (int i = 0; i < 3000; ++i) all.insert(sleeper.next());
  clock.advance(1h);
  IdTaker successor(sqlite_ids(folder.path(), clock), clock);
  ASSERT_EQ(node_of(successor.next()), 0);
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(all.insert(sleeper.next()).second);
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(all.insert(successor.next()).second);
  slept.advance(1h);
  ASSERT_TRUE(eventually([&] { return node_of(sleeper.next()) == 1; }));
}

TEST(IdSourceTest, ManyProcessesHaveANodeEachAndGiveItBack) {
  TempDir folder;
  const ManualClock clock;
  std::vector<std::unique_ptr<IdSource>> takers;
  std::set<std::int64_t> nodes;
  for (int i = 0; i < 4; ++i) {
    takers.push_back(on_sqlite(folder.path(), clock));
    nodes.insert(node_of(takers.back()->next()));
  }
  EXPECT_EQ(nodes, (std::set<std::int64_t>{0, 1, 2, 3}));
  takers[2].reset();
  EXPECT_EQ(node_of(on_sqlite(folder.path(), clock)->next()), 2);
}

TEST(IdSourceTest, TimeIsTheDatabases) {
  TempDir folder;
  const ManualClock clock;
  ManualClock late, early;
  late.advance(-5s);
  early.advance(5s);
  IdTaker a(sqlite_ids(folder.path(), clock), late), b(sqlite_ids(folder.path(), clock), early);
  EXPECT_EQ(tick_of(a.next()), tick_of(b.next()));
}

TEST(IdSourceTest, WithoutAFreeNodeItSaysSo) {
  TempDir folder;
  const ManualClock clock;
  auto db = sqlite_ids(folder.path(), clock);
  run_task(db->run_write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    for (int node = 0; node < 128; ++node)
      SV_CHECK(tx.execute("INSERT INTO id_nodes VALUES ($1, 'other', $2, 0)",
                          {node, clock.now_ms() + 1000}));
    return {};
  })).value();
  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  const auto made = make_id_source(*db, clock, supervisor);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().detail.find("all 128 nodes"), std::string::npos);
}

}  // namespace
}  // namespace sv::testing
