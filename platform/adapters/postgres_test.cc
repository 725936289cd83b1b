#include "platform/adapters/postgres.h"

#include "platform/adapters/postgres_testing.h"
#include "platform/testing/database_contract.h"
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

}  // namespace

namespace testing {
INSTANTIATE_TEST_SUITE_P(
    Postgres, DatabaseContract,
    ::testing::Values(DatabaseUnderTest{
        .name = "postgres", .open = open_schema, .missing = no_postgres, .remove = drop_schema}));
}
}  // namespace sv
