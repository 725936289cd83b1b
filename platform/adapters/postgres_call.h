#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "platform/core/ctx.h"
#include "platform/core/task.h"

namespace sv::postgres {

// Waits for what `start` is going to tell: it gets a function to be called once, from any thread.
template <class T, class Start>
Task<T> told(Start start) {
  const auto executor = co_await asio::this_coro::executor;
  auto value =
      co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::shared_ptr<T>)>(
          [&](auto handler) {
            auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            start([shared, guard = asio::make_work_guard(executor)](T result) {
              asio::post(guard.get_executor(),
                         [shared, kept = std::make_shared<T>(std::move(result))]() mutable {
                           (*shared)(std::move(kept));
                         });
            });
          },
          asio::use_awaitable);
  co_return std::move(*value);
}

// A caller that waits, and not longer than `deadline`.
class Call {
 public:
  explicit Call(Deadline deadline) : deadline_(deadline) {}
  virtual ~Call() = default;
  Deadline deadline() const { return deadline_; }
  // Its deadline has passed: to be answered, unless it is or must be waited for.
  virtual void expire() = 0;

 private:
  const Deadline deadline_;
};

// Expires calls at their deadlines, whoever hangs. Thread-safe.
class DeadlineWatch {
 public:
  DeadlineWatch();
  ~DeadlineWatch();  // expires nothing more
  void add(const std::shared_ptr<Call>& call);
  void remove(const Call& call);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable earlier_;
  std::multimap<Deadline, std::shared_ptr<Call>> calls_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sv::postgres
