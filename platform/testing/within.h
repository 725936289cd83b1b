#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/core/task.h"

namespace sv {

// Runs the task on the awaiter's executor (a loop of one thread, or a strand) and gives its value;
// nullopt when the deadline came first: the task was then stopped (terminal cancellation) and has
// ended. An exception of the task is rethrown. Cancelling the awaiter stops the task too. Nothing
// is thrown on the way of a task that is in time: the timer is not a coroutine. T needs a default.
template <class T>
Task<std::optional<T>> within(std::chrono::steady_clock::time_point deadline, Task<T> task) {
  struct Running {
    asio::cancellation_signal stop;
    T value{};
    std::exception_ptr error;
    bool late = false;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto running = std::make_shared<Running>();
  asio::steady_timer timer(executor, deadline);
  timer.async_wait([running](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    running->late = true;
    running->stop.emit(asio::cancellation_type::terminal);
  });
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&]<class Waiter>(Waiter&& waiter) {
        if (auto slot = asio::get_associated_cancellation_slot(waiter); slot.is_connected())
          slot.assign([running](asio::cancellation_type type) { running->stop.emit(type); });
        asio::co_spawn(executor, std::move(task),
                       asio::bind_cancellation_slot(
                           running->stop.slot(), [running, waiter = std::forward<Waiter>(waiter)](
                                                     std::exception_ptr error, T value) mutable {
                             running->error = std::move(error);
                             running->value = std::move(value);
                             waiter();
                           }));
      },
      asio::use_awaitable);
  if (!running->error) co_return std::move(running->value);
  if (running->late) co_return std::nullopt;
  std::rethrow_exception(running->error);
}

}  // namespace sv
