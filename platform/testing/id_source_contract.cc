#include <set>
#include <thread>

#include "platform/testing/port_contracts.h"

namespace sv::testing {

TEST_P(IdSourceContract, IdsRiseAndFitInFiftyThreeBits) {
  auto ids = GetParam()(folder.path(), clock);
  std::int64_t last = 0;
  for (int i = 0; i < 5000; ++i) {
    if (i % 700 == 0) clock.advance(std::chrono::milliseconds(20));
    const std::int64_t id = ids->next();
    EXPECT_GT(id, last);
    EXPECT_LT(id, 1LL << 53);
    last = id;
  }
}

TEST_P(IdSourceContract, ThreadsNeverGetTheSameId) {
  auto ids = GetParam()(folder.path(), clock);
  std::vector<std::vector<std::int64_t>> taken(4);
  std::vector<std::thread> threads;
  for (auto& mine : taken)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) mine.push_back(ids->next());
    });
  for (auto& t : threads) t.join();
  std::set<std::int64_t> all;
  for (auto& mine : taken) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 8000u);
}

TEST_P(IdSourceContract, ARestartOrAClockSetBackReusesNothing) {
  std::int64_t last = 0;
  for (int start = 0; start < 5; ++start) {
    auto ids = GetParam()(folder.path(), clock);
    for (int i = 0; i < 1500; ++i) {
      const std::int64_t id = ids->next();
      ASSERT_GT(id, last) << "start " << start;
      last = id;
    }
    clock.advance(std::chrono::hours(-1));
    const std::int64_t id = ids->next();
    ASSERT_GT(id, last);
    last = id;
  }
}

}  // namespace sv::testing
