#include "platform/testing/database_contract.h"

#include <array>
#include <chrono>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <boost/asio/detached.hpp>

#include "platform/testing/run.h"

namespace sv::testing {
namespace {

constexpr sql::Migration kMigrations[] = {
    {"contract/0001_items.sql",
     "-- A semicolon in a comment; and 'quotes'.\n"
     "CREATE TABLE contract_items (id {id}, name {text} NOT NULL UNIQUE, score {int} NOT NULL "
     "DEFAULT 0, data {bytes}, hidden {bool});\n"
     "INSERT INTO contract_items (id, name) VALUES (1000, 'a;b');\n"},
    {"contract/0002_by_score.sql", "CREATE INDEX contract_items_score ON contract_items (score)"},
};

constexpr std::string_view kInsert =
    "INSERT INTO contract_items (id, name, score) VALUES ($1, $2, $3)";
constexpr std::string_view kCount = "SELECT count(*) FROM contract_items";

Result<> insert(sql::Tx& tx, std::int64_t id, std::string name, std::int64_t score = 0) {
  SV_CHECK(tx.execute(kInsert, {id, std::move(name), score}));
  return {};
}

Result<> write(sql::Database& db, std::function<Result<>(sql::Tx&)> work) {
  return run_task(db.run_write(Ctx{}, std::move(work)));
}

Ctx ends_in(std::chrono::milliseconds time) {
  Ctx ctx;
  ctx.deadline = std::chrono::steady_clock::now() + time;
  return ctx;
}

Result<std::int64_t> score(sql::Tx& tx, std::int64_t id) {
  SV_TRY(auto rows, tx.query("SELECT score FROM contract_items WHERE id = $1", {id}));
  return rows.i64(0, 0);
}

Result<> set_score(sql::Tx& tx, std::int64_t id, std::int64_t to) {
  SV_CHECK(tx.execute("UPDATE contract_items SET score = $1 WHERE id = $2", {to, id}));
  return {};
}

// Both threads run `work` (given 0 and 1) at the same time; what each was told.
std::array<Result<>, 2> both(sql::Database& db, sql::Isolation isolation,
                             std::function<Result<>(sql::Tx&, int)> work) {
  std::array<Result<>, 2> told;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      told[static_cast<std::size_t>(i)] =
          run_task(db.run_write(Ctx{}, [&, i](sql::Tx& tx) { return work(tx, i); }, isolation));
    });
  for (auto& t : threads) t.join();
  return told;
}

// Where works that may run side by side wait for each other, once and not for ever: one writer
// never lets them meet.
class Meeting {
 public:
  void arrive() {
    if (++arrived_ > 2) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (arrived_ < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

 private:
  std::atomic<int> arrived_{0};
};

std::int64_t count(sql::Database& db) {
  auto rows = run_task(db.query(Ctx{}, kCount));
  return rows ? rows->i64(0, 0) : -1;
}

}  // namespace

void DatabaseContract::SetUp() {
  if (const std::string why = GetParam().missing(); !why.empty()) GTEST_SKIP() << why;
  reopen();
}

void DatabaseContract::TearDown() {
  db_.reset();
  if (GetParam().missing().empty()) GetParam().remove(folder_.path());
}

void DatabaseContract::reopen() {
  db_.reset();
  auto opened = GetParam().open(folder_.path(), kMigrations);
  ASSERT_OK(opened);
  db_ = std::move(*opened);
}

TEST_P(DatabaseContract, EveryKindOfValueComesBackAsItWentIn) {
  const std::string bytes("\0\xff\x01", 3);
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(
        "INSERT INTO contract_items (id, name, score, data, hidden) VALUES ($1, $2, $3, $4, $5)",
        {(1LL << 53) - 1, "名字 'quoted' $1", -7, sql::Blob{bytes}, true}));
    SV_CHECK(tx.execute(R"(
        INSERT INTO contract_items (id, name, data, hidden)
        VALUES ($1, $2, $3, $4))",
                        {2, "", nullptr, std::optional<bool>()}));
    return {};
  }));
  auto rows = run_task(db_->query(
      Ctx{},
      "SELECT id, name, score, data, hidden FROM contract_items WHERE id <> 1000 ORDER BY id"));
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ(rows->text(0, 1), "");
  EXPECT_TRUE(rows->is_null(0, 3));
  EXPECT_TRUE(rows->is_null(0, 4));
  EXPECT_EQ(rows->i64(1, 0), (1LL << 53) - 1);
  EXPECT_EQ(rows->text(1, 1), "名字 'quoted' $1");
  EXPECT_EQ(rows->i64(1, 2), -7);
  EXPECT_EQ(rows->blob(1, 3), bytes);
  EXPECT_TRUE(rows->boolean(1, 4));
}

