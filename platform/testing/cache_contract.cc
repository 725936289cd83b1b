#include <thread>

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

}  // namespace sv::testing
