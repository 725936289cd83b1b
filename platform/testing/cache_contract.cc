#include <thread>

#include "platform/testing/ear.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

std::optional<std::string> get(Cache& cache, const std::string& key) {
  const std::vector<std::string> keys{key};
  auto values = run_task(cache.get_many(keys));
  return values ? values->at(0) : std::nullopt;
}

}  // namespace

TEST_P(CacheContract, ValuesComeBackInTheOrderOfTheKeys) {
  ASSERT_OK(run_task(cache->set("a", "1", 1min)));
  ASSERT_OK(run_task(cache->set("b", std::string("\0\xff", 2), 1min)));
  const std::vector<std::string> keys{"b", "none", "a"};
  auto values = run_task(cache->get_many(keys));
  ASSERT_OK(values);
  ASSERT_EQ(values->size(), 3u);
  EXPECT_EQ(values->at(0), std::string("\0\xff", 2));
  EXPECT_FALSE(values->at(1));
  EXPECT_EQ(values->at(2), "1");
}

TEST_P(CacheContract, ALaterValueReplacesAndRemoveForgets) {
  ASSERT_OK(run_task(cache->set("a", "1", 1min)));
  ASSERT_OK(run_task(cache->set("a", "2", 1min)));
  EXPECT_EQ(get(*cache, "a"), "2");
  ASSERT_OK(run_task(cache->remove("a")));
  ASSERT_OK(run_task(cache->remove("a")));
  EXPECT_FALSE(get(*cache, "a"));
}

TEST_P(CacheContract, BitsAddUpWhoeverAddsThem) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] { ASSERT_OK(run_task(cache->add_bits("bits", 1U << t, 1min))); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(get(*cache, "bits"), "15");
}

TEST_P(CacheContract, AValueIsGoneWhenItsTimeIsOver) {
  ASSERT_OK(run_task(cache->set("short", "1", 1ms)));
  ASSERT_OK(run_task(cache->set("long", "1", 1h)));
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (get(*cache, "short") && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_FALSE(get(*cache, "short"));
  EXPECT_TRUE(get(*cache, "long"));
}

TEST_P(CacheContract, OneOfManySettersWins) {
  std::atomic<int> winners{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      if (run_task(cache->set_if_absent("lock", std::to_string(t), 1min)).value_or(false))
        ++winners;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(winners, 1);
  ASSERT_OK(run_task(cache->remove("lock")));
  EXPECT_TRUE(run_task(cache->set_if_absent("lock", "x", 1min)).value_or(false));
}

TEST_P(CacheContract, OnlyANewerRevisionReplaces) {
  const auto put = [&](std::string value, std::int64_t revision) {
    return run_task(cache->set_if_newer("row", std::move(value), revision, 1min)).value();
  };
  EXPECT_TRUE(put("nine", 9));
  EXPECT_FALSE(put("nine again", 9));
  EXPECT_EQ(get(*cache, "row"), "nine");
  EXPECT_TRUE(put("ten", 10));
  EXPECT_FALSE(put("nine", 9));
  EXPECT_EQ(get(*cache, "row"), "ten");
  EXPECT_TRUE(put("", (std::int64_t{1} << 62) + 1));
  EXPECT_FALSE(put("x", std::int64_t{1} << 62));
  EXPECT_EQ(get(*cache, "row"), "");
  ASSERT_OK(run_task(cache->set("row", "without", 1min)));
  EXPECT_TRUE(put("zero", 0));
  ASSERT_OK(run_task(cache->remove("row")));
  EXPECT_TRUE(put("anew", 0));
}

TEST_P(CacheContract, AnyValueComesBackAsItWas) {
  for (const std::string value : {"", "\1", "\1:", "\0012:x", "\1\1:", ":"}) {
    ASSERT_OK(run_task(cache->set("a", value, 1min)));
    EXPECT_EQ(get(*cache, "a"), value);
    ASSERT_OK(run_task(cache->remove("b")));
    ASSERT_OK(run_task(cache->set_if_absent("b", value, 1min)));
    EXPECT_EQ(get(*cache, "b"), value);
    ASSERT_OK(run_task(cache->remove("c")));
    ASSERT_OK(run_task(cache->set_if_newer("c", value, 1, 1min)));
    EXPECT_EQ(get(*cache, "c"), value);
  }
}

TEST_P(CacheContract, ABucketGivesItsBurstAndThenSaysWhenToComeBack) {
  for (int i = 0; i < 3; ++i) {
    auto taken = run_task(cache->take("login", 0.001, 3));
    ASSERT_OK(taken);
    EXPECT_TRUE(taken->allowed);
    EXPECT_EQ(taken->limit, 3);
    EXPECT_EQ(taken->remaining, 2 - i);
    EXPECT_EQ(taken->retry_after, 0ms);
  }
  auto refused = run_task(cache->take("login", 0.001, 3));
  ASSERT_OK(refused);
  EXPECT_FALSE(refused->allowed);
  EXPECT_GT(refused->retry_after, 900s);
  EXPECT_LE(refused->retry_after, 1000s);
  EXPECT_GT(refused->reset, refused->retry_after);
  EXPECT_TRUE(run_task(cache->take("other", 0.001, 3))->allowed);
}

TEST_P(CacheContract, AskingTakesNothing) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(run_task(cache->take("ask", 0.001, 1, 0))->allowed);
  EXPECT_TRUE(run_task(cache->take("ask", 0.001, 1))->allowed);
  EXPECT_FALSE(run_task(cache->take("ask", 0.001, 1, 0))->allowed);
}

TEST_P(CacheContract, ABucketFillsAgainWithTime) {
  EXPECT_TRUE(run_task(cache->take("fast", 1000, 1))->allowed);
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (!run_task(cache->take("fast", 1000, 1))->allowed)
    ASSERT_LT(std::chrono::steady_clock::now(), end);
}

TEST_P(CacheContract, ConcurrentTakersNeverExceedTheBurst) {
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) allowed += run_task(cache->take("shared", 0.0001, 50))->allowed;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(allowed, 50);
}