TEST_P(DatabaseContract, ParametersAreBoundByNumberWhateverTheirOrderInTheText) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute("INSERT INTO contract_items (score, name, id) VALUES ($3, $2, $1)",
                        {5, "five", 50}));
    return {};
  }));
  auto rows = run_task(db_->query(
      Ctx{}, "SELECT name FROM contract_items WHERE score = $2 AND id = $1 AND score = $2",
      {5, 50}));
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->text(0, 0), "five");
}

TEST_P(DatabaseContract, ListsAreOneParameter) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    for (int i = 1; i <= 5; ++i) SV_CHECK(insert(tx, i, "n\"" + std::to_string(i), i));
    return {};
  }));
  auto by_id = run_task(db_->query(Ctx{}, R"(
          SELECT id
          FROM contract_items
          WHERE id = any($1) AND score < $2
          ORDER BY id)",
                                   {std::vector<std::int64_t>{4, 2, 99}, 4}));
  ASSERT_OK(by_id);
  ASSERT_EQ(by_id->size(), 1u);
  EXPECT_EQ(by_id->i64(0, 0), 2);
  auto by_name = run_task(db_->query(Ctx{}, R"(
      SELECT id
      FROM contract_items
      WHERE name = ANY ( $1 ))",
                                     {std::vector<std::string>{"n\"3", "x"}}));
  ASSERT_OK(by_name);
  ASSERT_EQ(by_name->size(), 1u);
  EXPECT_EQ(by_name->i64(0, 0), 3);
  auto none = run_task(db_->query(Ctx{}, "SELECT id FROM contract_items WHERE id = any($1)",
                                  {std::vector<std::int64_t>{}}));
  ASSERT_OK(none);
  EXPECT_TRUE(none->empty());
}

TEST_P(DatabaseContract, ChangedRowsAreCounted) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_TRY(auto many, tx.execute_many(kInsert, {{1, "a", 1}, {2, "b", 2}, {3, "c", 3}}));
    EXPECT_EQ(many, 3);
    SV_TRY(auto some,
           tx.execute("UPDATE contract_items SET score = 9 WHERE id <= $1 AND id < 1000", {2}));
    EXPECT_EQ(some, 2);
    SV_TRY(auto none, tx.execute("DELETE FROM contract_items WHERE id = $1", {77}));
    EXPECT_EQ(none, 0);
    SV_TRY(
        auto ignored,
        tx.execute("INSERT INTO contract_items (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                   {1, "z"}));
    EXPECT_EQ(ignored, 0);
    SV_TRY(
        auto returned,
        tx.query("UPDATE contract_items SET score = score + 1 WHERE id = $1 RETURNING score", {1}));
    EXPECT_EQ(returned.i64(0, 0), 10);
    return {};
  }));
}

TEST_P(DatabaseContract, AFailingWorkIsRolledBackAlone) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) { return insert(tx, 1, "one"); }));
  auto failed = write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 2, "two"));
    return fail(Errc::rejected, "no");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().token, "no");
  EXPECT_EQ(count(*db_), 2);
}

TEST_P(DatabaseContract, AUniqueViolationIsAConflict) {
  auto twice = write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 1, "same"));
    return insert(tx, 2, "same");
  });
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, Errc::conflict);
  EXPECT_EQ(twice.error().token, "unique_violation");
  auto same_id = write(*db_, [](sql::Tx& tx) { return insert(tx, 1000, "other"); });
  ASSERT_FALSE(same_id);
  EXPECT_EQ(same_id.error().token, "unique_violation");
}

