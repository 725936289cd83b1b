#include "platform/adapters/sqlite_snapshot.h"

#include <fstream>

#include "platform/adapters/sqlite.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"

namespace sv {
namespace {

using testing::run_task;

struct SqliteSnapshotTest : ::testing::Test {
  void SetUp() override {
    db = std::move(open_sqlite({.path = folder / "live.db"}).value());
    ASSERT_OK(write("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"));
    ASSERT_OK(write("INSERT INTO t (name) VALUES ('before')"));
  }
  Result<> write(std::string_view sql) {
    return run_task(db->run_write(Ctx{}, [sql](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute(sql));
      return {};
    }));
  }
  static std::int64_t count(sql::Database& in) {
    return run_task(in.query(Ctx{}, "SELECT count(*) FROM t"))->i64(0, 0);
  }

  testing::TempDir folder;
  std::unique_ptr<sql::Database> db;
};

TEST_F(SqliteSnapshotTest, ACopyHoldsWhatWasThereWhenItWasPinned) {
  auto pinned = pin_sqlite(folder / "live.db");
  ASSERT_OK(pinned);
  ASSERT_OK(
      write("INSERT INTO t (name) VALUES ('after')"));  // the writer does not wait for the pin
  ASSERT_OK((*pinned)->copy_to(folder / "copy.db"));
  ASSERT_OK(write("INSERT INTO t (name) VALUES ('later')"));
  auto copy = open_sqlite({.path = folder / "copy.db", .read_only = true});
  ASSERT_OK(copy);
  EXPECT_EQ(count(**copy), 1);
  EXPECT_EQ(count(*db), 3);
}

TEST_F(SqliteSnapshotTest, ACopyIsOneFile) {
  ASSERT_OK((*pin_sqlite(folder / "live.db"))->copy_to(folder / "copy.db"));
  auto copy = open_sqlite({.path = folder / "copy.db", .read_only = true});
  ASSERT_OK(copy);
  EXPECT_EQ(count(**copy), 1);
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.db-wal"));
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.db-shm"));
}

TEST_F(SqliteSnapshotTest, ADamagedDatabaseIsNotCopiedInSilence) {
  for (int i = 0; i < 200; ++i)
    ASSERT_OK(write("INSERT INTO t (name) VALUES (hex(randomblob(200)))"));
  db.reset();
  {
    std::fstream file(folder / "live.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(4096, '\x7f');
  }
  auto pinned = pin_sqlite(folder / "live.db");
  ASSERT_OK(pinned);
  auto done = (*pinned)->copy_to(folder / "copy.db");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().token, "database_damaged");
}

TEST_F(SqliteSnapshotTest, AFileThatIsNotThereIsNotMade) {
  EXPECT_FALSE(pin_sqlite(folder / "nothing.db"));
  EXPECT_FALSE(std::filesystem::exists(folder / "nothing.db"));
}

}  // namespace
}  // namespace sv
