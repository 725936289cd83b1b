#include "platform/adapters/sqlite.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <thread>

#include <pthread.h>

#include "platform/adapters/sqlite_connection.h"
#include "platform/adapters/system_clock.h"
#include "platform/core/log.h"
#include "platform/core/offload.h"

namespace sv {
namespace {

using sqlite::Connection;

// One COMMIT takes at most this much: what waits behind it is answered soon.
constexpr std::size_t kMaxBatch = 512;
constexpr auto kMaxBatchTime = std::chrono::milliseconds(20);
// Pages in the WAL (4 KiB each) after which a checkpoint is worth its two fsyncs.
constexpr int kCheckpointPages = 4000;

constexpr const char* kWriterPragmas =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA "
    "temp_store=MEMORY; PRAGMA cache_size=-16000;"
    "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864; PRAGMA trusted_schema=OFF;";
// Reading the schema opens the file for real, so that a file that is not a database is refused
// here.
constexpr const char* kReaderPragmas =
    "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4000; PRAGMA "
    "trusted_schema=OFF; SELECT 1 FROM sqlite_schema;";

struct Outcome {
  Result<> result;
  std::exception_ptr error;
};

struct Pending {
  Deadline deadline;
  std::function<Result<>(sql::Tx&)> work;
  std::function<void(std::shared_ptr<Outcome>)> answer;
};

bool passed(Deadline deadline) { return std::chrono::steady_clock::now() >= deadline; }

std::unexpected<Error> too_late() {
  return fail(Errc::deadline_exceeded, {}, "the deadline passed before the database's turn");
}

class WriterTx final : public sql::Tx {
 public:
  WriterTx(Connection& connection, const Clock& clock) : connection_(connection), clock_(clock) {}

  Result<sql::Rows> query(std::string_view sql, const sql::Params& params) override {
    return noted(connection_.query(sql, params));
  }

  Result<std::int64_t> execute(std::string_view sql, const sql::Params& params) override {
    std::int64_t changed = 0;
    SV_CHECK(noted(connection_.query(sql, params, &changed)));
    return changed;
  }

  Result<std::int64_t> execute_many(std::string_view sql,
                                    const std::vector<sql::Params>& rows) override {
    std::int64_t total = 0;
    for (const auto& row : rows) {
      SV_TRY(std::int64_t changed, execute(sql, row));
      total += changed;
    }
    return total;
  }

  // A statement that fails leaves nothing of itself, so a row needs no savepoint.
  Result<std::vector<Result<std::int64_t>>> execute_each(
      std::string_view sql, const std::vector<sql::Params>& rows) override {
    std::vector<Result<std::int64_t>> each;
    each.reserve(rows.size());
    for (const auto& row : rows) {
      std::int64_t changed = 0;
      auto done = connection_.query(sql, row, &changed);
      if (done) each.emplace_back(changed);
      else if (connection_.failed_for_its_values() && connection_.in_transaction())
        each.emplace_back(std::unexpected(std::move(done.error())));
      else return std::unexpected(noted(std::move(done)).error());
    }
    return each;
  }

  Result<> lock(std::string_view, std::int64_t, sql::LockMode) override { return {}; }
  Result<std::int64_t> now_ms() override { return clock_.now_ms(); }

  bool numbers_in_order() const override { return true; }
  void on_commit(std::function<void()> then) override { then_.push_back(std::move(then)); }

  const std::optional<Error>& failure() const { return failure_; }
  std::vector<std::function<void()>>& then() { return then_; }

 private:
  // PostgreSQL aborts a transaction at its first failed statement, so a work that swallows one
  // fails here too.
  Result<sql::Rows> noted(Result<sql::Rows> rows) {
    if (!rows && !failure_) failure_ = rows.error();
    return rows;
  }

  Connection& connection_;
  const Clock& clock_;
  std::optional<Error> failure_;
  std::vector<std::function<void()>> then_;
};

class SqliteDatabase final : public sql::Database {
 public:
  SqliteDatabase(SqliteOptions options, std::vector<std::unique_ptr<Connection>> readers,
                 std::unique_ptr<Connection> writer, std::unique_ptr<Connection> checkpointer)
      : options_(std::move(options)),
        counters_(options_.counters ? *options_.counters : own_counters_),
        clock_(options_.clock ? *options_.clock : system_clock_),
        writer_(std::move(writer)),
        checkpointer_(std::move(checkpointer)),
        idle_readers_(std::move(readers)),
        pool_(std::make_unique<ThreadPool>("sqlite-read", idle_readers_.size(), options_.queue)) {
    if (!writer_) return;
    sqlite3_wal_hook(writer_->handle(), &SqliteDatabase::wal_grew, this);
    write_thread_ = std::thread([this] { write_loop(); });
    checkpoint_thread_ = std::thread([this] { checkpoint_loop(); });
  }

  ~SqliteDatabase() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_ready_.notify_all();
    checkpoint_wanted_.notify_all();
    if (write_thread_.joinable()) write_thread_.join();
    if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
    pool_.reset();
  }