TEST_P(DatabaseContract, AWorkThatSwallowsAFailedStatementFails) {
  auto swallowed = write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 1, "one"));
    (void)insert(tx, 1, "again");
    return {};
  });
  ASSERT_FALSE(swallowed);
  EXPECT_EQ(swallowed.error().token, "unique_violation");
  EXPECT_EQ(count(*db_), 1);
}

TEST_P(DatabaseContract, AnExceptionInAWorkRollsBackAndReachesTheCaller) {
  EXPECT_THROW((void)write(*db_,
                           [](sql::Tx& tx) -> Result<> {
                             (void)insert(tx, 1, "one");
                             throw std::runtime_error("boom");
                           }),
               std::runtime_error);
  EXPECT_EQ(count(*db_), 1);
}

TEST_P(DatabaseContract, AWrongStatementOrParameterCountIsAnInternalError) {
  auto syntax = run_task(db_->query(Ctx{}, "SELEC 1"));
  ASSERT_FALSE(syntax);
  EXPECT_EQ(syntax.error().code, Errc::internal);
  auto missing = run_task(db_->query(Ctx{}, "SELECT $1", {}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::internal);
  EXPECT_FALSE(
      run_task(db_->query(Ctx{}, "SELECT name FROM contract_items WHERE id = $1", {1, 2})));
}

TEST_P(DatabaseContract, ReadsCannotWrite) {
  EXPECT_FALSE(run_task(db_->query(Ctx{}, "DELETE FROM contract_items")));
  EXPECT_EQ(count(*db_), 1);
}

TEST_P(DatabaseContract, OnCommitRunsBeforeTheAnswerAndNotAfterARollback) {
  std::atomic<int> runs{0};
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) {
    tx.on_commit([&] { ++runs; });
    return insert(tx, 1, "one");
  }));
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(write(*db_, [&](sql::Tx& tx) {
    tx.on_commit([&] { ++runs; });
    return insert(tx, 1, "one");
  }));
  EXPECT_EQ(runs, 1);
}

TEST_P(DatabaseContract, WriteReturnsTheValueOfTheWork) {
  Ctx ctx;
  auto id = run_task(db_->write(ctx, [](sql::Tx& tx) -> Result<std::string> {
    SV_TRY(auto rows,
           tx.query("INSERT INTO contract_items (id, name) VALUES ($1, $2) RETURNING name",
                    {7, "seven"}));
    return rows.text(0, 0);
  }));
  ASSERT_OK(id);
  EXPECT_EQ(*id, "seven");
}

TEST_P(DatabaseContract, AReadSeesEveryWriteAnsweredBeforeIt) {
  std::vector<std::thread> threads;
  std::atomic<int> unseen{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::int64_t id = t * 100 + i;
        if (!write(*db_, [id](sql::Tx& tx) { return insert(tx, id, fmt::format("n{}", id)); }))
          ++unseen;
        auto rows = run_task(db_->query(Ctx{}, "SELECT 1 FROM contract_items WHERE id = $1", {id}));
        if (!rows || rows->empty()) ++unseen;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(unseen, 0);
  EXPECT_EQ(count(*db_), 201);
}

TEST_P(DatabaseContract, ConcurrentIncrementsAreNotLost) {
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        if (!write(*db_, [](sql::Tx& tx) -> Result<> {
              SV_TRY(auto rows, tx.query("SELECT score FROM contract_items WHERE id = 1000"));
              SV_CHECK(tx.execute("UPDATE contract_items SET score = $1 WHERE id = 1000",
                                  {rows.i64(0, 0) + 1}));
              return {};
            }))
          ++failed;
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(failed, 0);
  auto rows = run_task(db_->query(Ctx{}, "SELECT score FROM contract_items WHERE id = 1000"));
  ASSERT_OK(rows);
  EXPECT_EQ(rows->i64(0, 0), 200);
}

TEST_P(DatabaseContract, RowsAndMigrationsSurviveAReopen) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) { return insert(tx, 1, "one"); }));
  reopen();
  ASSERT_TRUE(db_);
  EXPECT_EQ(count(*db_), 2);  // the migration's own row was not inserted twice
}

