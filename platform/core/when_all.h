#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "platform/core/task.h"

namespace sv {

namespace detail {

// What the tasks of one when_all share.
template <class... T>
struct Joined {
  std::tuple<T...> values;
  std::array<asio::cancellation_signal, sizeof...(T)> stops;
  std::size_t running = sizeof...(T);
  std::exception_ptr error;  // the first

  void stop(asio::cancellation_type type) {
    for (auto& signal : stops) signal.emit(type);
  }
  void fail(std::exception_ptr e) {
    if (error) return;
    error = std::move(e);
    stop(asio::cancellation_type::terminal);
  }
};

// The last task to end resumes the waiter. Only the tasks hold the waiter: were it kept in
// `joined`, which its frame refers to, the two would keep each other alive when a loop is
// destroyed.
template <std::size_t I, class... T, class Waiter, class Executor, class Value>
void start(const Executor& executor, std::shared_ptr<Joined<T...>> joined,
           std::shared_ptr<Waiter> waiter, Task<Value>& task) {
  auto& stop = joined->stops[I];
  asio::co_spawn(executor, std::move(task),
                 asio::bind_cancellation_slot(
                     stop.slot(), [joined = std::move(joined), waiter = std::move(waiter)](
                                      std::exception_ptr error, Value value) {
                       if (error) joined->fail(error);
                       else std::get<I>(joined->values) = std::move(value);
                       if (--joined->running == 0) (*waiter)();
                     }));
}

}  // namespace detail

// Runs the tasks at the same time on the awaiter's executor (a loop of one thread, or a strand) and
// gives their values in the order of the arguments:
//   auto [people, counts] = co_await when_all(ask_people(), ask_counts());
// An error that a task returns is a value like any other. An exception stops the other tasks
// (terminal cancellation) and is rethrown when all have ended; so does cancelling the awaiter,
// which then sees what the first task to give up threw, asio's operation_aborted. Nothing is thrown
// otherwise. No task outlives the call. Values need a default.
template <class... T>
  requires(sizeof...(T) > 1)
Task<std::tuple<T...>> when_all(Task<T>... tasks) {
  const auto executor = co_await asio::this_coro::executor;
  const auto joined = std::make_shared<detail::Joined<T...>>();
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&]<class Waiter>(Waiter&& waiter) {
        if (auto slot = asio::get_associated_cancellation_slot(waiter); slot.is_connected())
          slot.assign([joined](asio::cancellation_type type) { joined->stop(type); });
        const auto shared = std::make_shared<std::decay_t<Waiter>>(std::forward<Waiter>(waiter));
        [&]<std::size_t... I>(std::index_sequence<I...>) {
          (detail::start<I>(executor, joined, shared, tasks), ...);
        }(std::index_sequence_for<T...>());
      },
      asio::use_awaitable);
  if (joined->error) std::rethrow_exception(joined->error);
  co_return std::move(joined->values);
}

}  // namespace sv
