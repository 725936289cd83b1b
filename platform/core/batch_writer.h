#pragma once

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "platform/core/ctx.h"
#include "platform/core/error.h"
#include "platform/core/exception.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"
#include "platform/core/task_group.h"

namespace sv {

// Makes one write of the rows of many callers: what comes while as many writes are under way as may
// be waits, and all of it goes into the next one. Nobody waits for a row that is not there yet, so
// a lone caller pays one write and no pause. Thread-safe.
template <class Row, class Out>
class BatchWriter {
 public:
  using Outcomes = std::vector<Result<Out>>;
  // Makes the rows durable and returns an outcome for each, in their order. An error or an
  // exception is the outcome of all of them. The deadline is that of the first caller who may not
  // wait any longer: all came while one write was under way, so the others' are moments later.
  using Write = std::function<Task<Result<Outcomes>>(const Ctx&, std::vector<Row>)>;

  struct Limits {
    std::size_t rows = 512;        // of one write
    std::size_t waiting = 32'768;  // rows; more are `unavailable`
    std::size_t writes = 1;        // at the same time
  };

  BatchWriter(std::string name, Write write)
      : BatchWriter(std::move(name), std::move(write), Limits()) {}
  BatchWriter(std::string name, Write write, Limits limits)
      : write_(std::move(write)), limits_(limits), group_(std::move(name)) {}
  ~BatchWriter() { stop(); }
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  // Answers once the write that holds the row has ended, with the row's own outcome. A row whose
  // deadline has passed before its turn is not written. A caller that is cancelled meanwhile does
  // not take the row back.
  Task<Result<Out>> add(const Ctx& ctx, Row row) {
    auto executor = co_await asio::this_coro::executor;
    auto outcome = co_await asio::async_initiate<const asio::use_awaitable_t<>&,
                                                 void(std::shared_ptr<Result<Out>>)>(
        [this, &executor, deadline = ctx.deadline](auto handler, Row r) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          auto guard = asio::make_work_guard(executor);
          enqueue(executor, {deadline, std::move(r), [shared, guard](Result<Out> result) {
                               asio::post(guard.get_executor(),
                                          [shared, out = std::make_shared<Result<Out>>(
                                                       std::move(result))]() mutable {
                                            (*shared)(std::move(out));
                                          });
                             }});
        },
        asio::use_awaitable, std::move(row));
    co_return std::move(*outcome);
  }

  // Rows that come later are refused; blocks until those that wait are written. Their executors
  // must still run, and not on this thread.
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    group_.join();
  }

 private:
  // After a write of so many rows the next one gathers as long: what many wait for is cheaper the
  // more of them share the pages it touches, and their answers bring the next rows.
  static constexpr std::size_t kMany = 64;
  static constexpr std::chrono::milliseconds kGather{3};

  struct Waiter {
    Deadline deadline;
    Row row;
    std::function<void(Result<Out>)> answer;
  };

  void enqueue(const asio::any_io_executor& executor, Waiter waiter) {
    {
      std::lock_guard lock(mutex_);
      if (!stopped_ && waiting_.size() < limits_.waiting) {
        waiting_.push_back(std::move(waiter));
        if (drains_ == limits_.writes) return;
        ++drains_;
        group_.spawn(executor, [this] {
          return drain();
        });  // under the lock: stop() waits for it, or it was refused
        return;
      }
    }
    waiter.answer(fail(Errc::unavailable, "busy", "too many rows wait to be written"));
  }

  // What waits, up to the limit of a write. Nothing: this drain has ended, and who comes next
  // begins another.
  std::vector<Waiter> take() {
    std::lock_guard lock(mutex_);
    const std::size_t n = std::min(waiting_.size(), limits_.rows);
    if (n == 0) --drains_;
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(n);
    std::vector<Waiter> out(std::make_move_iterator(waiting_.begin()),
                            std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    return out;
  }

  Task<> drain() {
    for (auto batch = take(); !batch.empty(); batch = take()) {
      std::erase_if(batch, [now = std::chrono::steady_clock::now()](Waiter& waiter) {
        if (waiter.deadline > now) return false;
        waiter.answer(fail(Errc::deadline_exceeded));
        return true;
      });
      if (batch.empty()) continue;
      Ctx ctx;
      std::vector<Row> rows;
      rows.reserve(batch.size());
      for (Waiter& waiter : batch) {
        ctx.deadline = std::min(ctx.deadline, waiter.deadline);
        rows.push_back(std::move(waiter.row));
      }
      Result<Outcomes> outcomes;
      try {
        outcomes = co_await write_(ctx, std::move(rows));
      } catch (const std::exception& e) { outcomes = std::unexpected(error_of(e)); }
      if (outcomes && outcomes->size() != batch.size())
        outcomes = fail(Errc::internal, {}, "a batch write lost outcomes");
      for (std::size_t i = 0; i < batch.size(); ++i)
        batch[i].answer(outcomes ? std::move((*outcomes)[i])
                                 : Result<Out>(std::unexpected(outcomes.error())));
      if (batch.size() >= kMany) co_await pause(kGather);
    }
  }

  const Write write_;
  const Limits limits_;
  std::mutex mutex_;
  std::vector<Waiter> waiting_;
  std::size_t drains_ = 0;
  bool stopped_ = false;
  TaskGroup group_;
};

}  // namespace sv