TEST_P(DatabaseContract, AnUnknownOrChangedMigrationIsRefusedWithASentence) {
  db_.reset();
  auto older = GetParam().open(folder_.path(), std::span(kMigrations).first(1));
  ASSERT_FALSE(older);
  EXPECT_NE(older.error().detail.find("contract/0002_by_score.sql"), std::string::npos)
      << older.error().detail;
  const sql::Migration changed[] = {{kMigrations[0].name, "CREATE TABLE contract_other (id {id})"},
                                    kMigrations[1]};
  auto altered = GetParam().open(folder_.path(), changed);
  ASSERT_FALSE(altered);
  EXPECT_NE(altered.error().detail.find("contract/0001_items.sql"), std::string::npos)
      << altered.error().detail;
}

TEST_P(DatabaseContract, ANewerMigrationMaySayWhichOlderProgramsGoOnBesideIt) {
  db_.reset();
  const sql::Migration newer[] = {
      kMigrations[0],
      kMigrations[1],
      {"contract/0003_more.sql",
       "-- A table more.\n-- tolerates: contract/0002_by_score.sql\nCREATE TABLE contract_more (id "
       "{id});"}};
  ASSERT_OK(GetParam().open(folder_.path(), newer));
  EXPECT_OK(GetParam().open(folder_.path(), kMigrations)) << "knows the second one";
  EXPECT_FALSE(GetParam().open(folder_.path(), std::span(kMigrations).first(1)));
}

TEST_P(DatabaseContract, AFailingMigrationLeavesNothingBehind) {
  db_.reset();
  const sql::Migration broken[] = {
      kMigrations[0],
      kMigrations[1],
      {"contract/0003_half.sql", "CREATE TABLE contract_half (id {id}); CREATE NONSENSE;"}};
  EXPECT_FALSE(GetParam().open(folder_.path(), broken));
  const sql::Migration fixed[] = {
      kMigrations[0],
      kMigrations[1],
      {"contract/0003_half.sql", "CREATE TABLE contract_half (id {id}); -- done\n"}};
  EXPECT_OK(GetParam().open(folder_.path(), fixed));
}

TEST_P(DatabaseContract, StatementsAreCounted) {
  const auto before = db_->statements();
  (void)count(*db_);
  (void)count(*db_);
  EXPECT_EQ(db_->statements(), before + 2);
}

TEST_P(DatabaseContract, NothingRunsForACallerWhoseDeadlineHasPassed) {
  const Ctx late = ends_in(std::chrono::milliseconds(-1));
  bool ran = false;
  auto written = run_task(db_->run_write(late, [&](sql::Tx& tx) {
    ran = true;
    return insert(tx, 1, "one");
  }));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::deadline_exceeded);
  EXPECT_FALSE(ran);
  auto read = run_task(db_->query(late, kCount));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::deadline_exceeded);
  EXPECT_EQ(count(*db_), 1);
}

TEST_P(DatabaseContract, AWorkThatWaitsForAnotherEndsAtItsDeadlineAndWritesNothing) {
  std::promise<void> held;
  const Ctx ctx = ends_in(std::chrono::milliseconds(200));
  std::thread holder([&] {
    EXPECT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.lock("contract", 1, sql::LockMode::exclusive));
      SV_CHECK(set_score(tx, 1000, 1));
      held.set_value();
      while (std::chrono::steady_clock::now() < ctx.deadline + std::chrono::milliseconds(300))
        std::this_thread::yield();
      return {};
    }));
  });
  held.get_future().wait();
  auto late = run_task(db_->run_write(ctx, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.lock("contract", 1, sql::LockMode::exclusive));
    return insert(tx, 1, "one");
  }));
  holder.join();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::deadline_exceeded) << describe(late.error());
  EXPECT_EQ(count(*db_), 1);
  ASSERT_OK(write(*db_, [](sql::Tx& tx) { return insert(tx, 1, "one"); }));
}

