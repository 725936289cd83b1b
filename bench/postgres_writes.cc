// Works and rows a second on PostgreSQL, as its settings make them durable, through the adapter.
//   postgres_writes URL [seconds] [callers] [writers]
// Makes the table bench_writes and drops it. Compare with pgbench -M prepared (README.md).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/postgres.h"

namespace sv {
namespace {

using Steady = std::chrono::steady_clock;

struct Run {
  sql::Database& db;
  Deadline end;
  std::atomic<std::int64_t> next{0}, done{0}, failed{0};
};
using Act = Task<bool> (*)(Run&, std::int64_t);

constexpr std::string_view kInsert = "INSERT INTO bench_writes (id, n) VALUES ($1, $2)";
constexpr std::int64_t kRows = 512;

Task<bool> one_row(Run& run, std::int64_t k) {
  auto done = co_await run.db.run_write(
      Ctx{},
      [k](sql::Tx& tx) -> Result<> {
        SV_CHECK(tx.execute(kInsert, {k, k}));
        return {};
      },
      sql::Isolation::read_committed);
  co_return done.has_value();
}

Task<bool> one_row_serializable(Run& run, std::int64_t k) {
  auto done = co_await run.db.run_write(Ctx{}, [k](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(kInsert, {k, k}));
    return {};
  });
  co_return done.has_value();
}

Task<bool> many_rows(Run& run, std::int64_t k) {
  auto done = co_await run.db.run_write(
      Ctx{},
      [k](sql::Tx& tx) -> Result<> {
        std::vector<sql::Params> rows;
        for (std::int64_t i = 0; i < kRows; ++i) rows.push_back({k * kRows + i, i});
        SV_CHECK(tx.execute_many(kInsert, rows));
        return {};
      },
      sql::Isolation::read_committed);
  co_return done.has_value();
}

Task<bool> one_read(Run& run, std::int64_t k) {
  auto rows = co_await run.db.query(Ctx{}, "SELECT n FROM bench_writes WHERE id = $1", {k % 1000});
  co_return rows.has_value();
}

Task<> caller(Run& run, Act act) {
  while (Steady::now() < run.end) ++(co_await act(run, run.next++) ? run.done : run.failed);
}

void measure(sql::Database& db, const char* name, Act act, double seconds, int callers,
             std::int64_t rows) {
  Run run{
      .db = db,
      .end = Steady::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9))};
  asio::io_context io;
  for (int i = 0; i < callers; ++i) asio::co_spawn(io, caller(run, act), asio::detached);
  const auto start = Steady::now();
  io.run();
  const double took = std::chrono::duration<double>(Steady::now() - start).count();
  std::printf("%-24s %10.0f a second, %lld failed\n", name,
              static_cast<double>(run.done * rows) / took,
              static_cast<long long>(run.failed.load()));
}

bool statement(sql::Database& db, std::string_view sql) {
  asio::io_context io;
  bool good = false;
  auto task = [](sql::Database& d, std::string_view text, bool& ok) -> Task<> {
    ok = (co_await d.run_write(Ctx{}, [text](sql::Tx& tx) -> Result<> {
           SV_CHECK(tx.execute(text));
           return {};
         })).has_value();
  };
  asio::co_spawn(io, task(db, sql, good), asio::detached);
  io.run();
  return good;
}

int main_of(int count, char** args) {
  const double seconds = count > 2 ? std::atof(args[2]) : 3;
  const int callers = count > 3 ? std::atoi(args[3]) : 256;
  const int writers = count > 4 ? std::atoi(args[4]) : 16;
  auto db = open_postgres({.url = args[1], .writers = static_cast<std::size_t>(writers)});
  if (!db) {
    std::fprintf(stderr, "postgres_writes: %s\n", db.error().detail.c_str());
    return 1;
  }
  auto fresh = [&] {
    return statement(**db, "DROP TABLE IF EXISTS bench_writes") &&
           statement(**db, "CREATE TABLE bench_writes (id bigint PRIMARY KEY, n bigint)");
  };
  if (!fresh()) return 1;
  measure(**db, "works, serializable", one_row_serializable, seconds, callers, 1);
  if (!fresh()) return 1;
  measure(**db, "works, read committed", one_row, seconds, callers, 1);
  measure(**db, "reads by key", one_read, seconds, callers, 1);
  if (!fresh()) return 1;
  measure(**db, "rows of execute_many", many_rows, seconds, 4, kRows);
  return statement(**db, "DROP TABLE bench_writes") ? 0 : 1;
}

}  // namespace
}  // namespace sv

int main(int count, char** args) {
  if (count < 2) {
    std::fprintf(stderr, "usage: postgres_writes URL [seconds] [callers] [writers]\n");
    return 2;
  }
  return sv::main_of(count, args);
}
