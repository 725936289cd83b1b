// The registry on a real etcd, which SV_TEST_ETCD names, with a proxy before it that hangs.
#include <cstdlib>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "platform/adapters/etcd_registry.h"
#include "platform/adapters/test_proxy.h"
#include "platform/net/http_client.h"

namespace sv {
namespace {

using namespace std::chrono_literals;

std::string etcd_address() {
  const char* url = std::getenv("SV_TEST_ETCD");
  const std::string text = url ? url : "";
  return text.substr(text.rfind('/') + 1);
}

struct EtcdTest : ::testing::Test {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard = asio::make_work_guard(io);
  std::thread thread{[this] { io.run(); }};
  metrics::Registry metrics;
  const std::string service =
      fmt::format("test-{}", std::chrono::steady_clock::now().time_since_epoch().count());
  const std::string prefix = "kitex/registry-etcd/" + service + "/";
  EtcdClient direct{{.endpoints = {etcd_address()}}, 3s};

  void SetUp() override {
    if (etcd_address().empty())
      GTEST_SKIP() << "SV_TEST_ETCD names no server (script/engines starts one)";
  }
  ~EtcdTest() override {
    guard.reset();
    io.stop();
    thread.join();
  }

  std::unique_ptr<Registry> open(std::string address = etcd_address()) {
    EtcdOptions options{.place = {.endpoints = {std::move(address)}}};
    options.keep_alive = 100ms;
    options.check = 200ms;
    options.timeout = 300ms;
    return make_etcd_registry(std::move(options), io.get_executor(), metrics);
  }
  template <class T>
  T run(Task<T> task) {
    return asio::co_spawn(io, std::move(task), asio::use_future).get();
  }
  std::vector<EtcdClient::Pair> keys() { return run(direct.list(prefix)).value().pairs; }

  template <class Holds>
  ::testing::AssertionResult soon(Holds holds, std::chrono::milliseconds at_most = 10s) {
    for (const auto end = std::chrono::steady_clock::now() + at_most; !holds();) {
      if (std::chrono::steady_clock::now() > end) return ::testing::AssertionFailure() << "not yet";
      std::this_thread::sleep_for(5ms);
    }
    return ::testing::AssertionSuccess();
  }
  // How many leases the whole server has.
  std::size_t leases() {
    const auto at = etcd_address();
    const auto reply = run(net::http_call({.host = at.substr(0, at.find(':')),
                                           .port = at.substr(at.find(':') + 1),
                                           .target = "/v3/lease/leases",
                                           .body = "{}"}));
    std::size_t n = 0;
    for (std::size_t i = 0; (i = reply->body.find("\"ID\"", i)) != std::string::npos; ++i) ++n;
    return n;
  }
};

const Instance kOne{.address = "127.0.0.1:8881", .weight = 10};

TEST_F(EtcdTest, IsWhatKitexExpectsAndIsTakenBack) {
  auto registry = open();
  registry->announce(service, kOne);
  ASSERT_TRUE(soon([&] { return registry->announced(); }));
  const auto found = keys();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].key, prefix + "127.0.0.1:8881");
  EXPECT_EQ(found[0].value,
            R"({"network":"tcp","address":"127.0.0.1:8881","weight":10,"tags":null})");
  EXPECT_NE(found[0].lease, 0);
  asio::co_spawn(io, registry->withdraw(), asio::use_future).get();
  EXPECT_TRUE(keys().empty());
}

TEST_F(EtcdTest, OthersSeeWhoComesAndGoesAtOnce) {
  auto watcher = open(), one = open(), other = open();
  const InstanceList& list = watcher->instances_of(service);
  one->announce(service, kOne);
  ASSERT_TRUE(soon([&] { return list.get()->size() == 1; }));
  other->announce(service, {.address = "[::1]:8981", .weight = 5});
  ASSERT_TRUE(soon([&] { return list.get()->size() == 2; }, 2s));
  EXPECT_EQ((*list.get())[1], (Instance{.address = "[::1]:8981", .weight = 5}));
  asio::co_spawn(io, one->withdraw(), asio::use_future).get();
  ASSERT_TRUE(soon([&] { return list.get()->size() == 1; }, 2s));
}

TEST_F(EtcdTest, WhatIsNoInstanceIsPassedOver) {
  auto registry = open();
  const std::pair<const char*, const char*> values[] = {
      {"a", "nonsense"},
      {"b", R"({"address":"127.0.0.1:1","weight":-4})"},
      {"c", R"({"weight":3})"},
      {"d", R"({"network":"tcp","address":"127.0.0.1:2","weight":3,"tags":{"zone":"b"}})"}};
  for (const auto& [key, value] : values) {
    const std::int64_t lease = std::chrono::steady_clock::now().time_since_epoch().count();
    ASSERT_TRUE(run(direct.grant(lease, 60s)));
    ASSERT_TRUE(run(direct.put(prefix + key, value, lease)));
  }
  const InstanceList& list = registry->instances_of(service);
  ASSERT_TRUE(soon([&] { return list.get()->size() == 2; }));
  EXPECT_EQ((*list.get())[0], (Instance{.address = "127.0.0.1:1", .weight = 10}));
  EXPECT_EQ((*list.get())[1], (Instance{.address = "127.0.0.1:2", .weight = 3}));
}

TEST_F(EtcdTest, ALeaseThatEndedIsTakenAgainUnderANewNumber) {
  auto registry = open();
  registry->announce(service, kOne);
  ASSERT_TRUE(soon([&] { return keys().size() == 1; }));
  const std::size_t before = leases();
  std::int64_t last = 0;
  for (int blip = 0; blip < 5; ++blip) {
    const auto lease = keys().at(0).lease;
    EXPECT_NE(lease, last);
    last = lease;
    ASSERT_TRUE(run(direct.revoke(lease)));
    ASSERT_TRUE(soon([&] { return keys().size() == 1; })) << blip;
  }
  EXPECT_EQ(leases(), before) << "one instance has one lease";
}

TEST_F(EtcdTest, AKeyThatSomebodyRemovedComesBack) {
  auto registry = open();
  registry->announce(service, kOne);
  ASSERT_TRUE(soon([&] { return keys().size() == 1; }));
  ASSERT_TRUE(run(direct.remove(prefix + kOne.address)));
  EXPECT_TRUE(soon([&] { return keys().size() == 1; }));
}

TEST_F(EtcdTest, AnswersThatComeTooLateLeaveOneLease) {
  const std::string at = etcd_address();
  testing::Proxy proxy(static_cast<std::uint16_t>(std::stoi(at.substr(at.find(':') + 1))));
  proxy.stall(true);
  const std::size_t before = leases();
  {
    auto registry = open(fmt::format("127.0.0.1:{}", proxy.port()));
    registry->announce(service, kOne);
    const InstanceList& list = registry->instances_of(service);
    std::this_thread::sleep_for(700ms);  // two questions have been given up
    EXPECT_FALSE(registry->announced());
    proxy.stall(false);
    ASSERT_TRUE(soon([&] { return registry->announced() && keys().size() == 1; }, 5s));
    EXPECT_TRUE(soon([&] { return list.get()->size() == 1; }, 5s));
    EXPECT_EQ(leases(), before + 1);
    // Who is known stays known while nobody answers.
    proxy.cut(true);
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(list.get()->size(), 1u);
  }
}

}  // namespace
}  // namespace sv
