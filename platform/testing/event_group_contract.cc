// What the contract of the event bus says of one group on several instances, of what a crash
// leaves, of events that cannot be taken, and of those who only listen.
#include <latch>

#include "platform/core/supervisor.h"
#include "platform/testing/event_bus_log.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

Task<Result<Effect>> prepare_for_long(std::latch& prepared) {
  prepared.count_down();
  co_await pause(1h);
  co_return Effect{};
}

// Tells "u" of each, and then is away the first time.
Task<Result<Effect>> tell_then_fail(EventBus& bus, int& failures, std::vector<Event> batch) {
  co_return Effect{.apply = [&bus, &failures, batch = std::move(batch)](sql::Tx& tx) -> Result<> {
    for (const Event& e : batch)
      SV_CHECK(bus.publish(tx, {{.topic = "u", .key = e.key, .payload = e.payload}}));
    if (failures-- > 0) return fail(Errc::unavailable);
    return {};
  }};
}

Task<Result<Effect>> prepare_one(EventLog& log, const std::vector<Event>& batch) {
  SV_CO_CHECK(log.look(batch));
  Effect effect = effect_in(log, {batch[0]});
  effect.events = 1;
  co_return effect;
}

// "bad" of key 1 cannot be taken; "after" is of that key too, "other" is not.
struct Poisoned {
  explicit Poisoned(std::unique_ptr<EventBusSetup> made) : setup(std::move(made)) {
    log.poison = {"bad"};
    subscribe(*setup, "one", {"t"}, log);
    EXPECT_OK(setup->bus().start());
    for (const auto& [key, payload] : {std::pair("1", "bad"), {"1", "after"}, {"2", "other"}})
      EXPECT_OK(publish(*setup, "t", key, payload));
    EXPECT_TRUE(log.wait_for(1));
    EXPECT_EQ(log.payloads(), Texts{"other"});
    EXPECT_TRUE(parked_are(1));
  }
  ~Poisoned() { setup->bus().stop(); }

  void heal() {
    const std::lock_guard lock(log.mutex);
    log.poison.clear();
  }
  // What comes through once `payload` of an unconcerned key has.
  Texts seen_with(std::string payload) {
    EXPECT_OK(publish(*setup, "t", "3", payload));
    EXPECT_TRUE(log.wait_until(
        [&] { return std::ranges::count(log.events, payload, &Event::payload) > 0; }));
    return log.payloads();
  }

  // Keys may go ways of their own.
  bool parked_are(std::int64_t count) {
    return eventually([this, count] {
      const auto dead = setup->dead();
      return dead.size() == 1 && dead[0].parked == count;
    });
  }

  EventLog log;
  std::unique_ptr<EventBusSetup> setup;
};

}  // namespace

TEST_P(EventBusContract, WhatWasPreparedAndNotAppliedComesAgain) {
  {
    auto setup = make();
    std::latch prepared(1);
    setup->bus().group(
        {.name = "one",
         .topics = {"t"},
         .db = setup->database(),
         .prepare = [&](const std::vector<Event>&) { return prepare_for_long(prepared); }});
    ASSERT_OK(setup->bus().start());
    ASSERT_OK(publish(*setup, "t", "1", "a"));
    prepared.wait();
    setup->bus().stop();
  }
  EventLog log;
  auto setup = make();
  subscribe(*setup, "one", {"t"}, log);
  ASSERT_OK(setup->bus().start());
  EXPECT_TRUE(log.wait_for(1));
  setup->bus().stop();
  EXPECT_EQ(log.payloads(), Texts{"a"});
}

