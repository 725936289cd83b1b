#include "platform/core/line_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sv {
namespace {

TEST(LineWriter, EveryThreadsLinesAreWholeAndInItsOrder) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::string got;
  std::thread reader([&] {
    char block[4096];
    for (ssize_t n; (n = ::read(ends[0], block, sizeof block)) > 0;)
      got.append(block, static_cast<std::size_t>(n));
  });
  constexpr int kThreads = 4, kLines = 20'000;
  {
    LineWriter out(ends[1]);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kLines; ++i) out.add(fmt::format("{} {}", t, i), i % 1000 == 0);
      });
    for (auto& thread : threads) thread.join();
  }  // what waits is written, and the pipe closed
  reader.join();
  ::close(ends[0]);
  std::map<int, int> next;
  std::size_t lines = 0;
  for (std::size_t at = 0, end; (end = got.find('\n', at)) != std::string::npos; at = end + 1) {
    int thread = -1, number = -1;
    ASSERT_EQ(std::sscanf(got.c_str() + at, "%d %d\n", &thread, &number), 2);
    ASSERT_EQ(number, next[thread]++);
    ++lines;
  }
  EXPECT_EQ(lines, std::size_t{kThreads} * kLines);
}

// A pipe that nobody reads takes some 64 KiB: writers wait, and nothing is lost.
TEST(LineWriter, ASlowDiskHoldsWritersUpAndLosesNothing) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string line(64 << 10, 'x');
  constexpr std::size_t kLines = 400;  // three times what may wait
  std::atomic<std::size_t> added{0};
  std::thread writer([&] {
    LineWriter out(ends[1]);
    for (; added < kLines; ++added) out.add(line, false);
  });
  while (added < (8 << 20) / line.size()) std::this_thread::yield();
  EXPECT_LT(added, kLines);
  std::size_t got = 0;
  std::vector<char> block(1 << 20);
  for (ssize_t n; (n = ::read(ends[0], block.data(), block.size())) > 0;)
    got += static_cast<std::size_t>(n);
  writer.join();
  ::close(ends[0]);
  EXPECT_EQ(got, kLines * (line.size() + 1));
}

TEST(LineWriter, AFileThatTakesNoMoreHoldsUpNobody) {
  LineWriter out(::open("/dev/full", O_WRONLY));
  const std::string line(1 << 20, 'x');
  for (int i = 0; i < 32; ++i) out.add(line, false);
}

}  // namespace
}  // namespace sv
