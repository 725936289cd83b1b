#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <gtest/gtest.h>

#include "platform/ports/sql.h"
#include "platform/testing/temp_dir.h"

namespace sv::testing {

// What any sql::Database must do. An adapter's test runs it with INSTANTIATE_TEST_SUITE_P(Sqlite,
// DatabaseContract, Values(…)).
struct DatabaseUnderTest {
  std::string name;
  // Opens the database that belongs to `folder` (the same one again when called again) and applies
  // the migrations.
  std::function<Result<std::unique_ptr<sql::Database>>(const std::filesystem::path& folder,
                                                       std::span<const sql::Migration> migrations)>
      open;
  // Why it cannot be tested here; empty: it can.
  std::function<std::string()> missing = [] { return std::string(); };
  // Takes away what open() made outside of the folder.
  std::function<void(const std::filesystem::path& folder)> remove = [](const auto&) {};
};

class DatabaseContract : public ::testing::TestWithParam<DatabaseUnderTest> {
 protected:
  void SetUp() override;
  void TearDown() override;
  void reopen();

  TempDir folder_;
  std::unique_ptr<sql::Database> db_;
};

}  // namespace sv::testing
