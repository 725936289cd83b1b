#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "platform/adapters/postgres_connection.h"

namespace sv::postgres {

// One transaction of one work. It begins with the work's first statement, in the same round trip.
class WorkTx final : public sql::Tx {
 public:
  WorkTx(Connection& connection, sql::Isolation isolation, Limit limit)
      : connection_(connection), isolation_(isolation), limit_(limit) {}

  Result<sql::Rows> query(std::string_view sql, const sql::Params& params) override;
  Result<std::int64_t> execute(std::string_view sql, const sql::Params& params) override;
  Result<std::int64_t> execute_many(std::string_view sql,
                                    const std::vector<sql::Params>& rows) override;
  Result<std::vector<Result<std::int64_t>>> execute_each(
      std::string_view sql, const std::vector<sql::Params>& rows) override;
  Result<> lock(std::string_view kind, std::int64_t id, sql::LockMode mode) override;
  Result<std::int64_t> now_ms() override;
  bool numbers_in_order() const override { return false; }
  void on_commit(std::function<void()> then) override { then_.push_back(std::move(then)); }

  // `unknown`: the COMMIT was sent and its answer did not come.
  struct CommitFailure {
    Failure why;
    bool unknown = false;
  };
  std::expected<void, CommitFailure> commit();
  // Leaves the connection without a transaction; false when it must be dropped.
  bool roll_back();
  // The first statement that failed: what follows cannot succeed.
  const std::optional<Failure>& failure() const { return failure_; }
  std::vector<std::function<void()>>& then() { return then_; }

 private:
  void begin();
  void send_locks();
  Reply<std::vector<ResultPtr>> exchange();
  Result<std::vector<ResultPtr>> all_or_fail();
  Error noted(Failure failure);
  // The rows in one statement where they can be; none: they cannot.
  std::optional<Result<std::int64_t>> in_bulk(std::string_view sql,
                                              const std::vector<sql::Params>& rows);
  Result<std::vector<Result<std::int64_t>>> row_by_row(std::string_view sql,
                                                       const std::vector<sql::Params>& rows);

  Connection& connection_;
  const sql::Isolation isolation_;
  const Limit limit_;
  bool begun_ = false;
  struct Lock {
    std::int64_t key;
    sql::LockMode mode;
  };
  std::vector<Lock> locks_;  // to be taken with the next statement
  std::optional<Failure> failure_;
  std::vector<std::function<void()>> then_;
};

}  // namespace sv::postgres
