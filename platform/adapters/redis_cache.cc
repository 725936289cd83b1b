#include "platform/adapters/redis_cache.h"

#include <charconv>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>

#include "platform/adapters/redis_connection.h"
#include "platform/core/log.h"

namespace sv {
namespace {

using Steady = std::chrono::steady_clock;
using Kind = RedisReply::Kind;

// KEYS[1] bits, milliseconds. The bits fit in 31.
constexpr std::string_view kAddBits = R"lua(
local bits = bit.bor(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%d', bits), 'PX', ARGV[2])
return bits)lua";

// KEYS[1] tokens a second, burst, cost → whether it had them, tokens left, ms until it has, ms
// until it is full. Time is the server's. A bucket that is not there is full.
constexpr std::string_view kTake = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if bucket[1] then
  tokens = math.min(burst, bucket[1] + math.max(0, now - bucket[2]) / 1000000 * rate)
end
local wanted, allowed, wait = math.max(cost, 1), 0, 0
if tokens >= wanted then
  allowed = 1
  tokens = tokens - cost
else
  wait = math.ceil(math.min((wanted - tokens) / rate, 1e9) * 1000)
end
local full = math.ceil(math.min((burst - tokens) / rate, 1e9) * 1000)
if cost > 0 then
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], full + 1000)
end
return {allowed, math.floor(tokens), wait, full})lua";

class RedisCache final : public Cache {
 public:
  RedisCache(RedisOptions options, std::vector<asio::any_io_executor> executors)
      : options_(std::move(options)) {
    for (auto& executor : executors) loops_.push_back(std::make_unique<Loop>(std::move(executor)));
    if (options_.metrics)
      failures_ = &options_.metrics->counter("shortvideo_cache_failures_total",
                                             "Questions to the cache that it did not answer");
  }

  bool shared() const override { return true; }

  Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) override {
    std::string commands;
    for (const std::string& key : keys) commands += redis_command({"GET", value_key(key)});
    SV_CO_TRY(auto said, co_await ask(std::move(commands), keys.size()));
    std::vector<std::optional<std::string>> out;
    for (RedisReply& one : said)
      out.push_back(one.kind == Kind::text ? std::optional(std::move(one.text)) : std::nullopt);
    co_return out;
  }

  Task<Result<>> set(std::string_view key, std::string value,
                     std::chrono::milliseconds ttl) override {
    SV_CO_CHECK(co_await ask(
        redis_command({"SET", value_key(key), value, "PX", std::to_string(ttl.count())}), 1));
    co_return Result<>{};
  }

  Task<Result<>> remove(std::string_view key) override {
    SV_CO_CHECK(co_await ask(redis_command({"DEL", value_key(key)}), 1));
    co_return Result<>{};
  }

  Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                          std::chrono::milliseconds ttl) override {
    SV_CO_CHECK(co_await ask(redis_command({"EVAL", kAddBits, "1", value_key(key),
                                            std::to_string(bits), std::to_string(ttl.count())}),
                             1));
    co_return Result<>{};
  }

  Task<Result<bool>> set_if_absent(std::string_view key, std::string value,
                                   std::chrono::milliseconds ttl) override {
    SV_CO_TRY(const auto said, co_await ask(redis_command({"SET", value_key(key), value, "PX",
                                                           std::to_string(ttl.count()), "NX"}),
                                            1));
    co_return said.front().kind == Kind::text;
  }

  Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                           std::int64_t cost) override {
    const std::string name = options_.prefix + "b:" + std::string(key);
    SV_CO_TRY(const auto said,
              co_await ask(redis_command({"EVAL", kTake, "1", name, fmt::format("{}", rate),
                                          std::to_string(burst), std::to_string(cost)}),
                           1));
    const auto& list = said.front().list;
    if (list.size() != 4) co_return fail(Errc::unavailable, "cache_unavailable");
    co_return Taken{.allowed = list[0].number == 1,
                    .limit = burst,
                    .remaining = list[1].number,
                    .reset = std::chrono::milliseconds(list[3].number),
                    .retry_after = std::chrono::milliseconds(list[2].number)};
  }

 private:
  struct Loop {
    explicit Loop(asio::any_io_executor e)
        : executor(std::move(e)), opened(executor, Steady::time_point::max()) {}
    const asio::any_io_executor executor;
    std::shared_ptr<RedisConnection> connection;
    Steady::time_point not_before{};
    bool opening = false, failed = false;
    asio::steady_timer opened;  // cancelled when one has been opened, or has not
  };

  std::string value_key(std::string_view key) const {
    return options_.prefix + "v:" + std::string(key);
  }

  Task<Result<std::vector<RedisReply>>> ask(std::string commands, std::size_t answers) {
    Loop* const loop = loop_of(co_await asio::this_coro::executor);
    Result<std::vector<RedisReply>> said;
    if (loop) {
      said = co_await ask_on(*loop, std::move(commands), answers);
    } else {
      Loop& last = *loops_.back();
      said = co_await asio::co_spawn(last.executor, ask_on(last, std::move(commands), answers),
                                     asio::use_awaitable);
    }
    if (said)
      for (const RedisReply& one : *said)
        if (one.kind == Kind::error)
          said = fail(Errc::unavailable, "cache_unavailable", "redis: " + one.text);
    if (!said && failures_) failures_->add();
    co_return said;
  }

  Task<Result<std::vector<RedisReply>>> ask_on(Loop& loop, std::string commands,
                                               std::size_t answers) {
    SV_CO_TRY(const auto connection, co_await connection_of(loop));
    auto said = co_await connection->ask(std::move(commands), answers);
    if (!said) note_failure(loop, said.error());
    co_return said;
  }

  Task<Result<std::shared_ptr<RedisConnection>>> connection_of(Loop& loop) {
    while (!loop.connection || !loop.connection->is_open()) {
      if (Steady::now() < loop.not_before) co_return fail(Errc::unavailable, "cache_unavailable");
      if (loop.opening) {
        (void)co_await loop.opened.async_wait(kNoThrow);
        continue;
      }
      loop.opening = true;
      auto made = std::make_shared<RedisConnection>(loop.executor, options_);
      auto done = co_await made->open();
      loop.opening = false;
      if (done) {
        if (std::exchange(loop.failed, false))
          log::info("redis", "the cache answers again", {{"host", options_.host}});
        loop.connection = std::move(made);
      } else {
        note_failure(loop, done.error());
      }
      loop.opened.cancel();
    }
    co_return loop.connection;
  }

  void note_failure(Loop& loop, const Error& error) {
    loop.not_before = Steady::now() + options_.pause;
    if (!std::exchange(loop.failed, true))
      log::warn("redis", "the cache does not answer, what it would tell is read anew",
                {{"host", options_.host}, {"error", error.detail}});
  }

  Loop* loop_of(const asio::any_io_executor& executor) {
    const auto& context = asio::query(executor, asio::execution::context);
    for (auto& loop : loops_)
      if (&asio::query(loop->executor, asio::execution::context) == &context) return loop.get();
    return nullptr;
  }

  const RedisOptions options_;
  std::vector<std::unique_ptr<Loop>> loops_;
  metrics::Counter* failures_ = nullptr;
};

}  // namespace

