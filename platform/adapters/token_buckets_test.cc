#include "platform/adapters/token_buckets.h"

#include <string>

#include <gtest/gtest.h>

namespace sv {
namespace {

using namespace std::chrono_literals;

class Buckets : public ::testing::Test {
 protected:
  bool take(const std::string& key) { return buckets.take(key, 1, 3, 1, now).allowed; }
  void drain(const std::string& key) {
    while (take(key)) {}
  }
  static std::string address(int i) { return "rate:read:a:2001:db8:" + std::to_string(i) + "::"; }

  static constexpr std::size_t kLimit = 1000;
  TokenBuckets buckets{kLimit};
  TokenBuckets::Clock::time_point now = TokenBuckets::Clock::now();
};

TEST_F(Buckets, ASprayOfAddressesIsBoundedInNumber) {
  for (int i = 0; i < 200'000; ++i) {
    EXPECT_TRUE(take(address(i)));
    ASSERT_LE(buckets.size(), kLimit);
  }
  EXPECT_EQ(buckets.size(), kLimit);
}

TEST_F(Buckets, ASprayDoesNotRefillTheBucketOfWhoKeepsAsking) {
  drain("busy");
  for (int i = 0; i < 10'000; ++i) {
    take(address(i));
    if (i % 500 == 0) EXPECT_FALSE(take("busy")) << i;
  }
}

TEST_F(Buckets, TheOneThatWasLongestNotAskedForMakesRoom) {
  drain("old");
  drain("young");
  for (std::size_t i = 0; i < kLimit - 1; ++i) take(address(static_cast<int>(i)));
  EXPECT_FALSE(take("young"));
  EXPECT_TRUE(take("old")) << "it begins full again";
}

TEST_F(Buckets, ABucketIsTheSameAfterOthersCameAndWent) {
  drain("mine");
  now += 2s;
  for (int i = 0; i < 100; ++i) take(address(i));
  EXPECT_TRUE(take("mine"));
  EXPECT_TRUE(take("mine"));
  EXPECT_FALSE(take("mine"));
}

}  // namespace
}  // namespace sv
