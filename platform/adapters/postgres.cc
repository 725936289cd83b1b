#include "platform/adapters/postgres.h"

#include <algorithm>
#include <condition_variable>
#include <random>

#include <pthread.h>

#include "platform/adapters/postgres_reads.h"
#include "platform/adapters/postgres_tx.h"
#include "platform/core/log.h"

namespace sv {
namespace {

using postgres::Connection;
using postgres::Failure;
using postgres::Limit;
using postgres::WorkTx;
using Steady = std::chrono::steady_clock;

constexpr auto kStopGrace = std::chrono::seconds(2);
// How often a work whose conflicts do not end is run; with the pauses some two seconds.
constexpr int kMaxRuns = 40;

struct Outcome {
  Result<> result;
  std::exception_ptr error;
};

class Write final : public postgres::Call {
 public:
  using Answer = std::function<void(Outcome)>;
  Write(Deadline deadline, Deadline queue_end, std::function<Result<>(sql::Tx&)> work,
        sql::Isolation isolation, Answer answer)
      : Call(std::min(deadline, queue_end)),
        isolation(isolation),
        ends(deadline),
        work_(std::move(work)),
        tell_(std::move(answer)) {}

  const sql::Isolation isolation;
  const Deadline ends;

  // Only who begins it may run or answer it: nothing runs for a caller that is gone.
  bool begin() { return !begun_.exchange(true); }
  Result<> run(sql::Tx& tx) { return work_(tx); }
  void answer(Outcome outcome) {
    work_ = nullptr;  // what it captured dies before its caller goes on
    const Answer tell = std::exchange(tell_, nullptr);
    tell(std::move(outcome));
  }
  void expire() override {
    if (!begin()) return;
    if (Steady::now() >= ends) answer({std::unexpected(postgres::too_late().error), {}});
    else
      answer({fail(Errc::unavailable, "storage_busy", "the work waited too long for a connection"),
              {}});
  }

 private:
  std::function<Result<>(sql::Tx&)> work_;
  Answer tell_;
  std::atomic<bool> begun_{false};
};

void pause_before_run(int run) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const int most = 1 << std::min(run, 6);  // ms
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::uniform_int_distribution(100, most * 1000)(random)));
}

void call(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) {
    log::error("postgres", "an on_commit function threw", {{"error", e.what()}});
  }
}

