// The contract suites on the adapters of the embedded shape, and what is theirs alone.
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/adapters/file_objects.h"
#include "platform/adapters/id_source.h"
#include "platform/adapters/local_search.h"
#include "platform/adapters/memory_cache.h"
#include "platform/adapters/sqlite.h"
#include "platform/adapters/system_clock.h"
#include "platform/adapters/test_local_events.h"
#include "platform/testing/event_bus_log.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

template <class T>
std::unique_ptr<T> must(Result<std::unique_ptr<T>> made) {
  if (!made) throw std::runtime_error(describe(made.error()));
  return std::move(*made);
}

ThreadPool& pool() {
  // Made when the first contract test runs, which is after the tests that fork: GoogleTest runs
  // parameterised suites last.
  static auto* one = new ThreadPool("objects", 2, 1024);
  return *one;
}

Supervisor& supervisor() {
  static metrics::Registry metrics;
  static Supervisor one(metrics);
  return one;
}

std::unique_ptr<sql::Database> sqlite_events(const std::filesystem::path& folder) {
  auto db = must(open_sqlite({.path = folder / "events.db", .readers = 1}));
  if (auto done = migrate_sqlite(*db, local_events_migrations(), "event"); !done)
    throw std::runtime_error(describe(done.error()));
  return db;
}

std::unique_ptr<EventBusSetup> local_events(const std::filesystem::path& folder, BusUse use) {
  static const SystemClock clock;
  return std::make_unique<LocalEventsSetup>(sqlite_events(folder), clock, options_of(use));
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Memory, CacheContract,
                         ::testing::Values([] { return make_memory_cache({}); }));
INSTANTIATE_TEST_SUITE_P(Local, EventBusContract, ::testing::Values(local_events));
INSTANTIATE_TEST_SUITE_P(Local, SearchIndexContract,
                         ::testing::Values([](const std::filesystem::path& folder) {
                           return must(make_local_search(folder / "search.db"));
                         }));
INSTANTIATE_TEST_SUITE_P(File, ObjectStoreContract,
                         ::testing::Values([](const std::filesystem::path& folder) {
                           return must(make_file_objects({.root = folder}, pool()));
                         }));
TEST(MemoryCacheTest, ItStaysWithinItsBytesAndKeepsWhatIsUsed) {
  auto cache = make_memory_cache({.bytes = 1 << 20});
  const std::vector<std::string> hot{"hot"};
  ASSERT_OK(run_task(cache->set("hot", "x", 1h)));
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_OK(run_task(cache->set("k" + std::to_string(i), std::string(1000, 'v'), 1h)));
    ASSERT_TRUE(run_task(cache->get_many(hot))->at(0)) << i;
  }
  std::vector<std::string> keys;
  for (int i = 0; i < 10'000; ++i) keys.push_back("k" + std::to_string(i));
  auto values = run_task(cache->get_many(keys));
  EXPECT_LT(std::ranges::count_if(*values, [](auto& v) { return v.has_value(); }), 1000);
}

std::ptrdiff_t files_below(const std::filesystem::path& folder) {
  return std::ranges::count_if(std::filesystem::recursive_directory_iterator(folder),
                               [](const auto& entry) { return entry.is_regular_file(); });
}

TEST(FileObjectsTest, ADroppedWriterLeavesNoFileBehind) {
  TempDir folder;
  ThreadPool own("objects", 1, 64);
  auto store = must(make_file_objects({.root = folder.path()}, own));
  {
    auto writer = must(run_task(store->put("a")));
    const std::string piece(3 << 20, 'x');
    ASSERT_OK(run_task(writer->write(std::as_bytes(std::span(piece)))));
    EXPECT_EQ(files_below(folder / ".tmp"), 1);
  }
  EXPECT_EQ(files_below(folder / ".tmp"), 0);
}

// Gateways and workers of one machine share a folder.
TEST(FileObjectsTest, StoresOverOneFolderLeaveEachOtherAlone) {
  TempDir folder;
  ThreadPool own("objects", 1, 64);
  auto one = must(make_file_objects({.root = folder.path()}, own));
  auto first = must(run_task(one->put("one")));
  ASSERT_OK(run_task(first->write(std::as_bytes(std::span("1", 1)))));
  auto other = must(make_file_objects({.root = folder.path()}, own));
  auto second = must(run_task(other->put("other")));
  ASSERT_OK(run_task(second->write(std::as_bytes(std::span("22", 2)))));
  ASSERT_OK(run_task(first->commit()));
  ASSERT_OK(run_task(second->commit()));
  EXPECT_EQ(run_task(other->head("one"))->size, 1u);
  EXPECT_EQ(run_task(one->head("other"))->size, 2u);
  // What a dead process left goes with the next start.
  std::filesystem::create_directories(folder / ".tmp/dead");
  std::ofstream(folder / ".tmp/dead/0") << "half";
  auto third = must(make_file_objects({.root = folder.path()}, own));
  EXPECT_FALSE(std::filesystem::exists(folder / ".tmp/dead"));
  EXPECT_OK(run_task(must(run_task(one->put("still")))->commit()));
}