TEST_P(DatabaseContract, OfTwoWorksThatEachRelyOnTheOthersRowOneSeesTheOther) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 0, "first", 1));
    return insert(tx, 1, "second", 1);
  }));
  // Each lowers its row while both together are 2: one must find 1 (write skew).
  Meeting meeting;
  auto told = both(*db_, sql::Isolation::serializable, [&](sql::Tx& tx, int i) -> Result<> {
    SV_TRY(auto first, score(tx, 0));
    SV_TRY(auto second, score(tx, 1));
    meeting.arrive();
    if (first + second < 2) return fail(Errc::rejected, "too_few");
    return set_score(tx, i, 0);
  });
  EXPECT_NE(token_of(told[0]), token_of(told[1]));
  EXPECT_EQ(token_of(told[0]) + token_of(told[1]), "too_few");
}

TEST_P(DatabaseContract, ASerializableWorkLosesNoUpdate) {
  Meeting meeting;
  auto told = both(*db_, sql::Isolation::serializable, [&](sql::Tx& tx, int) -> Result<> {
    SV_TRY(auto before, score(tx, 1000));
    meeting.arrive();
    return set_score(tx, 1000, before + 1);
  });
  EXPECT_OK(told[0]);
  EXPECT_OK(told[1]);
  EXPECT_EQ(
      run_task(db_->query(Ctx{}, "SELECT score FROM contract_items WHERE id = 1000"))->i64(0, 0),
      2);
}

TEST_P(DatabaseContract, WorksThatWouldWaitForEachOtherForEverBothEnd) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 0, "first"));
    return insert(tx, 1, "second");
  }));
  for (auto isolation : {sql::Isolation::serializable, sql::Isolation::read_committed}) {
    Meeting meeting;
    auto told = both(*db_, isolation, [&](sql::Tx& tx, int i) -> Result<> {
      SV_CHECK(tx.execute("UPDATE contract_items SET score = score + 1 WHERE id = $1", {i}));
      meeting.arrive();
      SV_CHECK(tx.execute("UPDATE contract_items SET score = score + 1 WHERE id = $1", {1 - i}));
      return {};
    });
    EXPECT_OK(told[0]);
    EXPECT_OK(told[1]);
  }
  auto rows = run_task(db_->query(Ctx{}, "SELECT score FROM contract_items WHERE id < 2"));
  EXPECT_EQ(rows->i64(0, 0), 4);
  EXPECT_EQ(rows->i64(1, 0), 4);
}

TEST_P(DatabaseContract, AWorkThatRunsAgainIsToldOfAndCountedOnce) {
  Meeting meeting;
  std::atomic<int> commits{0};
  std::array<Result<std::int64_t>, 2> told;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      told[i] = run_task(db_->write(Ctx{}, [&](sql::Tx& tx) -> Result<std::int64_t> {
        tx.on_commit([&] { ++commits; });
        SV_TRY(auto before, score(tx, 1000));
        meeting.arrive();
        SV_CHECK(set_score(tx, 1000, before + 1));
        return before + 1;
      }));
    });
  for (auto& t : threads) t.join();
  ASSERT_OK(told[0]);
  ASSERT_OK(told[1]);
  EXPECT_EQ(*told[0] + *told[1], 3);
  EXPECT_EQ(commits, 2);
}

