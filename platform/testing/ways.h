#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include <gtest/gtest.h>

#include "platform/rpc/channel.h"
#include "platform/rpc/message.h"
#include "platform/testing/manual_clock.h"

namespace sv::testing {

// How a suite reaches its service. direct: one instance, which nobody writes beside. two: through
// the generated codec, as another process would, and each call at another one of two instances over
// one database.
enum class Way : unsigned char { direct, two };

// How long instances keep what they read where there are two.
inline constexpr std::chrono::milliseconds kMemoryAge{400};
inline std::chrono::milliseconds memory_age(Way way) {
  return way == Way::two ? kMemoryAge : std::chrono::milliseconds(0);
}

// A service's own stub and dispatcher, back to back. Before each call what the other instance wrote
// is due here: for the caller himself, who reads past memory, and for everyone else, a second
// later, in turns.
//   TwoOf<UserApi, UserClient, dispatch_user> two(*one, *other, clock);
//   two.client().login(ctx, req);
template <class Api, class Client, auto dispatch>
class TwoOf final : rpc::Channel {
 public:
  TwoOf(Api& one, Api& other, ManualClock& clock) : instances_{&one, &other}, clock_(clock) {}
  Client& client() { return client_; }

 private:
  Task<Result<std::string>> call(const Ctx& ctx, rpc::Method, std::string payload) override {
    const int turn = calls_++;
    Ctx mine = ctx;
    if (turn % 4 < 2) mine.fresh = ServiceSet::all();
    else clock_.advance(std::chrono::seconds(1));
    co_return (co_await dispatch(*instances_[turn % 2], mine, payload, true)).payload;
  }

  Api* instances_[2];
  ManualClock& clock_;
  std::atomic<int> calls_{0};
  Client client_{*this};
};

inline std::string way_name(const ::testing::TestParamInfo<Way>& info) {
  return info.param == Way::direct ? "Direct" : "Two";
}

}  // namespace sv::testing

// Every TEST_P of the suite runs both ways.
#define SV_BOTH_WAYS(suite)                                                                        \
  INSTANTIATE_TEST_SUITE_P(Ways, suite,                                                            \
                           ::testing::Values(::sv::testing::Way::direct, ::sv::testing::Way::two), \
                           ::sv::testing::way_name)
// Every TEST_P of the suite runs with one instance only.
#define SV_ONE_WAY(suite)                                                              \
  INSTANTIATE_TEST_SUITE_P(Ways, suite, ::testing::Values(::sv::testing::Way::direct), \
                           ::sv::testing::way_name)