  Task<Result<sql::Rows>> query(const Ctx& ctx, std::string_view sql, sql::Params params) override {
    statements_.fetch_add(1, std::memory_order_relaxed);
    auto rows = co_await offload(
        *pool_,
        [this, deadline = ctx.deadline, sql, params = std::move(params)] -> Result<sql::Rows> {
          if (passed(deadline)) return too_late();
          return read(sql, params);
        });
    if (!rows)
      co_return fail(Errc::unavailable, "storage_busy", "too many reads wait for the database");
    co_return std::move(*rows);
  }

  Task<Result<>> run_write(const Ctx& ctx, std::function<Result<>(sql::Tx&)> work,
                           sql::Isolation) override {
    if (!writer_) co_return fail(Errc::internal, {}, "the database was opened read-only");
    auto executor = co_await asio::this_coro::executor;
    auto outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>&,
                                                 void(std::shared_ptr<Outcome>)>(
        [this, &executor, deadline = ctx.deadline](auto handler,
                                                   std::function<Result<>(sql::Tx&)> w) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          auto guard = asio::make_work_guard(executor);
          auto answer = [shared, guard](std::shared_ptr<Outcome> result) {
            asio::post(guard.get_executor(), [shared, result = std::move(result)]() mutable {
              (*shared)(std::move(result));
            });
          };
          if (!enqueue(Pending{deadline, std::move(w), answer})) {
            auto refused = std::make_shared<Outcome>();
            refused->result =
                fail(Errc::unavailable, "storage_busy", "too many writes wait for the database");
            answer(std::move(refused));
          }
        },
        asio::use_awaitable, std::move(work));
    if (outcome->error) std::rethrow_exception(outcome->error);
    co_return std::move(outcome->result);
  }

  std::size_t writers() const override { return 1; }
  std::uint64_t statements() const override { return statements_.load(std::memory_order_relaxed); }

 private:
  // As many connections as threads, so one is always there. Last in, first out keeps the caches of
  // few connections warm.
  Result<sql::Rows> read(std::string_view sql, const sql::Params& params) {
    std::unique_ptr<Connection> connection;
    {
      std::lock_guard lock(readers_mutex_);
      connection = std::move(idle_readers_.back());
      idle_readers_.pop_back();
    }
    auto rows = connection->query(sql, params);
    std::lock_guard lock(readers_mutex_);
    idle_readers_.push_back(std::move(connection));
    return rows;
  }

