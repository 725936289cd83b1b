#include "platform/core/supervisor.h"

#include <system_error>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "platform/core/exception.h"
#include "platform/core/task_group.h"

namespace sv {
namespace {

using namespace std::chrono_literals;

// A loop that does what the script says, one letter a round: ok, error, throw, an odd throw. After
// the script it waits to be stopped.
struct SupervisorTest : ::testing::Test {
  asio::io_context io;
  metrics::Registry metrics;
  Supervisor supervisor{metrics};
  SupervisedLoop& loop = supervisor.loop("test");
  std::string script;
  std::size_t rounds = 0;
  std::vector<std::size_t> failing_after;  // how many loops were failing when each round began

  Task<Result<>> round() {
    failing_after.push_back(supervisor.failing().size());
    const char what = rounds < script.size() ? script[rounds++] : '.';
    if (what == '.') co_await pause(1h);
    if (what == 'e') co_return fail(Errc::unavailable, "told_to_fail", "as the script says");
    if (what == 't') throw std::runtime_error("told to throw");
    if (what == 'x') throw 7;
    co_return Result<>{};
  }

  // Until the script is done.
  void play(std::string text) {
    script = std::move(text);
    TaskGroup group("test");
    group.spawn(io.get_executor(), [this] { return supervise(loop, [this] { return round(); }); });
    while (failing_after.size() <= script.size()) io.run_one();
    group.stop();
    io.restart();
    io.run();
    EXPECT_EQ(group.running(), 0u) << "the loop was stopped and did not end";
  }
};

TEST_F(SupervisorTest, ALoopGoesOnWhateverARoundReturnsOrThrows) {
  play("etxo");
  EXPECT_EQ(rounds, 4u);
  EXPECT_TRUE(metrics.text().contains(R"(shortvideo_loop_failures_total{loop="test"} 3)"))
      << metrics.text();
}

TEST_F(SupervisorTest, OneThatKeepsFailingIsToldWithItsReasonUntilARoundSucceeds) {
  play("eeeo");
  EXPECT_EQ(failing_after, (std::vector<std::size_t>{0, 0, 0, 1, 0}));
}

TEST_F(SupervisorTest, FailuresWithSuccessesBetweenThemAreNoFailingLoop) {
  play("eeoeeo");
  EXPECT_EQ(failing_after, (std::vector<std::size_t>(7, 0)));
}

TEST_F(SupervisorTest, TheReasonIsTheLastOne) {
  for (int i = 0; i < 3; ++i) loop.failed(fail(Errc::internal, "first").error());
  loop.failed(fail(Errc::internal, "second").error());
  ASSERT_EQ(supervisor.failing().size(), 1u);
  EXPECT_EQ(supervisor.failing()[0].loop, "test");
  EXPECT_EQ(supervisor.failing()[0].why.token, "second");
}

TEST_F(SupervisorTest, PausesDoubleUpToTenSeconds) {
  const Error error = fail(Errc::internal).error();
  for (std::int64_t most = 120; most <= 12'000; most *= 2) {
    const auto pause = loop.failed(error);
    EXPECT_LE(pause, std::chrono::milliseconds(most));
    EXPECT_GE(pause, std::chrono::milliseconds(most * 2 / 3));
  }
  for (int i = 0; i < 100; ++i) EXPECT_LE(loop.failed(error), 12s);
  loop.succeeded();
  EXPECT_LE(loop.failed(error), 120ms);
}

TEST_F(SupervisorTest, WorkThatIsDoneOnceIsTriedUntilItSucceeds) {
  script = "eto";
  TaskGroup group("test");
  group.spawn(io.get_executor(),
              [this] { return supervise_once(loop, [this] { return round(); }); });
  io.run();
  EXPECT_EQ(rounds, 3u);
  EXPECT_EQ(group.running(), 0u);
}

TEST(Exception, AFullDiskIsToldAsOne) {
  const auto code_of = [](int error) {
    return error_of(std::system_error(error, std::generic_category(), "writing")).code;
  };
  EXPECT_EQ(code_of(ENOSPC), Errc::storage_full);
  EXPECT_EQ(code_of(EDQUOT), Errc::storage_full);
  EXPECT_EQ(code_of(EACCES), Errc::internal);
  EXPECT_EQ(error_of(std::runtime_error("x")).detail, "x");
}

}  // namespace
}  // namespace sv
