#include "platform/adapters/test_database.h"

#include "platform/adapters/postgres.h"
#include "platform/adapters/postgres_testing.h"
#include "platform/adapters/sqlite.h"

namespace sv::testing {

bool test_database_is_postgres() {
  const char* engine = std::getenv("SV_TEST_DATABASE");
  return engine && std::string_view(engine) == "postgres";
}

Result<std::unique_ptr<sql::Database>> open_test_database(const std::filesystem::path& path,
                                                          std::vector<Owner> owners) {
  if (test_database_is_postgres()) {
    const PostgresOptions options{
        .url = schema_url(path.parent_path()), .writers = 3, .readers = 1};
    SV_TRY(auto db, open_postgres(options));
    for (const auto& [name, migrations] : owners)
      SV_CHECK(migrate_postgres(options, migrations, name));
    return db;
  }
  SV_TRY(auto db, open_sqlite({.path = path}));
  for (const auto& [name, migrations] : owners) SV_CHECK(migrate_sqlite(*db, migrations, name));
  return db;
}

}  // namespace sv::testing
