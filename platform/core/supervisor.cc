#include "platform/core/supervisor.h"

#include <algorithm>
#include <random>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include "platform/core/exception.h"
#include "platform/core/log.h"

namespace sv {
namespace {

using namespace std::chrono_literals;

constexpr int kKeepsFailing = 3;
constexpr auto kForgotten = 2min;
constexpr std::chrono::milliseconds kFirstPause = 100ms, kLongestPause = 10s;

std::chrono::milliseconds pause_after(int failures) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const auto pause = std::min(kLongestPause, kFirstPause * (1 << std::min(failures - 1, 10)));
  return std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(
      pause.count() * 4 / 5, pause.count() * 6 / 5)(random));
}

// True: the round succeeded.
Task<bool> reported(SupervisedLoop& loop, const Round& round,
                    std::chrono::milliseconds longest = std::chrono::milliseconds::max()) {
  const Result<> done = co_await guarded(round);
  if (done) loop.succeeded();
  else co_await pause(std::min(loop.failed(done.error()), longest));
  co_return done.has_value();
}

}  // namespace

// An exception that a cancellation made is none of the round's: it ends the loop.
Task<Result<>> guarded(const Round& round) {
  Result<> done;
  try {
    done = co_await round();
  } catch (const std::exception& e) { done = std::unexpected(error_of(e)); } catch (...) {
    done = fail(Errc::internal, {}, "an exception of no known kind");
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw boost::system::system_error(asio::error::operation_aborted);
  co_return done;
}

void SupervisedLoop::succeeded() {
  std::lock_guard lock(mutex_);
  if (in_a_row_ >= kKeepsFailing)
    log::info("supervisor", "a loop works again", {{"loop", name_}, {"failures", in_a_row_}});
  in_a_row_ = 0;
}

std::chrono::milliseconds SupervisedLoop::failed(const Error& error) {
  failures_.add();
  std::lock_guard lock(mutex_);
  if (in_a_row_++ == 0 || last_.token != error.token)
    log::error("supervisor", "a loop failed and goes on after a pause",
               {{"loop", name_}, {"error", error.token}, {"detail", error.detail}});
  last_ = error;
  last_time_ = Steady::now();
  return pause_after(in_a_row_);
}

void SupervisedLoop::stumbled(const Error& error) {
  failures_.add();
  log::warn("supervisor", "a loop passed over a failure",
            {{"loop", name_}, {"error", error.token}, {"detail", error.detail}});
}

SupervisedLoop& Supervisor::loop(const std::string& name) {
  std::lock_guard lock(mutex_);
  auto& failures = metrics_.counter("shortvideo_loop_failures_total",
                                    "Rounds of background loops that failed", {{"loop", name}});
  return loops_.try_emplace(name, name, failures).first->second;
}

std::vector<Supervisor::Failing> Supervisor::failing() const {
  std::vector<Failing> out;
  std::lock_guard lock(mutex_);
  for (auto& [name, loop] : loops_) {
    std::lock_guard its(loop.mutex_);
    if (loop.in_a_row_ >= kKeepsFailing &&
        SupervisedLoop::Steady::now() - loop.last_time_ < kForgotten)
      out.push_back({.loop = name, .why = loop.last_});
  }
  return out;
}

Task<> supervise(SupervisedLoop& loop, Round round, std::chrono::milliseconds longest) {
  for (;;) co_await reported(loop, round, longest);
}

Task<> supervise_once(SupervisedLoop& loop, Round round) {
  while (!co_await reported(loop, round)) continue;
}

Task<> pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace sv
