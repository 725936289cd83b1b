#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/ports/sql.h"

namespace sv::testing {

struct Owner {
  std::string_view name;
  std::span<const sql::Migration> migrations;
};

// The tables of `owners` in a database of the test's own, the same one when called again: the
// SQLite file `path`, or, where SV_TEST_DATABASE is "postgres", the schema named after its folder
// on the server that SV_TEST_POSTGRES names.
Result<std::unique_ptr<sql::Database>> open_test_database(const std::filesystem::path& path,
                                                          std::vector<Owner> owners);
bool test_database_is_postgres();

}  // namespace sv::testing
