#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/metrics.h"
#include "platform/core/task.h"

namespace sv {

// How one endless loop fares: a consumer, a flusher, a job slot. Who runs the loop says how each
// round ended. Thread-safe.
class SupervisedLoop {
 public:
  using Steady = std::chrono::steady_clock;

  SupervisedLoop(std::string name, metrics::Counter& failures)
      : name_(std::move(name)), failures_(failures) {}

  void succeeded();
  // Counted; logged when the loop begins to fail and when it fails in another way. How long to
  // wait before the next round: from 100 ms, doubling up to 10 s, each ± 20 % so that loops that
  // failed together do not return together.
  std::chrono::milliseconds failed(const Error& error);
  // Counted and logged, but no sign that the loop cannot work: one item was bad.
  void stumbled(const Error& error);

 private:
  friend class Supervisor;

  const std::string name_;
  metrics::Counter& failures_;
  std::mutex mutex_;
  int in_a_row_ = 0;
  Error last_;
  Steady::time_point last_time_;
};

// The endless loops of a process, for /metrics and /health/ready. Outlives them. Thread-safe.
class Supervisor {
 public:
  struct Failing {
    std::string loop;
    Error why;
  };

  explicit Supervisor(metrics::Registry& metrics) : metrics_(metrics) {}
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // The loop of that name; valid as long as the supervisor.
  SupervisedLoop& loop(const std::string& name);
  // Those that keep failing: three rounds or more in a row, and the last of them not long ago (a
  // loop that has had nothing to do since is not known to fail).
  std::vector<Failing> failing() const;

 private:
  metrics::Registry& metrics_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, SupervisedLoop, std::less<>> loops_;
};

// One round of a loop. It waits for something itself; a Result that says what was wrong, or an
// exception, is a failed round.
using Round = std::function<Task<Result<>>()>;

// One round, an exception turned into its error (error_of); one that a cancellation made is thrown
// on.
Task<Result<>> guarded(const Round& round);
// Round after round, whatever they return or throw, until the task is cancelled; after a failed one
// it waits for as long as failed() says, and `longest` at most.
Task<> supervise(SupervisedLoop& loop, Round round,
                 std::chrono::milliseconds longest = std::chrono::milliseconds::max());
// The same until one has succeeded: for work that must be done once.
Task<> supervise_once(SupervisedLoop& loop, Round round);

// Ends early, as every await does, when the task is cancelled.
Task<> pause(std::chrono::milliseconds time);

}  // namespace sv
