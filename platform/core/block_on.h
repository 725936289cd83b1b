#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/core/task.h"

namespace sv {

// Runs a task to its end on a loop of its own and returns its value: for start-up and commands,
// never inside a coroutine.
template <class T>
T block_on(Task<T> task) {
  asio::io_context loop(1);
  std::optional<T> out;
  std::exception_ptr error;
  asio::co_spawn(loop, std::move(task), [&](std::exception_ptr e, T value) {
    error = e;
    if (!e) out.emplace(std::move(value));
  });
  loop.run();
  if (error) std::rethrow_exception(error);
  return std::move(*out);
}

}  // namespace sv
