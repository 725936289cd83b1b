#include <thread>

#include "platform/testing/event_bus_log.h"

namespace sv::testing {

TEST_P(EventBusContract, ACommittedEventArrivesWholeAndInOrder) {
  EventLog log;
  auto setup = make();
  subscribe(*setup, "one", {"video.changed"}, log);
  ASSERT_OK(setup->bus().start());
  for (int i = 0; i < 300; ++i) ASSERT_OK(publish(*setup, "video.changed", "7", std::to_string(i)));
  ASSERT_TRUE(log.wait_for(300));
  setup->bus().stop();
  for (int i = 0; i < 300; ++i)
    EXPECT_EQ(log.events[static_cast<std::size_t>(i)].payload, std::to_string(i));
  EXPECT_EQ(log.events[0].topic, "video.changed");
  EXPECT_EQ(log.events[0].key, "7");
  EXPECT_EQ(log.events[0].revision, 3);
  EXPECT_GT(log.events[0].id, 0);
  EXPECT_GT(log.events[0].time_ms, 0);
}

TEST_P(EventBusContract, ARolledBackEventNeverArrives) {
  EventLog log;
  auto setup = make();
  subscribe(*setup, "one", {"t"}, log);
  ASSERT_OK(setup->bus().start());
  EXPECT_FALSE(publish(*setup, "t", "1", "undone", true));
  ASSERT_OK(publish(*setup, "t", "1", "done"));
  ASSERT_TRUE(log.wait_for(1));
  setup->bus().stop();
  EXPECT_EQ(log.payloads(), Texts{"done"});
}

TEST_P(EventBusContract, AConsumerSeesItsTopicsAndNoOthers) {
  EventLog a, b;
  auto setup = make();
  subscribe(*setup, "a", {"t.a"}, a);
  subscribe(*setup, "b", {"t.a", "t.b"}, b);
  ASSERT_OK(setup->bus().start());
  for (const char* topic : {"t.b", "t.c", "t.a"}) ASSERT_OK(publish(*setup, topic, "1", topic));
  ASSERT_TRUE(a.wait_for(1) && b.wait_for(2));
  setup->bus().stop();
  EXPECT_EQ(a.payloads(), Texts{"t.a"});
  EXPECT_EQ(b.payloads(), (Texts{"t.b", "t.a"}));
}

TEST_P(EventBusContract, AFailedBatchComesAgainAfterAPauseAndHoldsUpNobodyElse) {
  EventLog bad, good;
  bad.failures = 3;
  auto setup = make();
  subscribe(*setup, "bad", {"t"}, bad);
  subscribe(*setup, "good", {"t"}, good);
  ASSERT_OK(setup->bus().start());
  ASSERT_OK(publish(*setup, "t", "1", "x"));
  ASSERT_TRUE(good.wait_for(1));
  ASSERT_TRUE(bad.wait_for(1));
  setup->bus().stop();
  EXPECT_EQ(bad.payloads(), Texts{"x"});
  EXPECT_GE(bad.attempts, 3);
  EXPECT_LE(bad.attempts, 10);  // paused between attempts, not spinning
}

TEST_P(EventBusContract, PositionsSurviveARestartAndNothingIsMissed) {
  EventLog first, second;
  {
    auto setup = make();
    subscribe(*setup, "one", {"t"}, first);
    ASSERT_OK(setup->bus().start());
    ASSERT_OK(publish(*setup, "t", "1", "a"));
    ASSERT_TRUE(first.wait_for(1));
    setup->bus().stop();
    ASSERT_OK(publish(*setup, "t", "1", "while stopped"));
  }
  auto setup = make();
  subscribe(*setup, "one", {"t"}, second);
  ASSERT_OK(setup->bus().start());
  ASSERT_OK(publish(*setup, "t", "1", "c"));
  ASSERT_TRUE(second.wait_for(2));
  setup->bus().stop();
  EXPECT_EQ(second.payloads(), (Texts{"while stopped", "c"}));
}

TEST_P(EventBusContract, StoppingEndsAConsumerThatKeepsFailing) {
  EventLog log;
  log.failures = 1 << 20;
  auto setup = make();
  subscribe(*setup, "bad", {"t"}, log);
  ASSERT_OK(setup->bus().start());
  ASSERT_OK(publish(*setup, "t", "1", "x"));
  ASSERT_TRUE(log.wait_until([&] { return log.attempts >= 2; }));
  setup->bus().stop();
  EXPECT_TRUE(log.payloads().empty());
}

TEST_P(EventBusContract, EventsOfManyThreadsAllArriveOrderedByKey) {
  EventLog log;
  auto setup = make();
  subscribe(*setup, "one", {"t"}, log);
  ASSERT_OK(setup->bus().start());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i)
        EXPECT_OK(publish(*setup, "t", std::to_string(t), std::to_string(i)));
    });
  for (auto& t : threads) t.join();
  ASSERT_TRUE(log.wait_for(400));
  setup->bus().stop();
  std::map<std::string, int> next;
  for (auto& e : log.events) EXPECT_EQ(e.payload, std::to_string(next[e.key]++));
  EXPECT_EQ(log.events.size(), 400u);
}

}  // namespace sv::testing
