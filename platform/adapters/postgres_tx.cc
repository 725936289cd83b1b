#include "platform/adapters/postgres_tx.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "platform/adapters/postgres_bulk.h"

namespace sv::postgres {
namespace {

// The server ends a statement at the deadline by itself, which keeps the connection; only one that
// does not is given up.
constexpr auto kGrace = std::chrono::milliseconds(100);
// SQLSTATE: an INSERT … ON CONFLICT DO UPDATE came upon a row of its own.
constexpr std::string_view kMeetsItself = "21000";

std::int64_t milliseconds_left(Deadline deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  return std::max<std::int64_t>(
      1, std::chrono::duration_cast<std::chrono::milliseconds>(left).count());
}

// FNV-1a over both; the same in every process and version.
std::int64_t lock_key(std::string_view kind, std::int64_t id) {
  std::uint64_t hash = 14695981039346656037ULL;
  auto add = [&](std::uint64_t byte) { hash = (hash ^ (byte & 0xff)) * 1099511628211ULL; };
  for (char c : kind) add(static_cast<unsigned char>(c));
  for (int shift = 0; shift < 64; shift += 8) add(static_cast<std::uint64_t>(id) >> shift);
  return static_cast<std::int64_t>(hash);
}

}  // namespace

void WorkTx::begin() {
  if (!std::exchange(begun_, true)) {
    connection_.send_plain(isolation_ == sql::Isolation::serializable
                               ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
                               : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    if (limit_.deadline != Deadline::max())
      connection_.send_plain(
          fmt::format("SET LOCAL statement_timeout = {}", milliseconds_left(limit_.deadline)));
  }
  send_locks();
}

// In their order; those of one mode that follow each other in one statement.
void WorkTx::send_locks() {
  const std::vector<Lock> locks = std::exchange(locks_, {});
  for (auto first = locks.begin(); first != locks.end();) {
    const auto last =
        std::find_if(first, locks.end(), [&](const Lock& l) { return l.mode != first->mode; });
    std::vector<std::int64_t> keys;
    for (auto lock = first; lock != last; ++lock) keys.push_back(lock->key);
    connection_.send_plain(
        fmt::format("SELECT pg_advisory_xact_lock{}(k) FROM unnest('{{{}}}'::bigint[]) AS k",
                    first->mode == sql::LockMode::shared ? "_shared" : "", fmt::join(keys, ",")));
    first = last;
  }
}

Reply<std::vector<ResultPtr>> WorkTx::exchange() {
  Limit limit = limit_;
  if (limit.deadline != Deadline::max()) limit.deadline += kGrace;
  return connection_.exchange(limit);
}

Error WorkTx::noted(Failure failure) {
  if (!failure_) failure_ = std::move(failure);
  return failure_->error;
}

Result<std::vector<ResultPtr>> WorkTx::all_or_fail() {
  auto reply = exchange();
  if (!reply) return std::unexpected(noted(std::move(reply.error())));
  return std::move(*reply);
}

Result<sql::Rows> WorkTx::query(std::string_view sql, const sql::Params& params) {
  if (failure_) return std::unexpected(failure_->error);
  begin();
  connection_.send(sql, params);
  SV_TRY(auto results, all_or_fail());
  return rows_of(*results[0]);
}

Result<std::int64_t> WorkTx::execute(std::string_view sql, const sql::Params& params) {
  if (failure_) return std::unexpected(failure_->error);
  begin();
  connection_.send(sql, params);
  SV_TRY(auto results, all_or_fail());
  return changed_by(*results[0]);
}

Result<std::int64_t> WorkTx::execute_many(std::string_view sql,
                                          const std::vector<sql::Params>& rows) {
  if (failure_) return std::unexpected(failure_->error);
  if (rows.empty()) return 0;
  if (auto done = in_bulk(sql, rows)) return *done;
  begin();
  for (const auto& row : rows) connection_.send(sql, row);
  SV_TRY(auto results, all_or_fail());
  std::int64_t total = 0;
  for (auto& result : results) total += changed_by(*result);
  return total;
}

std::optional<Result<std::int64_t>> WorkTx::in_bulk(std::string_view sql,
                                                    const std::vector<sql::Params>& rows) {
  const auto bulk = bulk_insert(sql, rows);
  if (!bulk) return {};
  begin();
  if (bulk->updates) connection_.send_plain("SAVEPOINT bulk");
  connection_.send(bulk->sql, bulk->lists);
  if (bulk->updates) connection_.send_plain("RELEASE bulk");
  auto done = exchange();
  if (done) return changed_by(*done->at(0));
  if (!bulk->updates || done.error().state != kMeetsItself)
    return std::unexpected(noted(std::move(done.error())));
  connection_.send_plain("ROLLBACK TO bulk");  // goes with what is sent next
  connection_.send_plain("RELEASE bulk");
  return {};
}

Result<std::vector<Result<std::int64_t>>> WorkTx::execute_each(
    std::string_view sql, const std::vector<sql::Params>& rows) {
  std::vector<Result<std::int64_t>> each;
  if (failure_) return std::unexpected(failure_->error);
  if (rows.empty()) return each;
  begin();
  const auto bulk = bulk_insert(sql, rows);
  const bool told = bulk && bulk->tells;
  connection_.send_plain("SAVEPOINT batch");
  if (told) connection_.send(bulk->sql, bulk->lists);
  else
    for (const auto& row : rows) connection_.send(sql, row);
  connection_.send_plain("RELEASE batch");
  auto all = exchange();
  if (!all && !all.error().of_values()) return std::unexpected(noted(std::move(all.error())));
  if (!all) {
    connection_.send_plain("ROLLBACK TO batch");
    return row_by_row(sql, rows);
  }
  if (!told) {
    for (auto& result : *all) each.emplace_back(changed_by(*result));
    return each;
  }
  const auto did = told_by(rows_of(*all->at(0)), rows);
  if (!did) return fail(Errc::internal, {}, fmt::format("rows came back in disorder [{}]", sql));
  for (const std::size_t changed : *did) each.emplace_back(static_cast<std::int64_t>(changed));
  return each;
}

Result<std::vector<Result<std::int64_t>>> WorkTx::row_by_row(std::string_view sql,
                                                             const std::vector<sql::Params>& rows) {
  std::vector<Result<std::int64_t>> each;
  for (const auto& row : rows) {
    connection_.send_plain("SAVEPOINT row");
    connection_.send(sql, row);
    connection_.send_plain("RELEASE row");
    auto one = exchange();
    if (one) {
      each.emplace_back(changed_by(*one->at(0)));
      continue;
    }
    if (!one.error().of_values()) return std::unexpected(noted(std::move(one.error())));
    each.emplace_back(std::unexpected(std::move(one.error().error)));
    connection_.send_plain("ROLLBACK TO row");  // goes with what is sent next
    connection_.send_plain("RELEASE row");
  }
  connection_.send_plain("RELEASE batch");
  SV_CHECK(all_or_fail());
  return each;
}

Result<> WorkTx::lock(std::string_view kind, std::int64_t id, sql::LockMode mode) {
  locks_.push_back({.key = lock_key(kind, id), .mode = mode});
  return {};
}

Result<std::int64_t> WorkTx::now_ms() {
  SV_TRY(auto rows,
         query("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint", {}));
  return rows.i64(0, 0);
}

std::expected<void, WorkTx::CommitFailure> WorkTx::commit() {
  if (!begun_) return {};
  connection_.send_plain("COMMIT");
  auto reply = exchange();
  if (reply) return {};
  const bool unknown = reply.error().lost;
  return std::unexpected(CommitFailure{std::move(reply.error()), unknown});
}

bool WorkTx::roll_back() {
  if (failure_ && failure_->lost) return false;
  if (!begun_) return true;
  connection_.send_plain("ROLLBACK");
  // The deadline may have passed; the server answers this at once or hangs.
  Limit soon = limit_;
  soon.deadline = std::chrono::steady_clock::now() + kGrace;
  return connection_.exchange(soon).has_value();
}

}  // namespace sv::postgres