// A like beside the end of what it likes: who ends it waits for the like that has begun, and a
// later one sees that it is gone.
TEST_P(DatabaseContract, ALockKeepsReadCommittedWorksFromWhatEndsUnderThem) {
  std::promise<void> begun;
  std::atomic<bool> ended{false};
  std::atomic<int> runs{0};
  auto like = [&](sql::Tx& tx, std::int64_t id) -> Result<> {
    SV_CHECK(tx.lock("item", 1000, sql::LockMode::shared));
    SV_TRY(auto gone, tx.query("SELECT hidden FROM contract_items WHERE id = 1000"));
    if (!gone.is_null(0, 0)) return fail(Errc::rejected, "gone");
    if (++runs == 1) begun.set_value();
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (!ended && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return insert(tx, id, fmt::format("like {}", id));
  };
  auto run = [&](std::function<Result<>(sql::Tx&)> work) {
    return run_task(db_->run_write(Ctx{}, std::move(work), sql::Isolation::read_committed));
  };
  std::thread early([&] { EXPECT_OK(run([&](sql::Tx& tx) { return like(tx, 1); })); });
  begun.get_future().wait();
  std::int64_t seen = -1;
  EXPECT_OK(run([&](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.lock("item", 1000, sql::LockMode::exclusive));
    SV_CHECK(tx.execute("UPDATE contract_items SET hidden = 1 WHERE id = 1000"));
    SV_TRY(auto rows, tx.query(kCount));
    seen = rows.i64(0, 0);
    tx.on_commit([&] { ended = true; });
    return {};
  }));
  early.join();
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(token_of(run([&](sql::Tx& tx) { return like(tx, 2); })), "gone");
  EXPECT_EQ(count(*db_), seen);
}

TEST_P(DatabaseContract, ABadRowFailsAlone) {
  std::vector<Result<std::int64_t>> each;
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
    SV_TRY(each, tx.execute_each(kInsert, {{1, "a", 1},
                                           {2, "a", 2},      // the name is taken
                                           {3, nullptr, 3},  // may not be NULL
                                           {1000, "d", 4},   // the id is taken
                                           {5, "e", 5}}));
    SV_TRY(auto none, tx.execute_each(kInsert, {}));
    EXPECT_TRUE(none.empty());
    return insert(tx, 6, "f", 6);
  }));
  ASSERT_EQ(each.size(), 5u);
  EXPECT_EQ(each[0].value_or(-1), 1);
  EXPECT_EQ(token_of(each[1]), "unique_violation");
  EXPECT_EQ(token_of(each[2]), "internal");
  EXPECT_EQ(token_of(each[3]), "unique_violation");
  EXPECT_EQ(each[4].value_or(-1), 1);
  auto rows = run_task(db_->query(Ctx{}, "SELECT id FROM contract_items ORDER BY id"));
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 4u);
  EXPECT_EQ(rows->i64(1, 0), 5);
}

TEST_P(DatabaseContract, EachRowTellsWhatItChanged) {
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
    SV_TRY(auto claimed,
           tx.execute_each(
               "INSERT INTO contract_items (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
               {{1, "a"}, {1, "b"}, {2, "c"}}));
    EXPECT_EQ(claimed[0].value_or(-1), 1);
    EXPECT_EQ(claimed[1].value_or(-1), 0);
    EXPECT_EQ(claimed[2].value_or(-1), 1);
    return {};
  }));
}

TEST_P(DatabaseContract, ManyRowsAreWrittenAsOneAfterTheOther) {
  constexpr std::string_view kAdd = R"(
      INSERT INTO contract_items (id, name, score)
      VALUES ($1, $2, $3)
      ON CONFLICT (id) DO UPDATE SET score = contract_items.score + excluded.score)";
  std::vector<sql::Params> apart, twice;
  for (int i = 0; i < 100; ++i) apart.push_back({i, fmt::format("n'{},\"\\", i), 1});
  for (int i = 0; i < 100; ++i) twice.push_back({i / 2, fmt::format("n'{},\"\\", i / 2), 10});
  std::int64_t changed = 0;
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
    SV_TRY(changed, tx.execute_many(kAdd, apart));
    SV_TRY(const std::int64_t again, tx.execute_many(kAdd, twice));
    changed += again;
    return insert(tx, 200, "behind");
  }));
  EXPECT_EQ(changed, 200);
  auto rows = run_task(
      db_->query(Ctx{}, "SELECT id, name, score FROM contract_items WHERE id < 200 ORDER BY id"));
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(rows->text(i, 1), fmt::format("n'{},\"\\", i));
    EXPECT_EQ(rows->i64(i, 2), i < 50 ? 21 : 1);
  }
}

