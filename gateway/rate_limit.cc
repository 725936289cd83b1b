#include "gateway/rate_limit.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "gateway/address.h"

namespace sv::gateway {
namespace {

struct Policy {
  std::string_view name;
  std::int64_t quota;   // requests in a window
  std::int64_t window;  // seconds
  std::int64_t burst;   // at once
};

Policy policy_of(RateClass rate, bool guest) {
  switch (rate) {
    case RateClass::register_:
      return {"register", 10, 3600, 10};
    case RateClass::login:
      return {"login", 10, 60, 10};
    case RateClass::upload:
      return {"upload", 30, 3600, 30};
    case RateClass::message:
      return {"message", 5, 1, 10};
    case RateClass::write:
      return {"write", 20, 1, 60};
    case RateClass::read:
      return guest ? Policy{"read", 100, 1, 100} : Policy{"read", 200, 1, 200};
    case RateClass::none:
      break;
  }
  return {};
}
constexpr Policy kFailedLogins{"failed_login", 10, 900, 10};

std::int64_t scaled(std::int64_t n, double factor) {
  return std::max<std::int64_t>(1, std::llround(static_cast<double>(n) * factor));
}
double per_second(const Policy& p, double factor) {
  return static_cast<double>(p.quota) * factor / static_cast<double>(p.window);
}
std::int64_t whole_seconds(std::chrono::milliseconds ms) { return (ms.count() + 999) / 1000; }

std::unexpected<Error> too_many(std::string_view token, std::chrono::milliseconds retry_after) {
  auto refused = fail(Errc::rate_limited, token);
  refused.error().retry_after = std::max(retry_after, std::chrono::milliseconds(1));
  return refused;
}

constexpr std::size_t kNameBytes = 128;  // no account's name is longer, so no key has to be

// Case variants of a name are one account; the service folds more than ASCII, the address limit
// bounds what that leaves.
std::string failure_key(const Ctx& ctx, std::string_view username) {
  std::string key = "rate:failed_login:" + address_bucket(ctx.address) + ":";
  for (char c : username.substr(0, kNameBytes))
    key += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return key;
}

}  // namespace

Task<Result<>> RateLimiter::take(RateClass rate, const Ctx& ctx, std::string& headers) {
  if (!enabled_ || rate == RateClass::none) co_return Result<>{};
  const bool by_address = !ctx.caller || rate == RateClass::register_ || rate == RateClass::login;
  const Policy policy = policy_of(rate, by_address);
  std::string key = "rate:";
  key.append(policy.name)
      .append(by_address ? ":a:" : ":u:")
      .append(by_address ? address_bucket(ctx.address) : std::to_string(ctx.caller.value));
  const auto taken = co_await one(key, per_second(policy, factor_), scaled(policy.burst, factor_));
  if (!taken) co_return Result<>{};
  fmt::format_to(std::back_inserter(headers),
                 "RateLimit-Policy: \"{}\";q={};w={}\r\nRateLimit: \"{}\";r={};t={}\r\n",
                 policy.name, scaled(policy.quota, factor_), policy.window, policy.name,
                 taken->remaining, whole_seconds(taken->reset));
  if (taken->allowed) co_return Result<>{};
  co_return too_many("rate_limited", taken->retry_after);
}

Task<Result<Cache::Taken>> RateLimiter::one(std::string_view key, double rate, std::int64_t burst) {
  const std::int64_t chunk = cache_.shared() ? TokenChunks::size(rate, burst) : 1;
  if (chunk > 1) {
    if (auto at_hand = chunks_.spend(key)) co_return *at_hand;
    SV_CO_TRY(const Cache::Taken taken, co_await cache_.take(key, rate, burst, chunk));
    if (taken.allowed) co_return chunks_.keep(key, taken, chunk);
  }
  co_return co_await cache_.take(key, rate, burst);  // of the last ones each gets his own
}

Task<Result<>> RateLimiter::login_allowed(const Ctx& ctx, std::string_view username) {
  if (!enabled_) co_return Result<>{};
  const std::string key = failure_key(ctx, username);
  const auto asked = co_await cache_.take(key, per_second(kFailedLogins, factor_),
                                          scaled(kFailedLogins.burst, factor_), 0);
  if (!asked || asked->allowed) co_return Result<>{};
  co_return too_many("too_many_failed_logins", asked->retry_after);
}

Task<> RateLimiter::login_failed(const Ctx& ctx, std::string_view username) {
  if (!enabled_) co_return;
  const std::string key = failure_key(ctx, username);
  (void)co_await cache_.take(key, per_second(kFailedLogins, factor_),
                             scaled(kFailedLogins.burst, factor_), 1);
}

}  // namespace sv::gateway
