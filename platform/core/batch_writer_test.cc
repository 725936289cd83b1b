#include "platform/core/batch_writer.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <thread>

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sv {
namespace {

using Writer = BatchWriter<int, int>;

// A disk that takes rows when it is told to.
struct Disk {
  asio::io_context io;
  std::vector<std::vector<int>> writes;
  std::vector<Deadline> deadlines;
  std::vector<std::shared_ptr<asio::steady_timer>> held;
  bool hold = false;

  Writer::Write write() {
    return [this](const Ctx& ctx, std::vector<int> rows) {
      deadlines.push_back(ctx.deadline);
      return take(std::move(rows));
    };
  }
  Task<Result<Writer::Outcomes>> take(std::vector<int> rows) {
    writes.push_back(rows);
    if (hold) {
      auto gate = held.emplace_back(
          std::make_shared<asio::steady_timer>(io, asio::steady_timer::time_point::max()));
      boost::system::error_code ignored;
      co_await gate->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    Writer::Outcomes out;
    for (int row : rows) {
      if (row == 13) throw std::runtime_error("thirteen");
      if (row < 0) out.push_back(fail(Errc::rejected, "negative"));
      else out.emplace_back(row * 2);
    }
    if (std::ranges::find(rows, 99) != rows.end()) co_return fail(Errc::storage_full);
    co_return out;
  }
  void release() {
    for (auto& gate : std::exchange(held, {})) gate->cancel();
  }
};

struct BatchWriterTest : ::testing::Test {
  void add(Writer& writer, int row, Deadline deadline = Deadline::max()) {
    Ctx& ctx = contexts.emplace_back();
    ctx.deadline = deadline;
    asio::co_spawn(disk.io, writer.add(ctx, row),
                   [this, row](const std::exception_ptr& e, const Result<int>& r) {
                     ASSERT_FALSE(e);
                     outcomes[row] = r;
                   });
  }
  void poll() {
    disk.io.restart();
    while (disk.io.poll() > 0) {}
  }
  Disk disk;
  std::deque<Ctx> contexts;
  std::map<int, Result<int>> outcomes;
};

TEST_F(BatchWriterTest, WhatComesDuringAWriteGoesIntoTheNext) {
  Writer writer("test", disk.write());
  disk.hold = true;
  add(writer, 1);
  poll();
  for (int i = 2; i <= 5; ++i) add(writer, i);
  poll();
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{1}}));
  EXPECT_TRUE(outcomes.empty());  // nobody is answered before the write has ended
  disk.release();
  poll();
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{1}, {2, 3, 4, 5}}));
  EXPECT_EQ(outcomes.size(), 1u);
  disk.release();
  poll();
  ASSERT_EQ(outcomes.size(), 5u);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(outcomes[i].value(), i * 2);
  add(writer, 6);
  poll();
  disk.release();
  poll();
  EXPECT_EQ(outcomes[6].value(), 12);
}

TEST_F(BatchWriterTest, AWriteHasTheFirstDeadlineOfItsRowsAndWhoIsLateIsNotWritten) {
  using namespace std::chrono_literals;
  Writer writer("test", disk.write());
  disk.hold = true;
  const Deadline soon = std::chrono::steady_clock::now() + 1h;
  add(writer, 1, soon);
  poll();
  add(writer, 2, soon + 2s);
  add(writer, 3, std::chrono::steady_clock::now());
  add(writer, 4, soon + 1s);
  poll();
  disk.release();
  poll();
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{1}, {2, 4}}));
  EXPECT_EQ(disk.deadlines, (std::vector<Deadline>{soon, soon + 1s}));
  EXPECT_EQ(outcomes[3].error().code, Errc::deadline_exceeded);
  disk.release();
  poll();
  EXPECT_EQ(outcomes.size(), 4u);
}

