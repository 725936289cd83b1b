#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "platform/core/task.h"

namespace sv {

// A bounded pool for blocking or heavy work. submit() may be called from any thread; a full queue
// refuses. The destructor runs what was accepted, then joins.
class ThreadPool {
 public:
  ThreadPool(std::string name, std::size_t threads, std::size_t queue_limit);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  bool submit(std::function<void()> work);
  std::size_t queued() const;

 private:
  void run();

  const std::string name_;
  const std::size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Runs `work` on `pool` and resumes the awaiting coroutine on its own executor with the value.
// std::nullopt: the pool's queue is full (answer 503). An exception in `work` is rethrown to the
// awaiter. Not cancellable: the awaiter waits for `work` to end.
template <class F, class T = std::invoke_result_t<F>>
Task<std::optional<T>> offload(ThreadPool& pool, F work) {
  struct Outcome {
    std::optional<T> value;
    std::exception_ptr error;
  };
  auto executor = co_await asio::this_coro::executor;
  auto outcome =
      co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::shared_ptr<Outcome>)>(
          [&pool, &executor](auto handler, F f) {
            auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            auto guard = asio::make_work_guard(executor);
            auto answer = [shared, guard](std::shared_ptr<Outcome> result) mutable {
              asio::post(guard.get_executor(), [shared, result = std::move(result)]() mutable {
                (*shared)(std::move(result));
              });
            };
            auto job = std::make_shared<F>(std::move(f));
            bool accepted = pool.submit([job, answer]() mutable {
              auto result = std::make_shared<Outcome>();
              try {
                result->value.emplace((*job)());
              } catch (...) { result->error = std::current_exception(); }
              answer(std::move(result));
            });
            if (!accepted) answer(std::make_shared<Outcome>());
          },
          asio::use_awaitable, std::move(work));
  if (outcome->error) std::rethrow_exception(outcome->error);
  co_return std::move(outcome->value);
}

}  // namespace sv
