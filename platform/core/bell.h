#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/core/task.h"

namespace sv {

// Wakes coroutines that wait for work. They all run on `executor`, which runs one handler at a time
// (a strand); ring() may be called from any thread, and while the bell's owner is being destroyed.
class Bell {
 public:
  explicit Bell(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void ring();
  // To be read before one looks for work, and given to wait(): a ring in between is not missed.
  std::uint64_t rings() const { return state_->rings.load(); }
  // Until there have been more rings than `seen`, or for `at_most`.
  Task<> wait(std::chrono::milliseconds at_most, std::uint64_t seen);

 private:
  struct State {
    std::atomic<std::uint64_t> rings{0};
    std::vector<asio::steady_timer*> waiting;  // on the executor only
  };

  const asio::any_io_executor executor_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace sv
