#include "services/parts/object_cache.h"

#include <gtest/gtest.h>

#include "platform/testing/manual_clock.h"

namespace sv {
namespace {

using namespace std::chrono_literals;
using Cache = ObjectCache<int, int>;

TEST(ObjectCache, WhatIsOlderThanItMayBeIsNotFound) {
  testing::ManualClock clock;
  Cache cache(Memory{.clock = clock, .age = 400ms});
  const auto stamp = cache.stamp();
  clock.advance(300ms);  // the read took so long: age counts from its beginning
  cache.put(stamp, 1, 10);
  EXPECT_EQ(cache.find(Ctx{}, 1), 10);
  clock.advance(100ms);
  EXPECT_EQ(cache.find(Ctx{}, 1), 10);
  clock.advance(1ms);
  EXPECT_EQ(cache.find(Ctx{}, 1), std::nullopt);
  cache.put(cache.stamp(), 1, 11);
  EXPECT_EQ(cache.find(Ctx{}, 1), 11);
}

TEST(ObjectCache, WithoutAnAgeAValueStays) {
  testing::ManualClock clock;
  Cache cache(Memory{.clock = clock});
  cache.put(cache.stamp(), 1, 10);
  clock.advance(24h);
  EXPECT_EQ(cache.find(Ctx{}, 1), 10);
}

TEST(ObjectCache, WhoMustSeeHisOwnWriteFindsNothingThatMayBeOlder) {
  testing::ManualClock clock;
  Cache cache(Memory{.clock = clock, .age = 400ms, .owner = Service::social});
  cache.put(cache.stamp(), 1, 10);
  Ctx ctx;
  ctx.fresh = {Service::user, Service::social};
  EXPECT_EQ(cache.find(ctx, 1), std::nullopt);
  ctx.fresh = {Service::user};
  EXPECT_EQ(cache.find(ctx, 1), 10);
  Cache alone(Memory{.clock = clock, .owner = Service::user});  // nobody else writes
  alone.put(alone.stamp(), 1, 10);
  EXPECT_EQ(alone.find(ctx, 1), 10);
}

TEST(ObjectCache, ASlowerReadOfWhatWasBeforeDoesNotReplaceANewerOne) {
  testing::ManualClock clock;
  Cache cache(Memory{.clock = clock, .age = 400ms});
  const auto slow = cache.stamp();
  clock.advance(1ms);
  cache.put(cache.stamp(), 1, 11);
  cache.put(slow, 1, 10);
  EXPECT_EQ(cache.find(Ctx{}, 1), 11);
}

TEST(ObjectCache, AChangeKeepsOutWhatWasReadBeforeItOfThatKeyAlone) {
  testing::ManualClock clock;
  Cache cache(Memory{.clock = clock});
  const auto stamp = cache.stamp();
  cache.erase(1);
  cache.update(2, [](int&) {});
  for (int key : {1, 2, 3, 17, 33}) cache.put(stamp, key, 0);
  EXPECT_EQ(cache.find(Ctx{}, 1), std::nullopt);
  EXPECT_EQ(cache.find(Ctx{}, 2), std::nullopt);
  for (int key : {3, 17, 33})
    EXPECT_EQ(cache.find(Ctx{}, key), 0) << key;  // some share a shard with them
}

TEST(ObjectCache, ChangesThatItNoLongerKnowsByKeyStillKeepOldReadsOut) {
  testing::ManualClock clock;
  Cache cache(Memory{.clock = clock});
  const auto stamp = cache.stamp();
  constexpr int kMany = 100'000;
  for (int key = 0; key < kMany; ++key) cache.erase(key);
  for (int key = 0; key < kMany; ++key) cache.put(stamp, key, 0);
  for (int key = 0; key < kMany; ++key) ASSERT_EQ(cache.find(Ctx{}, key), std::nullopt) << key;
}

}  // namespace
}  // namespace sv
