#pragma once

#include <mutex>
#include <string>

#include "services/video/state.h"

namespace sv::video {

// The random salt of the view window that runs, under which guests are hashed. In a row, so that a
// restart within the window counts nobody twice; deleted after it, so that afterwards nobody can
// tell who a guest was. Thread-safe.
class ViewSalts {
 public:
  explicit ViewSalts(State& state) : state_(state) {}

  struct Salt {
    std::int64_t day = -1;  // number of the window
    std::string text;
  };
  Task<Result<Salt>> current(const Ctx& ctx);
  // Deletes those of windows that are over. Does nothing most times: call it often.
  Task<Result<>> forget_past();
  std::int64_t left_ms() const;  // of the window

 private:
  std::int64_t today() const { return state_.now() / state_.options.view_window.count(); }

  State& state_;
  std::mutex mutex_;
  Salt known_;
  std::int64_t cleaned_ = -1;  // the day up to which nothing is left
};

}  // namespace sv::video
