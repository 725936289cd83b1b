#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <libpq-fe.h>

// For tests: the PostgreSQL server that SV_TEST_POSTGRES names, where the user may make schemas.
namespace sv::testing {

inline std::string postgres_url() {
  const char* url = std::getenv("SV_TEST_POSTGRES");
  return url ? url : "";
}

inline std::string no_postgres() {
  return postgres_url().empty() ? "SV_TEST_POSTGRES names no server (script/engines starts one)"
                                : "";
}

// Runs statements and gives the first cell of the last one's result.
inline std::string run_sql(const std::string& url, const std::string& sql) {
  PGconn* pg = PQconnectdb(url.c_str());
  PGresult* result = PQexec(pg, sql.c_str());
  const auto status = PQresultStatus(result);
  const bool failed = status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
  const std::string problem = failed ? PQerrorMessage(pg) : "";
  const std::string cell =
      status == PGRES_TUPLES_OK && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  PQfinish(pg);
  if (failed) throw std::runtime_error(problem);
  return cell;
}

inline std::string schema_of(const std::filesystem::path& folder) {
  return "\"" + folder.filename().string() + "\"";
}

// The schema that belongs to the folder, made if there is none.
inline std::string schema_url(const std::filesystem::path& folder) {
  const std::string name = schema_of(folder);
  run_sql(postgres_url(), "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS " + name);
  const std::string url = postgres_url();
  return url + (url.find('?') == url.npos ? "?" : "&") + "options=-csearch_path%3D%22" +
         folder.filename().string() + "%22";
}

inline void drop_schema(const std::filesystem::path& folder) {
  run_sql(postgres_url(), "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " +
                              schema_of(folder) + " CASCADE");
}

}  // namespace sv::testing
