#include "platform/core/when_all.h"

#include <chrono>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include "platform/core/error.h"
#include "platform/testing/run.h"
#include "platform/testing/within.h"

namespace sv {
namespace {

using testing::run_task;
using Clock = std::chrono::steady_clock;
constexpr auto kFar = std::chrono::hours(1);

// Counts the frames that have ended, however they did.
struct Ended {
  int& count;
  ~Ended() { ++count; }
};

Task<int> at_once(int v) { co_return v; }

Task<int> after_turns(int turns, int v) {
  for (int i = 0; i < turns; ++i)
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_return v;
}

Task<Result<std::string>> refused() { co_return fail(Errc::not_found, "nobody"); }

Task<int> forever(int& ended) {
  Ended guard{ended};
  asio::steady_timer timer(co_await asio::this_coro::executor, kFar);
  co_await timer.async_wait(asio::use_awaitable);
  co_return 0;
}

Task<int> throws_after(int turns) {
  co_await after_turns(turns, 0);
  throw std::runtime_error("broken");
}

Task<int> opened_by(asio::steady_timer& gate) {
  (void)co_await gate.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return 1;
}
Task<int> opens(asio::steady_timer& gate) {
  gate.cancel();
  co_return 2;
}

TEST(WhenAll, ValuesComeInTheOrderOfTheTasks) {
  const auto [a, b, c] = run_task(when_all(after_turns(3, 1), at_once(2), refused()));
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 2);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().token, "nobody");
}

Task<std::tuple<int, int>> open_and_wait() {
  asio::steady_timer gate(co_await asio::this_coro::executor, kFar);
  co_return co_await when_all(opened_by(gate), opens(gate));
}
TEST(WhenAll, TasksRunAtTheSameTime) { EXPECT_EQ(run_task(open_and_wait()), std::tuple(1, 2)); }

TEST(WhenAll, AnExceptionStopsTheOthersAndComesWhenAllHaveEnded) {
  int ended = 0;
  try {
    run_task(when_all(forever(ended), throws_after(2), forever(ended)));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "broken");
    EXPECT_EQ(ended, 2);
  }
}

TEST(WhenAll, TheFirstOfManyExceptionsIsTheOne) {
  EXPECT_THROW(run_task(when_all(throws_after(0), throws_after(0), throws_after(3))),
               std::runtime_error);
}

// Runs a task, asks it to stop once everything waits, and says what it threw.
template <class T>
std::string stop_while_waiting(Task<T> task) {
  asio::io_context io;
  asio::cancellation_signal signal;
  std::string thrown = "nothing";
  asio::co_spawn(io, std::move(task),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, const T&) {
                   if (!e) return;
                   try {
                     std::rethrow_exception(e);
                   } catch (const boost::system::system_error& error) {
                     thrown = error.code() == asio::error::operation_aborted ? "aborted" : "other";
                   } catch (...) { thrown = "other"; }
                 }));
  io.poll();
  signal.emit(asio::cancellation_type::terminal);
  io.run();
  return thrown;
}

TEST(WhenAll, CancellingTheAwaiterStopsEveryTask) {
  int ended = 0;
  EXPECT_EQ(stop_while_waiting(when_all(forever(ended), forever(ended))), "aborted");
  EXPECT_EQ(ended, 2);
}

TEST(WhenAll, ALoopThatGoesTakesTheTasksWithIt) {
  int ended = 0;
  {
    asio::io_context io;
    asio::co_spawn(io, when_all(forever(ended), forever(ended)),
                   [](std::exception_ptr, const std::tuple<int, int>&) {});
    io.poll();
  }
  EXPECT_EQ(ended, 2);
}

TEST(Within, AValueInTimeIsGiven) {
  EXPECT_EQ(run_task(within(Clock::now() + kFar, after_turns(3, 7))), 7);
  EXPECT_EQ(run_task(within(Clock::time_point::max(), at_once(8))), 8);
}

TEST(Within, ATaskThatIsLateIsStoppedAndHasEnded) {
  int ended = 0;
  EXPECT_EQ(run_task(within(Clock::now() + std::chrono::milliseconds(5), forever(ended))),
            std::nullopt);
  EXPECT_EQ(run_task(within(Clock::now() - kFar, forever(ended))), std::nullopt);
  EXPECT_EQ(ended, 2);
}

TEST(Within, AnExceptionOfTheTaskIsRethrown) {
  EXPECT_THROW(run_task(within(Clock::now() + kFar, throws_after(2))), std::runtime_error);
}

TEST(Within, CancellingTheAwaiterStopsTheTask) {
  int ended = 0;
  EXPECT_EQ(stop_while_waiting(within(Clock::now() + kFar, forever(ended))), "aborted");
  EXPECT_EQ(ended, 1);
}

TEST(Within, ALoopThatGoesTakesTheTaskWithIt) {
  int ended = 0;
  {
    asio::io_context io;
    asio::co_spawn(io, within(Clock::now() + kFar, forever(ended)),
                   [](std::exception_ptr, const std::optional<int>&) {});
    io.poll();
  }
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace sv
