#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "platform/core/task.h"

namespace sv {

// Owns the coroutines spawned through it. stop() asks each to end (asio terminal cancellation: the
// pending await throws operation_aborted); join() completes when the last one has. Destroying a
// group that still runs something is a bug and aborts. spawn/stop may be called from any thread. An
// exception that escapes a task is logged once with the group's name.
class TaskGroup {
 public:
  explicit TaskGroup(std::string name);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // `make` is called on `executor`; it must be a function that takes its arguments by value (no
  // capturing lambda coroutine).
  // After stop() nothing is started.
  void spawn(asio::any_io_executor executor, std::function<Task<>()> make);
  // The task is given the signal that stops it: good while it runs, for emits on its executor.
  using Stop = asio::cancellation_signal;
  void spawn(asio::any_io_executor executor, std::function<Task<>(Stop&)> make);
  void stop();
  // Blocks the calling thread, which must not be one that runs the tasks.
  void join();
  std::size_t running() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sv
