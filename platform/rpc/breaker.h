#pragma once

#include <chrono>

namespace sv::rpc {

// Stops calling one method of one instance that keeps being late: after kFailures in a row only one
// call each kPause is let through, until one is in time. One thread.
class Breaker {
 public:
  using Steady = std::chrono::steady_clock;
  static constexpr int kFailures = 5;
  static constexpr std::chrono::milliseconds kPause{1000};

  bool lets_pass(Steady::time_point now) const { return !open() || now >= until_; }
  // A call that was let through begins: while open it is the one of its pause.
  void begins(Steady::time_point now) { until_ = now + kPause; }
  void failed(Steady::time_point now) {
    if (++in_a_row_ >= kFailures) until_ = now + kPause;
  }
  void succeeded() { in_a_row_ = 0; }
  bool open() const { return in_a_row_ >= kFailures; }

 private:
  int in_a_row_ = 0;
  Steady::time_point until_{};
};

}  // namespace sv::rpc