TEST_P(DatabaseContract, OfManyRowsEachTellsWhetherItIsNew) {
  std::vector<sql::Params> rows;
  for (int i = 0; i < 90; ++i) rows.push_back({i / 3, fmt::format("n{}", i / 3), i / 3});
  std::vector<Result<std::int64_t>> each;
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
    for (int i = 0; i < 30; i += 2) SV_CHECK(insert(tx, i, fmt::format("n{}", i)));
    SV_TRY(each, tx.execute_each(
                     "INSERT INTO contract_items (id, name, score) VALUES ($1, $2, $3) ON CONFLICT "
                     "DO NOTHING",
                     rows));
    return {};
  }));
  ASSERT_EQ(each.size(), rows.size());
  for (int i = 0; i < 90; ++i)
    EXPECT_EQ(each[static_cast<std::size_t>(i)].value_or(-1), i % 3 == 0 && i / 3 % 2 == 1) << i;
}

TEST_P(DatabaseContract, OneBadRowAmongManyFailsAlone) {
  std::vector<sql::Params> rows;
  for (int i = 0; i < 40; ++i) rows.push_back({i, i == 20 ? "n3" : fmt::format("n{}", i), i});
  std::vector<Result<std::int64_t>> each;
  ASSERT_OK(write(*db_, [&](sql::Tx& tx) -> Result<> {
    SV_TRY(each, tx.execute_each(kInsert, rows));
    return {};
  }));
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(each[i].has_value(), i != 20) << i;
  EXPECT_EQ(token_of(each[20]), "unique_violation");
}

TEST_P(DatabaseContract, AWrongStatementIsNoBadRow) {
  EXPECT_FALSE(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 1, "one"));
    EXPECT_FALSE(tx.execute_each("INSERT INTO contract_nothing (id) VALUES ($1)", {{1}}));
    return {};
  }));
  EXPECT_EQ(count(*db_), 1);
}

TEST_P(DatabaseContract, TheDatabasesClockGoesForwardInsideAWork) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_TRY(auto first, tx.now_ms());
    EXPECT_GT(first, 1'735'689'600'000);  // 2025
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    SV_TRY(auto second, tx.now_ms());
    EXPECT_GT(second, first);
    return {};
  }));
}

TEST_P(DatabaseContract, SumsAreWholeAndAveragesAreNot) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(insert(tx, 1, "one", 1LL << 40));
    return insert(tx, 2, "two", 3);
  }));
  auto rows = run_task(db_->query(Ctx{}, R"(
      SELECT sum(score), avg(score * 1.0), count(*), max(name)
      FROM contract_items
      WHERE id < $1)",
                                  {1000}));
  ASSERT_OK(rows);
  EXPECT_EQ(rows->i64(0, 0), (1LL << 40) + 3);
  EXPECT_DOUBLE_EQ(rows->f64(0, 1), (static_cast<double>(1LL << 40) + 3) / 2);
  EXPECT_EQ(rows->i64(0, 2), 2);
  EXPECT_EQ(rows->text(0, 3), "two");
}

TEST_P(DatabaseContract, ManyReadsOfOneLoopAreAnsweredEachWithItsOwn) {
  asio::io_context io;
  std::atomic<int> right{0};
  auto ask = [](sql::Database& db, std::int64_t n, std::atomic<int>& good) -> Task<> {
    auto rows = n % 10 == 3
                    ? co_await db.query(Ctx{}, "SELECT nothing FROM contract_items")
                    : co_await db.query(Ctx{}, "SELECT score + $1 FROM contract_items", {n});
    if (n % 10 == 3 ? !rows : rows && rows->i64(0, 0) == n) ++good;
  };
  for (int n = 0; n < 200; ++n) asio::co_spawn(io, ask(*db_, n, right), asio::detached);
  io.run();
  EXPECT_EQ(right, 200);
}

}  // namespace sv::testing
