// The cache on a real Redis, which SV_TEST_REDIS names.
#include <cstdlib>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/redis_cache.h"
#include "platform/adapters/test_proxy.h"
#include "platform/testing/port_contracts.h"
#include "platform/testing/run.h"

namespace sv::testing {
namespace {

using namespace std::chrono_literals;

std::string redis_url() {
  const char* url = std::getenv("SV_TEST_REDIS");
  return url ? url : "";
}

// A cache with two loops of its own and keys that nobody else has.
class RedisForTests final : public Cache {
 public:
  explicit RedisForTests(std::uint16_t port = 0) {
    auto options = parse_redis_url(redis_url()).value();
    static std::atomic<int> number{0};
    options.prefix = fmt::format("test-{}-{}:", ::getpid(), number++);
    if (port != 0) options.port = std::to_string(port);
    options.pause = 50ms;
    cache_ = make_redis_cache(std::move(options), {one_.get_executor(), other_.get_executor()});
  }
  ~RedisForTests() override {
    for (auto* io : {&one_, &other_}) io->stop();
    for (auto& thread : threads_) thread.join();
  }
  bool shared() const override { return cache_->shared(); }
  Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) override {
    return cache_->get_many(keys);
  }
  Task<Result<>> set(std::string_view key, std::string value,
                     std::chrono::milliseconds ttl) override {
    return cache_->set(key, std::move(value), ttl);
  }
  Task<Result<>> remove(std::string_view key) override { return cache_->remove(key); }
  Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                          std::chrono::milliseconds ttl) override {
    return cache_->add_bits(key, bits, ttl);
  }
  Task<Result<bool>> set_if_absent(std::string_view key, std::string value,
                                   std::chrono::milliseconds ttl) override {
    return cache_->set_if_absent(key, std::move(value), ttl);
  }
  Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                           std::int64_t cost) override {
    return cache_->take(key, rate, burst, cost);
  }

 private:
  asio::io_context one_{1}, other_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guards_[2] = {
      asio::make_work_guard(one_), asio::make_work_guard(other_)};
  std::unique_ptr<Cache> cache_;
  std::thread threads_[2] = {std::thread([this] { one_.run(); }),
                             std::thread([this] { other_.run(); })};
};

std::vector<std::function<std::unique_ptr<Cache>()>> redis_caches() {
  if (redis_url().empty()) return {};
  return {[] { return std::make_unique<RedisForTests>(); }};
}

TEST(RedisUrl, IsTakenApart) {
  const auto full = parse_redis_url("redis://me:se:cret@cache.example:6380/3?prefix=a:").value();
  EXPECT_EQ(full.host, "cache.example");
  EXPECT_EQ(full.port, "6380");
  EXPECT_EQ(full.user, "me");
  EXPECT_EQ(full.password, "se:cret");
  EXPECT_EQ(full.database, 3);
  EXPECT_EQ(full.prefix, "a:");
  EXPECT_EQ(parse_redis_url("redis://[::1]").value().host, "::1");
  for (const char* bad :
       {"redis:", "redis://", "redis://h:x", "redis://h/x", "redis://h?pool=3", "redis://secret@h"})
    EXPECT_FALSE(parse_redis_url(bad)) << bad;
}

TEST(RedisCache, SilenceIsAnErrorInTimeAndPasses) {
  if (redis_url().empty())
    GTEST_SKIP() << "SV_TEST_REDIS names no server (script/engines starts one)";
  const auto port =
      static_cast<std::uint16_t>(std::stoi(parse_redis_url(redis_url()).value().port));
  Proxy proxy(port);
  RedisForTests cache(proxy.port());
  ASSERT_OK(run_task(cache.set("a", "1", 1min)));
  proxy.stall(true);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(run_task(cache.set("a", "2", 1min)));
  EXPECT_FALSE(run_task(cache.set("a", "3", 1min)));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
  proxy.stall(false);
  const std::vector<std::string> keys{"a"};
  const auto end = std::chrono::steady_clock::now() + 5s;
  auto got = run_task(cache.get_many(keys));
  while (!got && std::chrono::steady_clock::now() < end) got = run_task(cache.get_many(keys));
  ASSERT_OK(got);
  proxy.cut();
  got = run_task(cache.get_many(keys));
  while (!got && std::chrono::steady_clock::now() < end) got = run_task(cache.get_many(keys));
  EXPECT_OK(got);
}

}  // namespace

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CacheContract);
INSTANTIATE_TEST_SUITE_P(Redis, CacheContract, ::testing::ValuesIn(redis_caches()));

}  // namespace sv::testing