Task<Result<>> answer(Result<> result) { co_return result; }

// The first writes fail, as when others hold the database for too long.
class BusyAtFirst final : public sql::Database {
 public:
  BusyAtFirst(sql::Database& db, int failures) : db_(db), failures_(failures) {}
  Task<Result<sql::Rows>> query(const Ctx& ctx, std::string_view sql, sql::Params params) override {
    return db_.query(ctx, sql, std::move(params));
  }
  Task<Result<>> run_write(const Ctx& ctx, std::function<Result<>(sql::Tx&)> work,
                           sql::Isolation isolation) override {
    if (failures_-- > 0) return answer(fail(Errc::unavailable));
    return db_.run_write(ctx, std::move(work), isolation);
  }
  std::size_t writers() const override { return db_.writers(); }
  std::uint64_t statements() const override { return db_.statements(); }

 private:
  sql::Database& db_;
  std::atomic<int> failures_;
};

constexpr LocalEventsOptions kBriefly{.retention = 1min, .forgotten = 3h, .poll = 1h};

Result<> publish_ten(LocalEventsSetup& setup) {
  return run_task(setup.database().run_write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
    for (int i = 0; i < 10; ++i)
      SV_CHECK(setup.bus().publish(tx, {Event{.topic = "t", .key = "k", .payload = {}}}));
    return {};
  }));
}

TEST(LocalEventsTest, AGroupWhosePositionCannotBeMadeAtFirstStillGetsEveryEvent) {
  TempDir folder;
  ManualClock clock;
  EventLog log;
  {
    LocalEventsSetup setup(sqlite_events(folder.path()), clock, kBriefly);
    ASSERT_OK(publish_ten(setup));
  }
  clock.advance(1h);  // all but the newest could be trimmed, if nobody wanted them
  LocalEventsSetup setup(sqlite_events(folder.path()), clock, kBriefly);
  ASSERT_OK(run_task(setup.database().run_write(Ctx{}, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("INSERT INTO event_positions (consumer, position) VALUES ('earlier', 10)"));
    return {};
  })));
  BusyAtFirst busy(setup.database(), 1);
  auto bus = make_local_events({&busy}, clock, setup.io.get_executor(), supervisor(), setup.metrics,
                               kBriefly);
  bus->group({.name = "late", .topics = {"t"}, .db = busy, .prepare = into(log)});
  ASSERT_OK(bus->start());
  EXPECT_TRUE(log.wait_for(10));
  bus->stop();
}

// Answers nothing before the deadline.
class SilentDatabase final : public sql::Database {
 public:
  Task<Result<sql::Rows>> query(const Ctx& ctx, std::string_view, sql::Params) override {
    asio::steady_timer deadline(co_await asio::this_coro::executor, ctx.deadline);
    co_await deadline.async_wait(asio::use_awaitable);
    co_return fail(Errc::deadline_exceeded);
  }
  Task<Result<>> run_write(const Ctx&, std::function<Result<>(sql::Tx&)>, sql::Isolation) override {
    return answer(fail(Errc::internal));
  }
  std::size_t writers() const override { return 1; }
  std::uint64_t statements() const override { return 0; }
};

TEST(LocalEventsTest, AStartEndsThoughTheDatabaseHangs) {
  ManualClock clock;
  asio::io_context io;
  metrics::Registry metrics;
  SilentDatabase silent;
  auto bus = make_local_events({&silent}, clock, io.get_executor(), supervisor(), metrics,
                               {.start = 20ms});
  bus->each({.name = "hears", .topics = {"t"}, .hear = [](const std::vector<Event>&) {
               return answer({});
             }});
  const auto started = bus->start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::deadline_exceeded);
}

TEST(LocalEventsTest, AGroupGoesOnWhereAnEarlierVersionKeptItsPosition) {
  TempDir folder;
  ManualClock clock;
  EventLog log;
  LocalEventsSetup setup(sqlite_events(folder.path()), clock, kBriefly);
  ASSERT_OK(publish_ten(setup));
  ASSERT_OK(run_task(setup.database().run_write(Ctx{}, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("INSERT INTO event_positions (consumer, position) VALUES ('one', 7)"));
    return {};
  })));
  subscribe(setup, "one", {"t"}, log);
  ASSERT_OK(setup.bus().start());
  ASSERT_TRUE(log.wait_for(1));
  setup.bus().stop();
  EXPECT_EQ(log.events.size(), 3u);
  EXPECT_EQ(log.events[0].id, 8);
}