TEST_F(BatchWriterTest, EachRowHasItsOwnOutcome) {
  Writer writer("test", disk.write());
  for (int row : {1, -1, 2}) add(writer, row);
  poll();
  EXPECT_EQ(outcomes[1].value(), 2);
  EXPECT_EQ(outcomes[-1].error().token, "negative");
  EXPECT_EQ(outcomes[2].value(), 4);
}

TEST_F(BatchWriterTest, AWriteThatFailsFailsForAllOfItsRowsAndTheNextGoesOn) {
  Writer writer("test", disk.write());
  for (int row : {1, 99}) add(writer, row);
  poll();
  EXPECT_EQ(outcomes[99].error().code, Errc::storage_full);
  add(writer, 13);
  poll();
  EXPECT_EQ(outcomes[13].error().code, Errc::internal);
  EXPECT_EQ(outcomes[13].error().detail, "thirteen");
  add(writer, 3);
  poll();
  EXPECT_EQ(outcomes[3].value(), 6);
}

TEST_F(BatchWriterTest, BoundsOfAWriteAndOfTheQueueHold) {
  Writer writer("test", disk.write(), {.rows = 3, .waiting = 4});
  disk.hold = true;
  add(writer, 0);
  poll();
  for (int i = 1; i <= 5; ++i) add(writer, i);
  poll();
  EXPECT_EQ(outcomes[5].error().code, Errc::unavailable);
  for (int i = 0; i < 4; ++i) {
    disk.release();
    poll();
  }
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{0}, {1, 2, 3}, {4}}));
  EXPECT_EQ(outcomes[4].value(), 8);
}

TEST_F(BatchWriterTest, AsManyWritesAreUnderWayAsMayBe) {
  Writer writer("test", disk.write(), {.writes = 2});
  disk.hold = true;
  for (int row = 1; row <= 4; ++row) {
    add(writer, row);
    poll();
  }
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{1}, {2}}));
  disk.hold = false;
  disk.release();
  poll();
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{1}, {2}, {3, 4}}));
  EXPECT_EQ(outcomes.size(), 4U);
}

TEST_F(BatchWriterTest, StopWritesWhatWaitsAndRefusesTheRest) {
  Writer writer("test", disk.write());
  disk.hold = true;
  add(writer, 1);
  poll();
  add(writer, 2);
  poll();
  disk.hold = false;
  auto guard = asio::make_work_guard(disk.io);
  disk.release();
  disk.io.restart();
  std::thread loop([&] { disk.io.run(); });
  writer.stop();
  guard.reset();
  loop.join();
  EXPECT_EQ(disk.writes, (std::vector<std::vector<int>>{{1}, {2}}));
  add(writer, 3);
  poll();
  EXPECT_EQ(outcomes[2].value(), 4);
  EXPECT_EQ(outcomes[3].error().code, Errc::unavailable);
}

struct Sum {
  std::atomic<std::int64_t> sum{0}, writes{0};
  Task<Result<Writer::Outcomes>> take(std::vector<int> rows) {
    ++writes;
    Writer::Outcomes out;
    for (int row : rows) {
      sum += row;
      out.emplace_back(row);
    }
    co_return out;
  }
};

TEST(BatchWriterThreads, ManyThreadsLoseNothing) {
  constexpr int kThreads = 4, kRows = 2000;
  const Ctx ctx;
  Sum disk;
  Writer writer("test",
                [&disk](const Ctx&, std::vector<int> rows) { return disk.take(std::move(rows)); });
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      asio::io_context io;
      for (int i = 0; i < kRows; ++i)
        asio::co_spawn(io, writer.add(ctx, t * kRows + i),
                       [&, want = t * kRows + i](const std::exception_ptr&, const Result<int>& r) {
                         if (r && *r == want) ++answered;
                       });
      io.run();
    });
  for (auto& thread : threads) thread.join();
  constexpr std::int64_t kAll = kThreads * kRows;
  EXPECT_EQ(answered, kAll);
  EXPECT_EQ(disk.sum, kAll * (kAll - 1) / 2);
  EXPECT_LE(disk.writes, kAll);
}

}  // namespace
}  // namespace sv
