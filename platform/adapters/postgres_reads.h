#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "platform/adapters/postgres.h"
#include "platform/adapters/postgres_call.h"
#include "platform/adapters/postgres_connection.h"

namespace sv::postgres {

class Read final : public Call {
 public:
  using Answer = std::function<void(Result<sql::Rows>)>;
  Read(Deadline deadline, std::string sql, sql::Params params, Answer answer)
      : Call(deadline),
        sql_(std::move(sql)),
        params_(std::move(params)),
        tell_(std::move(answer)) {}

  const std::string& sql() const { return sql_; }
  const sql::Params& params() const { return params_; }
  bool answered() const { return answered_.load(); }
  // The first answer is the caller's.
  void answer(Result<sql::Rows> rows);
  void expire() override;
  bool may_try_again() { return ++tries_ < 3; }

 private:
  const std::string sql_;
  const sql::Params params_;
  Answer tell_;
  std::atomic<bool> answered_{false};
  int tries_ = 0;  // of the reader's thread
};

// One thread with one connection, on which many reads are in flight.
class Reader {
 public:
  Reader(const PostgresOptions& options, PostgresCounters& counters, DeadlineWatch& watch,
         const std::atomic<Deadline>& stop);
  ~Reader();  // joins; `stop` says how long what runs may take
  void push(std::shared_ptr<Read> read);
  std::size_t load() const { return load_.load(); }

 private:
  void run();
  bool connect();
  void take();
  Reply<> exchange();
  void finish(const std::shared_ptr<Read>& read, Result<sql::Rows> rows);
  void drop(const Failure& why, bool all);
  bool head_is_late() const;

  const PostgresOptions& options_;
  PostgresCounters& counters_;
  DeadlineWatch& watch_;
  const std::atomic<Deadline>& stop_;
  Alarm alarm_;
  std::atomic<std::size_t> load_{0};
  std::mutex mutex_;
  std::deque<std::shared_ptr<Read>> queue_;
  bool stopping_ = false;

  // Of the thread.
  std::deque<std::shared_ptr<Read>> waiting_, in_flight_;
  std::unique_ptr<Connection> connection_;
  Backoff backoff_;
  std::thread thread_;
};

}  // namespace sv::postgres