// The groups keep their positions in a database of their own.
TEST(LocalEventsTest, TrimmingStopsBeforeTheSlowestGroupUntilThatIsForgotten) {
  TempDir folder, home_folder;
  ManualClock clock;
  EventLog fast, slow;
  const auto home = sqlite_events(home_folder.path());
  const auto rows = [](sql::Database& db) {
    return run_task(db.query(Ctx{}, "SELECT count(*) FROM event_outbox"))->i64(0, 0);
  };
  const auto until = [](auto condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return condition();
  };
  const auto run = [&](std::vector<std::pair<std::string, EventLog*>> groups, auto then) {
    LocalEventsSetup setup(sqlite_events(folder.path()), clock, kBriefly);
    for (auto& [name, log] : groups)
      setup.bus().group({.name = name, .topics = {"t"}, .db = *home, .prepare = into(*log)});
    ASSERT_OK(setup.bus().start());  // trims first
    then(setup);
  };
  slow.away = 1 << 20;
  run({{"fast", &fast}, {"slow", &slow}}, [&](LocalEventsSetup& setup) {
    ASSERT_OK(publish_ten(setup));
    ASSERT_TRUE(fast.wait_for(10));
    ASSERT_TRUE(slow.wait_until([&] { return slow.attempts > 0; }));
  });
  clock.advance(1h);
  run({{"fast", &fast}}, [&](LocalEventsSetup& setup) {
    const auto told = [&] {
      return run_task(setup.database().query(Ctx{},
                                             "SELECT count(*) FROM event_positions WHERE consumer "
                                             "= 'fast' AND position = 10"))
          ->i64(0, 0);
    };
    ASSERT_TRUE(until([&] { return told() == 1; }));
    EXPECT_EQ(rows(setup.database()), 10);
  });
  clock.advance(2h + 1min);  // slow was last seen 3 h ago
  run({{"fast", &fast}}, [&](LocalEventsSetup& setup) {
    EXPECT_TRUE(until([&] { return rows(setup.database()) == 1; }));  // the newest row stays
  });
  EXPECT_EQ(fast.events.size(), 10u);
}

// A child that reports progress on a pipe until it is killed. Its threads are its own: none runs
// when it is forked.
template <class F>
std::vector<std::uint64_t> kill_after(std::size_t reports, F child_main) {
  int pipe[2];
  if (::pipe(pipe) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    child_main([&](std::uint64_t value) {
      if (::write(pipe[1], &value, sizeof value) != sizeof value) ::_exit(1);
    });
    ::_exit(1);
  }
  ::close(pipe[1]);
  std::vector<std::uint64_t> out;
  std::uint64_t value = 0;
  while (out.size() < reports && ::read(pipe[0], &value, sizeof value) == sizeof value)
    out.push_back(value);
  ::kill(child, SIGKILL);
  while (::read(pipe[0], &value, sizeof value) == sizeof value) out.push_back(value);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
  ::close(pipe[0]);
  return out;
}

TEST(CrashTest, AnAppendGoesOnAfterKillNineAtItsDurableOffset) {
  TempDir folder;
  const std::string piece(100'000, 'p');
  auto flushed = kill_after(20, [&](auto report) {
    ThreadPool own("objects", 1, 64);
    auto store = must(make_file_objects({.root = folder.path()}, own));
    auto writer = must(run_task(store->append("up/1")));
    for (;;) {
      if (!run_task(writer->write(std::as_bytes(std::span(piece)))) || !run_task(writer->flush()))
        return;
      report(writer->offset());
    }
  });
  ASSERT_GE(flushed.size(), 20u);
  ThreadPool own("objects", 1, 64);
  auto store = must(make_file_objects({.root = folder.path()}, own));
  EXPECT_FALSE(run_task(store->head("up/1")));
  auto writer = must(run_task(store->append("up/1")));
  EXPECT_GE(writer->offset(), flushed.back());
  const std::uint64_t size = writer->offset() + 3;
  ASSERT_OK(run_task(writer->write(std::as_bytes(std::span(std::string_view("end"))))));
  ASSERT_OK(run_task(writer->commit()));
  EXPECT_EQ(run_task(store->head("up/1"))->size, size);
}

TEST(CrashTest, IdsHandedOutBeforeKillNineAreNeverHandedOutAgain) {
  TempDir folder;
  const SystemClock clock;
  const auto open = [&] {
    auto db = must(open_sqlite({.path = folder / "ids.db", .readers = 1}));
    if (auto done = migrate_sqlite(*db, id_migrations(), "id"); !done)
      throw std::runtime_error(describe(done.error()));
    return db;
  };
  auto before = kill_after(3000, [&](auto report) {
    auto db = open();
    auto ids = must(make_id_source(*db, clock, supervisor()));
    for (;;) report(static_cast<std::uint64_t>(ids->next()));
  });
  auto db = open();
  auto ids = must(make_id_source(*db, clock, supervisor()));
  std::set<std::uint64_t> all(before.begin(), before.end());
  for (int i = 0; i < 3000; ++i)
    EXPECT_TRUE(all.insert(static_cast<std::uint64_t>(ids->next())).second);
}

}  // namespace sv::testing
