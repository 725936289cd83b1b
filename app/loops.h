#pragma once

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/core/task.h"

namespace sv {

// Event loops, one thread each. The last one is for background work, so that no request waits
// behind it.
class Loops {
 public:
  explicit Loops(std::size_t count) {
    for (std::size_t i = 0; i <= count; ++i) {
      loops_.push_back(std::make_unique<Loop>(1));
      guards_.push_back(asio::make_work_guard(*loops_.back()));
    }
    for (auto& loop : loops_) threads_.emplace_back([l = loop.get()] { l->run(); });
  }
  ~Loops() { end(); }

  // The threads are gone, and with them every frame that still waited: what frames refer to may go
  // now. Strands and timers of objects that go later stay valid until the loops themselves go.
  void end() {
    guards_.clear();
    for (auto& loop : loops_) loop->stop();
    for (auto& thread : std::exchange(threads_, {})) thread.join();
    for (auto& loop : loops_) loop->shutdown();
  }

  std::vector<asio::any_io_executor> edge() {
    std::vector<asio::any_io_executor> out;
    for (std::size_t i = 0; i + 1 < loops_.size(); ++i) out.push_back(loops_[i]->get_executor());
    return out;
  }
  std::vector<asio::any_io_executor> all() {
    auto out = edge();
    out.push_back(background());
    return out;
  }
  asio::any_io_executor background() { return loops_.back()->get_executor(); }

 private:
  struct Loop : asio::io_context {
    using io_context::io_context;
    using io_context::shutdown;
  };
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::vector<std::thread> threads_;
};

}  // namespace sv