TEST_P(EventBusContract, AnEffectThatFailsLeavesNothingAndHappensOnce) {
  EventLog told;
  int failures = 1;
  auto setup = make();
  setup->bus().group({.name = "one",
                      .topics = {"t"},
                      .db = setup->database(),
                      .prepare = [&](const std::vector<Event>& batch) {
                        return tell_then_fail(setup->bus(), failures, batch);
                      }});
  subscribe(*setup, "two", {"u"}, told);
  ASSERT_OK(setup->bus().start());
  ASSERT_OK(publish(*setup, "t", "1", "a"));
  ASSERT_TRUE(told.wait_for(1));
  ASSERT_OK(publish(*setup, "u", "1", "end"));
  ASSERT_TRUE(told.wait_for(2));
  setup->bus().stop();
  EXPECT_EQ(told.payloads(), (Texts{"a", "end"}));
}

TEST_P(EventBusContract, AGroupMayTakeTheFirstOfABatchAlone) {
  EventLog log;
  auto setup = make();
  setup->bus().group(
      {.name = "one",
       .topics = {"t"},
       .db = setup->database(),
       .prepare = [&](const std::vector<Event>& batch) { return prepare_one(log, batch); }});
  for (const char* payload : {"a", "b", "c"}) ASSERT_OK(publish(*setup, "t", "1", payload));
  ASSERT_OK(setup->bus().start());
  ASSERT_TRUE(log.wait_for(3));
  setup->bus().stop();
  EXPECT_EQ(log.payloads(), (Texts{"a", "b", "c"}));
}

TEST_P(EventBusContract, AnEventThatCannotBeTakenHoldsUpItsKeyOnly) {
  Poisoned world(make());
  EXPECT_EQ(world.seen_with("more"), (Texts{"other", "more"}));
  ASSERT_OK(publish(*world.setup, "t", "1", "later"));
  EXPECT_EQ(world.seen_with("end"), (Texts{"other", "more", "end"}));
  EXPECT_TRUE(world.parked_are(2));
  const auto dead = world.setup->dead();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].consumer, "one");
  EXPECT_EQ(dead[0].topic, "t");
  EXPECT_EQ(dead[0].key, "1");
  EXPECT_EQ(dead[0].tries, kEventTries);
  EXPECT_EQ(dead[0].error, "poison: bad");
  EXPECT_EQ(dead[0].parked, 2);
}

TEST_P(EventBusContract, WhatIsReplayedComesInOrderAndBeforeWhatIsNew) {
  Poisoned world(make(BusUse::shared));
  world.heal();
  ASSERT_OK(publish(*world.setup, "t", "1", "later"));
  ASSERT_TRUE(world.parked_are(2));
  ASSERT_OK(world.setup->replay("nobody", ""));
  ASSERT_OK(world.setup->replay("one", "2"));
  EXPECT_EQ(world.seen_with("still"), (Texts{"other", "still"}));
  ASSERT_OK(world.setup->replay("one", "1"));
  ASSERT_OK(publish(*world.setup, "t", "1", "newest"));
  ASSERT_TRUE(world.log.wait_for(6));
  EXPECT_EQ(world.log.payloads(), (Texts{"other", "still", "bad", "after", "later", "newest"}));
  EXPECT_TRUE(world.setup->dead().empty());
}

TEST_P(EventBusContract, WhatFailsAgainWhenReplayedIsDeadAgain) {
  Poisoned world(make(BusUse::shared));
  const auto attempts = [&] {
    const std::lock_guard lock(world.log.mutex);
    return world.log.attempts;
  };
  const int before = attempts();
  ASSERT_OK(world.setup->replay("one", ""));
  ASSERT_TRUE(world.log.wait_until([&] { return world.log.attempts >= before + kEventTries; }));
  EXPECT_EQ(world.seen_with("end"), (Texts{"other", "end"}));
  EXPECT_TRUE(world.parked_are(1));
}