Result<RedisOptions> parse_redis_url(std::string_view url) {
  const auto bad = [](std::string what) {
    return fail(Errc::invalid_argument, {}, std::move(what));
  };
  RedisOptions out;
  if (!url.starts_with("redis://")) return bad("it is not like redis://host:6379");
  url.remove_prefix(8);
  if (const auto mark = url.find('?'); mark != std::string_view::npos) {
    const std::string_view query = url.substr(mark + 1);
    if (!query.starts_with("prefix=") || query.find('&') != std::string_view::npos)
      return bad(fmt::format("\"{}\": only prefix=… can be given", query));
    out.prefix = query.substr(7);
    url = url.substr(0, mark);
  }
  if (const auto slash = url.find('/'); slash != std::string_view::npos) {
    const std::string_view number = url.substr(slash + 1);
    const auto [end, ec] =
        std::from_chars(number.data(), number.data() + number.size(), out.database);
    if (!number.empty() &&
        (ec != std::errc{} || end != number.data() + number.size() || out.database < 0))
      return bad(fmt::format("database \"{}\" is not a number", number));
    url = url.substr(0, slash);
  }
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = url.substr(0, at);
    const auto colon = who.find(':');
    if (colon == std::string_view::npos) return bad("before the @ stands user:password");
    out.user = who.substr(0, colon);
    out.password = who.substr(colon + 1);
    url.remove_prefix(at + 1);
  }
  if (const auto colon = url.rfind(':'); colon != std::string_view::npos && !url.ends_with(']')) {
    out.port = url.substr(colon + 1);
    url = url.substr(0, colon);
  }
  if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(out.port.data(), out.port.data() + out.port.size(), port);
  if (ec != std::errc{} || end != out.port.data() + out.port.size())
    return bad(fmt::format("port \"{}\" is not one", out.port));
  if (url.empty()) return bad("no host is named");
  out.host = url;
  return out;
}

std::unique_ptr<Cache> make_redis_cache(RedisOptions options,
                                        std::vector<asio::any_io_executor> executors) {
  return std::make_unique<RedisCache>(std::move(options), std::move(executors));
}

}  // namespace sv
