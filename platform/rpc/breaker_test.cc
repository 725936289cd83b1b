#include "platform/rpc/breaker.h"

#include <gtest/gtest.h>

namespace sv::rpc {
namespace {

using Steady = Breaker::Steady;

TEST(Breaker, OpensAfterFailuresInARowAndLetsOneThroughEachPause) {
  Breaker breaker;
  Steady::time_point now{};
  for (int i = 1; i < Breaker::kFailures; ++i) breaker.failed(now);
  EXPECT_TRUE(breaker.lets_pass(now));
  breaker.failed(now);
  EXPECT_FALSE(breaker.lets_pass(now));
  now += Breaker::kPause;
  EXPECT_TRUE(breaker.lets_pass(now));
  breaker.begins(now);
  EXPECT_FALSE(breaker.lets_pass(now)) << "one is under way";
  breaker.failed(now);
  EXPECT_FALSE(breaker.lets_pass(now));
  now += Breaker::kPause;
  breaker.begins(now);
  breaker.succeeded();
  EXPECT_TRUE(breaker.lets_pass(now));
}

TEST(Breaker, FailuresAmongSuccessesDoNotOpenIt) {
  Breaker breaker;
  for (int i = 0; i < 10 * Breaker::kFailures; ++i) {
    breaker.failed({});
    if (i % 2 == 0) breaker.succeeded();
  }
  EXPECT_FALSE(breaker.open());
}

}  // namespace
}  // namespace sv::rpc