class PostgresDatabase final : public sql::Database {
 public:
  PostgresDatabase(const PostgresOptions& options, std::unique_ptr<Connection> first)
      : options_(options),
        shared_counters_(options.counters ? options.counters
                                          : std::make_shared<PostgresCounters>()),
        counters_(*shared_counters_) {
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.readers, 1); ++i)
      readers_.push_back(std::make_unique<postgres::Reader>(options_, counters_, watch_, stop_));
    ++counters_.open;
    for (std::size_t i = 0; i < std::max<std::size_t>(options_.writers, 1); ++i)
      writers_.emplace_back([this, c = std::move(first)]() mutable { write_loop(std::move(c)); });
  }

  ~PostgresDatabase() override {
    stop_ = Steady::now() + kStopGrace;
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_ready_.notify_all();
    for (auto& t : writers_) t.join();
    readers_.clear();
  }

  Task<Result<sql::Rows>> query(const Ctx& ctx, std::string_view sql, sql::Params params) override {
    statements_.fetch_add(1, std::memory_order_relaxed);
    const Deadline deadline = deadline_of(ctx);
    if (Steady::now() >= deadline) co_return std::unexpected(postgres::too_late().error);
    postgres::Reader& reader =
        **std::ranges::min_element(readers_, {}, [](const auto& one) { return one->load(); });
    if (reader.load() >= options_.queue / readers_.size())
      co_return fail(Errc::unavailable, "storage_busy", "too many reads wait for the database");
    co_return co_await postgres::told<Result<sql::Rows>>([&](postgres::Read::Answer answer) {
      auto read = std::make_shared<postgres::Read>(deadline, std::string(sql), std::move(params),
                                                   std::move(answer));
      ++counters_.waiting;
      watch_.add(read);
      reader.push(std::move(read));
    });
  }

  Task<Result<>> run_write(const Ctx& ctx, std::function<Result<>(sql::Tx&)> work,
                           sql::Isolation isolation) override {
    const Deadline deadline = deadline_of(ctx);
    if (Steady::now() >= deadline) co_return std::unexpected(postgres::too_late().error);
    auto outcome = co_await postgres::told<Outcome>([&](Write::Answer answer) {
      auto write = std::make_shared<Write>(deadline, Steady::now() + options_.queue_wait,
                                           std::move(work), isolation, std::move(answer));
      if (!enqueue(write) && write->begin())
        write->answer(
            {fail(Errc::unavailable, "storage_busy", "too many writes wait for the database"), {}});
    });
    if (outcome.error) std::rethrow_exception(outcome.error);
    co_return std::move(outcome.result);
  }

  std::size_t writers() const override { return writers_.size(); }
  std::uint64_t statements() const override { return statements_.load(std::memory_order_relaxed); }

 private:
  // A writer's connection: found or made when a work needs it.
  struct Link {
    std::unique_ptr<Connection> connection;
    postgres::Backoff backoff;
  };

  Deadline deadline_of(const Ctx& ctx) const {
    return ctx.deadline == Deadline::max() ? Steady::now() + options_.longest : ctx.deadline;
  }

  bool enqueue(const std::shared_ptr<Write>& write) {
    watch_.add(write);  // before a writer may take it away
    {
      std::lock_guard lock(mutex_);
      if (!stopping_ && queue_.size() < options_.queue) {
        queue_.push_back(write);
        ++counters_.waiting;
        work_ready_.notify_one();
        return true;
      }
    }
    watch_.remove(*write);
    return false;
  }

  void write_loop(std::unique_ptr<Connection> first) {
    pthread_setname_np(pthread_self(), "pg-write");
    Link link{std::move(first), {}};
    while (auto write = next()) {
      if (!write->begin()) continue;
      watch_.remove(*write);
      ++counters_.in_use;
      Outcome outcome = run(link, *write);
      --counters_.in_use;
      write->answer(std::move(outcome));
    }
    if (link.connection) --counters_.open;
  }

  // Null: there are no more.
  std::shared_ptr<Write> next() {
    std::unique_lock lock(mutex_);
    work_ready_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return nullptr;
    auto write = std::move(queue_.front());
    queue_.pop_front();
    --counters_.waiting;
    return write;
  }

  Outcome run(Link& link, Write& write) {
    const Limit limit{.deadline = write.ends, .stop = &stop_};
    bool lost_before = false;
    for (int runs = 1;; ++runs) {
      Outcome outcome;
      const auto failure = run_once(link, write, limit, outcome);
      if (!failure) return outcome;
      if (failure->lost) drop(link);
      const bool again = (failure->conflict() && runs < kMaxRuns) ||
                         (lost_before_commit(*failure) && !std::exchange(lost_before, true));
      if (!again) return outcome;
      if (limit.passed()) return {std::unexpected(limit.failure().error), {}};
      ++counters_.retries;
      if (failure->conflict()) pause_before_run(runs);
    }
  }

  static bool lost_before_commit(const Failure& failure) {
    return failure.lost && failure.error.token == "database_unreachable";
  }

  // `outcome` is what the caller is told; a failure, whether another run may end otherwise.
  std::optional<Failure> run_once(Link& link, Write& write, Limit limit, Outcome& outcome) {
    if (auto connected = connect(link, limit); !connected) {
      // Whether a server is there is not asked twice for one work.
      outcome.result = std::unexpected(limit.passed() ? limit.failure().error
                                                      : std::move(connected.error().error));
      return {};
    }
    WorkTx tx(*link.connection, write.isolation, limit);
    try {
      outcome.result = write.run(tx);
    } catch (...) { outcome.error = std::current_exception(); }
    // A work that swallows a failed statement fails with it; its own error is the better one.
    if (outcome.result && tx.failure()) outcome.result = std::unexpected(tx.failure()->error);
    if (!outcome.result || outcome.error) {
      if (!tx.roll_back()) drop(link);
      return tx.failure();
    }
    return commit(link, tx, outcome);
  }

  std::optional<Failure> commit(Link& link, WorkTx& tx, Outcome& outcome) {
    if (auto committed = tx.commit(); !committed) {
      auto& [why, unknown] = committed.error();
      outcome.result = std::unexpected(why.error);
      if (!unknown) return std::move(why);
      drop(link);
      outcome.result = fail(Errc::unavailable, "outcome_unknown", std::move(why.error.detail));
      return {};
    }
    ++counters_.works;
    for (const auto& f : tx.then()) call(f);
    return {};
  }

  postgres::Reply<> connect(Link& link, Limit limit) {
    if (link.connection) return {};
    if (auto why = link.backoff.refuses()) return std::unexpected(std::move(*why));
    limit.deadline = std::min(limit.deadline, Steady::now() + options_.connect_timeout);
    auto opened = Connection::open(
        {.url = options_.url, .application_name = options_.application_name}, limit);
    link.backoff.note(opened);
    if (!opened) return std::unexpected(opened.error());
    ++counters_.open;
    ++counters_.reconnects;
    link.connection = std::move(*opened);
    return {};
  }

  void drop(Link& link) {
    if (!link.connection) return;
    link.connection.reset();
    --counters_.open;
  }

  const PostgresOptions options_;
  const std::shared_ptr<PostgresCounters> shared_counters_;
  PostgresCounters& counters_;
  std::atomic<std::uint64_t> statements_{0};
  std::atomic<Deadline> stop_{Deadline::max()};
  postgres::DeadlineWatch watch_;
  std::vector<std::unique_ptr<postgres::Reader>> readers_;

  std::mutex mutex_;
  std::condition_variable work_ready_;
  std::deque<std::shared_ptr<Write>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> writers_;
};

}  // namespace

Result<std::unique_ptr<sql::Database>> open_postgres(const PostgresOptions& options) {
  auto first = Connection::open({.url = options.url, .application_name = options.application_name},
                                {.deadline = Steady::now() + options.connect_timeout});
  if (!first) return std::unexpected(std::move(first.error().error));
  return std::make_unique<PostgresDatabase>(options, std::move(*first));
}

}  // namespace sv
