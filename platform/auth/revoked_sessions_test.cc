#include "platform/auth/revoked_sessions.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "platform/testing/manual_clock.h"

namespace sv::auth {
namespace {

TEST(RevokedSessions, KnowsWhatWasAddedAtOnce) {
  const testing::ManualClock clock;
  RevokedSessions revoked(clock);
  EXPECT_FALSE(revoked.contains("1"));
  revoked.add("1", clock.now_ms() + 1000);
  revoked.add("1", clock.now_ms() + 500);
  EXPECT_TRUE(revoked.contains("1"));
  EXPECT_FALSE(revoked.contains("2"));
  EXPECT_FALSE(revoked.contains(""));
  EXPECT_EQ(revoked.size(), 1U);
}

TEST(RevokedSessions, MemoryIsBoundedByWhatIsStillUnexpired) {
  testing::ManualClock clock;
  RevokedSessions revoked(clock);
  for (int i = 0; i < 50'000; ++i) {
    revoked.add(std::to_string(i), clock.now_ms() + 1000);
    clock.advance(std::chrono::milliseconds(1));
  }
  EXPECT_LT(revoked.size(), 10'000U);
  EXPECT_TRUE(revoked.contains("49999"));
}

TEST(RevokedSessions, ManyThreadsAddAndAsk) {
  const testing::ManualClock clock;
  RevokedSessions revoked(clock);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2000; ++i) {
          const std::string sid = std::to_string(t * 2000 + i);
          revoked.add(sid, clock.now_ms() + 1000);
          ASSERT_TRUE(revoked.contains(sid));
        }
      });
  }
  EXPECT_EQ(revoked.size(), 8000U);
}

}  // namespace
}  // namespace sv::auth
