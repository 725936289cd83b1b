#include "platform/testing/database_contract.h"

#include <thread>

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
  return run_task(db.run_write(std::move(work)));
}

std::int64_t count(sql::Database& db) {
  auto rows = run_task(db.query(kCount));
  return rows ? rows->i64(0, 0) : -1;
}

}  // namespace

void DatabaseContract::SetUp() { reopen(); }

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
      "SELECT name FROM contract_items WHERE score = $2 AND id = $1 AND score = $2", {5, 50}));
  ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->text(0, 0), "five");
}

TEST_P(DatabaseContract, ListsAreOneParameter) {
  ASSERT_OK(write(*db_, [](sql::Tx& tx) -> Result<> {
    for (int i = 1; i <= 5; ++i) SV_CHECK(insert(tx, i, "n\"" + std::to_string(i), i));
    return {};
  }));
  auto by_id = run_task(db_->query(R"(
          SELECT id
          FROM contract_items
          WHERE id = any($1) AND score < $2
          ORDER BY id)",
                                   {std::vector<std::int64_t>{4, 2, 99}, 4}));
  ASSERT_OK(by_id);
  ASSERT_EQ(by_id->size(), 1u);
  EXPECT_EQ(by_id->i64(0, 0), 2);
  auto by_name = run_task(db_->query(R"(
      SELECT id
      FROM contract_items
      WHERE name = ANY ( $1 ))",
                                     {std::vector<std::string>{"n\"3", "x"}}));
  ASSERT_OK(by_name);
  ASSERT_EQ(by_name->size(), 1u);
  EXPECT_EQ(by_name->i64(0, 0), 3);
  auto none = run_task(db_->query("SELECT id FROM contract_items WHERE id = any($1)",
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
  auto syntax = run_task(db_->query("SELEC 1"));
  ASSERT_FALSE(syntax);
  EXPECT_EQ(syntax.error().code, Errc::internal);
  auto missing = run_task(db_->query("SELECT $1", {}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::internal);
  EXPECT_FALSE(run_task(db_->query("SELECT name FROM contract_items WHERE id = $1", {1, 2})));
}

TEST_P(DatabaseContract, ReadsCannotWrite) {
  EXPECT_FALSE(run_task(db_->query("DELETE FROM contract_items")));
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
        auto rows = run_task(db_->query("SELECT 1 FROM contract_items WHERE id = $1", {id}));
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
  auto rows = run_task(db_->query("SELECT score FROM contract_items WHERE id = 1000"));
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

}  // namespace sv::testing
