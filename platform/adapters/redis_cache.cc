#include "platform/adapters/redis_cache.h"

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>

#include "platform/adapters/redis_servers.h"
#include "platform/adapters/redis_subscriber.h"

namespace sv {
namespace {

using Kind = RedisReply::Kind;

// A value with a revision is stored behind its 20 digits between \1 and a colon; one without, as it
// is, unless it looks like that.
std::string marked(std::string value) {
  return value.starts_with('\1') ? "\1:" + std::move(value) : std::move(value);
}
std::string without_revision(std::string stored) {
  return stored.starts_with('\1') ? stored.substr(stored.find(':') + 1) : std::move(stored);
}

class RedisCache final : public Cache {
 public:
  RedisCache(RedisOptions options, std::vector<asio::any_io_executor> executors)
      : site_(std::make_shared<RedisSite>(std::move(options))) {
    for (auto& executor : executors)
      loops_.push_back({.executor = executor, .servers = make_redis_servers(site_, executor)});
    subscriber_ = RedisSubscriber::make(site_, loops_.back().executor, loops_.back().servers);
  }
  ~RedisCache() override { subscriber_->stop(); }

  bool shared() const override { return true; }

  Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) override {
    std::vector<RedisCommand> commands;
    for (const std::string& key : keys) commands.push_back(plain("GET", value_key(key), {}));
    SV_CO_TRY(auto said, co_await ask(std::move(commands)));
    std::vector<std::optional<std::string>> out;
    for (RedisReply& one : said)
      out.push_back(one.kind == Kind::text ? std::optional(without_revision(std::move(one.text)))
                                           : std::nullopt);
    co_return out;
  }

  Task<Result<>> set(std::string_view key, std::string value,
                     std::chrono::milliseconds ttl) override {
    value = marked(std::move(value));
    SV_CO_CHECK(
        co_await ask_one(plain("SET", value_key(key), {value, "PX", std::to_string(ttl.count())})));
    co_return Result<>{};
  }

  Task<Result<>> remove(std::string_view key) override {
    SV_CO_CHECK(co_await ask_one(plain("DEL", value_key(key), {})));
    co_return Result<>{};
  }

  Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                          std::chrono::milliseconds ttl) override {
    SV_CO_CHECK(
        co_await ask_one(redis_script(RedisScript::add_bits, value_key(key),
                                      {std::to_string(bits), std::to_string(ttl.count())})));
    co_return Result<>{};
  }

  Task<Result<bool>> set_if_absent(std::string_view key, std::string value,
                                   std::chrono::milliseconds ttl) override {
    value = marked(std::move(value));
    SV_CO_TRY(const auto said,
              co_await ask_one(
                  plain("SET", value_key(key), {value, "PX", std::to_string(ttl.count()), "NX"})));
    co_return said.kind == Kind::text;
  }

  Task<Result<bool>> set_if_newer(std::string_view key, std::string value, std::int64_t revision,
                                  std::chrono::milliseconds ttl) override {
    SV_CO_TRY(const auto said,
              co_await ask_one(redis_script(
                  RedisScript::set_if_newer, value_key(key),
                  {fmt::format("{:020}", revision), value, std::to_string(ttl.count())})));
    co_return said.number == 1;
  }

  Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                           std::int64_t cost) override {
    SV_CO_TRY(const auto said,
              co_await ask_one(redis_script(
                  RedisScript::take, site_->options.prefix + "b:" + std::string(key),
                  {fmt::format("{}", rate), std::to_string(burst), std::to_string(cost)})));
    const auto& list = said.list;
    if (list.size() != 4) co_return fail(Errc::unavailable, "cache_unavailable");
    co_return Taken{.allowed = list[0].number == 1,
                    .limit = burst,
                    .remaining = list[1].number,
                    .reset = std::chrono::milliseconds(list[3].number),
                    .retry_after = std::chrono::milliseconds(list[2].number)};
  }

  Task<Result<>> publish(std::string_view channel, std::string message) override {
    SV_CO_CHECK(co_await ask_one(plain("PUBLISH", subscriber_->wire_name(channel), {message})));
    co_return Result<>{};
  }

  std::unique_ptr<Subscription> subscribe(std::string channel, Listener listener) override {
    return subscriber_->add(std::move(channel), std::move(listener));
  }

 private:
  struct Loop {
    asio::any_io_executor executor;
    std::shared_ptr<RedisServers> servers;
  };

  std::string value_key(std::string_view key) const {
    return site_->options.prefix + "v:" + std::string(key);
  }

  static RedisCommand plain(std::string_view name, std::string key,
                            std::initializer_list<std::string_view> arguments) {
    std::vector<std::string_view> parts{name, key};
    parts.insert(parts.end(), arguments);
    std::string bytes = redis_command(parts);
    return {.key = std::move(key), .bytes = std::move(bytes)};
  }

  Task<Result<RedisReply>> ask_one(RedisCommand command) {
    std::vector<RedisCommand> commands;
    commands.push_back(std::move(command));
    SV_CO_TRY(auto said, co_await ask(std::move(commands)));
    co_return std::move(said.front());
  }

  Task<RedisConnection::Answers> ask(std::vector<RedisCommand> commands) {
    if (commands.empty()) co_return std::vector<RedisReply>{};
    RedisConnection::Answers said;
    if (const Loop* loop = loop_of(co_await asio::this_coro::executor))
      said = co_await loop->servers->ask(std::move(commands));
    else
      said = co_await asio::co_spawn(loops_.back().executor,
                                     loops_.back().servers->ask(std::move(commands)),
                                     asio::use_awaitable);
    if (said)
      for (const RedisReply& one : *said)
        if (one.kind == Kind::error) {
          said = fail(Errc::unavailable, "cache_unavailable", "redis: " + one.text);
          break;
        }
    if (!said) site_->not_answered();
    co_return said;
  }

  const Loop* loop_of(const asio::any_io_executor& executor) const {
    const auto& context = asio::query(executor, asio::execution::context);
    for (const Loop& loop : loops_)
      if (&asio::query(loop.executor, asio::execution::context) == &context) return &loop;
    return nullptr;
  }

  const std::shared_ptr<RedisSite> site_;
  std::vector<Loop> loops_;
  std::shared_ptr<RedisSubscriber> subscriber_;
};

}  // namespace

std::unique_ptr<Cache> make_redis_cache(RedisOptions options,
                                        std::vector<asio::any_io_executor> executors) {
  return std::make_unique<RedisCache>(std::move(options), std::move(executors));
}

}  // namespace sv