  bool enqueue(Pending pending) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_ || queue_.size() >= options_.queue) return false;
      queue_.push_back(std::move(pending));
    }
    work_ready_.notify_one();
    return true;
  }

  void write_loop() {
    pthread_setname_np(pthread_self(), "sqlite-write");
    std::deque<Pending> batch;
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (batch.empty()) work_ready_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
        while (!queue_.empty() && batch.size() < kMaxBatch) {
          batch.push_back(std::move(queue_.front()));
          queue_.pop_front();
        }
        if (batch.empty()) return;
      }
      run_batch(batch);
      // The other thread has copied nearly all of the WAL; what came since is little, and once all
      // of it is copied and no reader is in the way the next write starts the WAL again from its
      // beginning.
      if (finish_checkpoint_.exchange(false)) checkpoint(*writer_);
    }
  }

  // Runs works from the front of `batch` in one transaction and answers them. What did not fit in
  // the time stays.
  void run_batch(std::deque<Pending>& batch) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::pair<Pending, std::shared_ptr<Outcome>>> done;
    std::vector<std::function<void()>> then;
    Result<> whole = writer_->exec("BEGIN IMMEDIATE");
    // One that is alone needs no savepoint to fail without the others, and SQLite is a fifth faster
    // without one.
    const bool alone = batch.size() == 1;
    while (!batch.empty() && whole &&
           (done.empty() || std::chrono::steady_clock::now() - start < kMaxBatchTime)) {
      done.emplace_back(std::move(batch.front()), std::make_shared<Outcome>());
      batch.pop_front();
      whole = run_one(done.back().first, *done.back().second, then, alone);
    }
    if (whole && writer_->in_transaction()) whole = writer_->exec("COMMIT");
    if (!whole) {
      if (writer_->in_transaction()) (void)writer_->exec("ROLLBACK");
      // A transaction that could not begin was not tried: its callers must be answered all the
      // same.
      if (done.empty())
        for (auto& pending : std::exchange(batch, {}))
          done.emplace_back(std::move(pending), std::make_shared<Outcome>());
      then.clear();
    }
    std::uint64_t committed = 0;
    for (auto& [pending, outcome] : done) {
      if (!outcome->result || outcome->error) continue;
      if (whole) ++committed;
      else outcome->result = std::unexpected(whole.error());
    }
    if (whole) {
      counters_.works += committed;
      ++counters_.commits;
    }
    for (auto& f : then) call(f);
    for (auto& [pending, outcome] : done) {
      pending.work = nullptr;  // what it captured dies before its caller goes on
      pending.answer(std::move(outcome));
    }
  }

  // An error is returned when the whole transaction is lost, not when this work fails.
  Result<> run_one(Pending& pending, Outcome& outcome, std::vector<std::function<void()>>& then,
                   bool alone) {
    if (passed(pending.deadline)) {
      outcome.result = too_late();
      return {};
    }
    if (!alone) SV_CHECK(writer_->exec("SAVEPOINT work"));
    WriterTx tx(*writer_, clock_);
    try {
      outcome.result = pending.work(tx);
      if (outcome.result && tx.failure()) outcome.result = std::unexpected(*tx.failure());
    } catch (...) { outcome.error = std::current_exception(); }
    if (!writer_->in_transaction()) {
      // Some failures (a full disk, an I/O error) end the transaction with everything in it.
      return std::unexpected(
          tx.failure()
              ? *tx.failure()
              : Error{.token = "internal", .field = {}, .detail = "a work ended its transaction"});
    }
    const bool failed = !outcome.result || outcome.error;
    if (failed) SV_CHECK(writer_->exec(alone ? "ROLLBACK" : "ROLLBACK TO work"));
    if (!alone) SV_CHECK(writer_->exec("RELEASE work"));
    if (!failed) std::move(tx.then().begin(), tx.then().end(), std::back_inserter(then));
    return {};
  }

  static void call(const std::function<void()>& f) {
    try {
      f();
    } catch (const std::exception& e) {
      log::error("sqlite", "an on_commit function threw", {{"error", e.what()}});
    }
  }

  // Runs on the writer thread after each COMMIT.
  static int wal_grew(void* self, sqlite3*, const char*, int pages) {
    auto& db = *static_cast<SqliteDatabase*>(self);
    if (pages < db.checkpoint_asked_at_) db.checkpoint_asked_at_ = 0;
    if (pages - db.checkpoint_asked_at_ < kCheckpointPages) return SQLITE_OK;
    db.checkpoint_asked_at_ = pages;
    {
      std::lock_guard lock(db.mutex_);
      db.checkpoint_due_ = true;
    }
    db.checkpoint_wanted_.notify_one();
    return SQLITE_OK;
  }

  void checkpoint(Connection& connection) {
    // PASSIVE waits for nobody: not for readers, and writers do not wait for it.
    const int rc = sqlite3_wal_checkpoint_v2(connection.handle(), nullptr,
                                             SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    ++counters_.checkpoints;
    if (!options_.checkpoints) return;
    // The other thread is at it. What failed is tried again when the WAL has grown by as much.
    if (rc == SQLITE_OK || rc == SQLITE_BUSY) return options_.checkpoints->succeeded();
    (void)options_.checkpoints->failed({.code = Errc::internal,
                                        .token = "checkpoint_failed",
                                        .field = {},
                                        .detail = sqlite3_errmsg(connection.handle())});
  }

  void checkpoint_loop() {
    pthread_setname_np(pthread_self(), "sqlite-ckpt");
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        checkpoint_wanted_.wait(lock, [&] { return stopping_ || checkpoint_due_; });
        if (stopping_) return;
        checkpoint_due_ = false;
      }
      checkpoint(*checkpointer_);
      finish_checkpoint_ = true;
    }
  }

  const SqliteOptions options_;
  SqliteCounters own_counters_;
  SqliteCounters& counters_;
  const SystemClock system_clock_;
  const Clock& clock_;
  std::atomic<std::uint64_t> statements_{0};

  std::unique_ptr<Connection> writer_;        // of the writer thread; null when read-only
  std::unique_ptr<Connection> checkpointer_;  // of the checkpoint thread
  int checkpoint_asked_at_ = 0;               // of the writer thread
  std::atomic<bool> finish_checkpoint_{false};

  std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable checkpoint_wanted_;
  std::deque<Pending> queue_;
  bool checkpoint_due_ = false;
  bool stopping_ = false;

  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
  std::unique_ptr<ThreadPool> pool_;
  std::thread write_thread_;
  std::thread checkpoint_thread_;
};

}  // namespace

Result<std::unique_ptr<sql::Database>> open_sqlite(const SqliteOptions& options) {
  const std::string path = options.path.string();
  const int busy = static_cast<int>(options.busy_timeout.count());
  std::error_code ec;
  if (options.read_only && !std::filesystem::exists(options.path, ec))
    return fail(Errc::not_found, {},
                fmt::format("cannot open the database {}: there is no such file", path));
  std::unique_ptr<Connection> writer, checkpointer;
  if (!options.read_only) {
    if (options.path.has_parent_path())
      std::filesystem::create_directories(options.path.parent_path(), ec);
    SV_TRY(writer, Connection::open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busy,
                                    kWriterPragmas));
    SV_TRY(checkpointer, Connection::open(path, SQLITE_OPEN_READWRITE, busy,
                                          "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"));
  }
  std::vector<std::unique_ptr<Connection>> readers;
  for (std::size_t i = 0; i < std::max<std::size_t>(options.readers, 1); ++i) {
    SV_TRY(readers.emplace_back(),
           Connection::open(path, SQLITE_OPEN_READONLY, busy, kReaderPragmas));
  }
  return std::make_unique<SqliteDatabase>(options, std::move(readers), std::move(writer),
                                          std::move(checkpointer));
}

}  // namespace sv
