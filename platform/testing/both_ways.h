#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "platform/rpc/channel.h"
#include "platform/rpc/message.h"

namespace sv::testing {

// How a suite reaches its service: by direct calls, or through the generated codec as another
// process would.
enum class Way : unsigned char { direct, codec };

// A service's own stub and dispatcher, back to back.
//   Codec<UserApi, UserClient, dispatch_user> codec(*service);
//   codec.client().login(ctx, req);
template <class Api, class Client, auto dispatch>
class Codec final : rpc::Channel {
 public:
  explicit Codec(Api& api) : api_(api) {}
  Client& client() { return client_; }

 private:
  Task<Result<std::string>> call(const Ctx& ctx, std::string_view, std::string payload) override {
    co_return (co_await dispatch(api_, ctx, payload, true)).payload;
  }

  Api& api_;
  Client client_{*this};
};

inline std::string way_name(const ::testing::TestParamInfo<Way>& info) {
  return info.param == Way::direct ? "Direct" : "Codec";
}

}  // namespace sv::testing

// Every TEST_P of the suite runs both ways.
#define SV_BOTH_WAYS(suite)                                                                  \
  INSTANTIATE_TEST_SUITE_P(                                                                  \
      Ways, suite, ::testing::Values(::sv::testing::Way::direct, ::sv::testing::Way::codec), \
      ::sv::testing::way_name)