TEST_P(CacheContract, WhatIsPublishedIsHeardInOrderByAllWhoListen) {
  Ear one, other, elsewhere;
  const auto a = cache->subscribe("room", one.listener());
  const auto b = cache->subscribe("hall", elsewhere.listener());
  ASSERT_TRUE(one.begun(1));
  const auto c = cache->subscribe("room", other.listener());
  ASSERT_TRUE(other.begun(1));
  ASSERT_TRUE(elsewhere.begun(1));
  const std::vector<std::string> said{"first", std::string("\0\xff", 2), ""};
  for (const auto& message : said) ASSERT_OK(run_task(cache->publish("room", message)));
  ASSERT_OK(run_task(cache->publish("hall", "other")));
  EXPECT_TRUE(one.heard(said));
  EXPECT_TRUE(other.heard(said));
  EXPECT_TRUE(elsewhere.heard({"other"}));
}

TEST_P(CacheContract, AnEndedSubscriptionHearsNothing) {
  Ear ended, going_on;
  auto a = cache->subscribe("room", ended.listener());
  const auto b = cache->subscribe("room", going_on.listener());
  ASSERT_TRUE(ended.begun(1));
  ASSERT_TRUE(going_on.begun(1));
  a.reset();
  ASSERT_OK(run_task(cache->publish("room", "late")));
  EXPECT_TRUE(going_on.heard({"late"}));
  EXPECT_TRUE(ended.heard({}));
}

TEST_P(CacheContract, WhoComesBackToAChannelHearsAgain) {
  for (const std::string message : {"one", "two", "three"}) {
    Ear ear;
    const auto subscription = cache->subscribe("room", ear.listener());
    ASSERT_TRUE(ear.begun(1));
    ASSERT_OK(run_task(cache->publish("room", message)));
    EXPECT_TRUE(ear.heard({message}));
  }
}

TEST_P(CacheContract, ASubscriptionMayEndByWhatItHears) {
  Ear after;
  std::unique_ptr<Cache::Subscription> subscription;
  std::atomic<int> heard{0};
  subscription = cache->subscribe("room", {.heard =
                                               [&](std::string_view) {
                                                 ++heard;
                                                 subscription.reset();
                                               },
                                           .missed = {}});
  const auto last = cache->subscribe("room", after.listener());
  ASSERT_TRUE(after.begun(1));
  for (const char* message : {"one", "two"}) ASSERT_OK(run_task(cache->publish("room", message)));
  EXPECT_TRUE(after.heard({"one", "two"}));
  EXPECT_EQ(heard, 1);
}

}  // namespace sv::testing