TEST_P(EventBusContract, WhatIsDroppedNeverComesAndWhatWaitedForItDoes) {
  Poisoned world(make(BusUse::shared));
  ASSERT_OK(publish(*world.setup, "t", "1", "later"));
  ASSERT_TRUE(world.parked_are(2));
  const auto dead = world.setup->dead();
  EXPECT_FALSE(world.setup->drop("two", dead[0].id));
  EXPECT_FALSE(world.setup->drop("one", dead[0].id + 100));
  ASSERT_OK(world.setup->drop("one", dead[0].id));
  ASSERT_TRUE(world.log.wait_for(3));
  EXPECT_EQ(world.seen_with("end"), (Texts{"other", "after", "later", "end"}));
  EXPECT_TRUE(world.setup->dead().empty());
}

TEST_P(EventBusContract, SomebodysAbsenceIsNoFaultOfTheEvent) {
  EventLog log;
  log.away = kEventTries + 1;
  auto setup = make();
  subscribe(*setup, "one", {"t"}, log);
  ASSERT_OK(setup->bus().start());
  ASSERT_OK(publish(*setup, "t", "1", "a"));
  ASSERT_TRUE(log.wait_for(1));
  setup->bus().stop();
  EXPECT_TRUE(setup->dead().empty());
}

TEST_P(EventBusContract, TwoInstancesOfAGroupTakeEachEventOnceAndInOrder) {
  constexpr int kEvents = 300, kKeys = 5;
  EventLog told;
  int failures[] = {1, 0};
  auto first = make(BusUse::shared), second = make(BusUse::shared);
  subscribe(*first, "two", {"u"}, told);
  EventBusSetup* const setups[] = {first.get(), second.get()};
  for (std::size_t i = 0; i < 2; ++i) {
    EventBus& bus = setups[i]->bus();
    bus.group({.name = "one",
               .topics = {"t"},
               .db = setups[i]->database(),
               .prepare = [&bus, &of = failures[i]](const std::vector<Event>& batch) {
                 return tell_then_fail(bus, of, batch);
               }});
    ASSERT_OK(bus.start());
  }
  for (int i = 0; i < kEvents; ++i)
    ASSERT_OK(publish(*setups[i % 2], "t", std::to_string(i % kKeys), std::to_string(i)));
  ASSERT_TRUE(told.wait_for(kEvents));
  ASSERT_OK(publish(*first, "u", "end", "-1"));
  ASSERT_TRUE(told.wait_until([&] { return told.events.back().key == "end"; }));
  for (EventBusSetup* setup : setups) setup->bus().stop();
  std::map<std::string, int> next;
  for (int key = 0; key < kKeys; ++key) next[std::to_string(key)] = key;
  EXPECT_EQ(told.events.size(), kEvents + 1u);
  told.events.pop_back();
  for (const Event& e : told.events) {
    EXPECT_EQ(e.payload, std::to_string(next[e.key]));
    next[e.key] += kKeys;
  }
}

TEST_P(EventBusContract, EveryInstanceHearsWhatHappensFromItsStartOn) {
  EventLog logs[2];
  auto first = make(BusUse::shared), second = make(BusUse::shared);
  const auto begin = [](EventBusSetup& setup, EventLog& log) {
    setup.bus().each({.name = "ear", .topics = {"t"}, .hear = heard_by(log)});
    ASSERT_OK(setup.bus().start());
  };
  ASSERT_OK(publish(*first, "t", "1", "before"));
  begin(*first, logs[0]);
  ASSERT_OK(publish(*first, "t", "1", "one"));
  ASSERT_TRUE(logs[0].wait_for(1));
  begin(*second, logs[1]);
  logs[0].poison = {"bad"};
  for (const char* payload : {"two", "bad", "three"}) ASSERT_OK(publish(*first, "t", "1", payload));
  ASSERT_TRUE(logs[0].wait_for(3) && logs[1].wait_for(3));
  first->bus().stop();
  second->bus().stop();
  EXPECT_EQ(logs[0].payloads(), (Texts{"one", "two", "three"})) << "what it cannot take it misses";
  EXPECT_EQ(logs[1].payloads(), (Texts{"two", "bad", "three"}));
  EXPECT_TRUE(first->dead().empty());
}

}  // namespace sv::testing
