#pragma once

#include <string>
#include <string_view>

#include "gateway/token_chunks.h"
#include "platform/core/ctx.h"
#include "platform/core/error.h"
#include "platform/core/task.h"
#include "platform/ports/cache.h"

namespace sv::gateway {

enum class RateClass : unsigned char { none, read, write, register_, login, upload, message };

// Token buckets in the cache, so that one installation counts once. Thread-safe. A cache that fails
// lets requests through: limits protect the service and must not take it down.
class RateLimiter {
 public:
  RateLimiter(Cache& cache, bool enabled, double factor)
      : cache_(cache), enabled_(enabled), factor_(factor) {}

  // Counts one request of the caller (a guest: of the address) and appends the RateLimit headers,
  // Retry-After when refused.
  Task<Result<>> take(RateClass rate, const Ctx& ctx, std::string& headers);

  // Failed logins of one account from one address: ask before, count after.
  Task<Result<>> login_allowed(const Ctx& ctx, std::string_view username);
  Task<> login_failed(const Ctx& ctx, std::string_view username);

 private:
  // One token of the bucket, from a chunk where the cache is shared.
  Task<Result<Cache::Taken>> one(std::string_view key, double rate, std::int64_t burst);

  Cache& cache_;
  TokenChunks chunks_;
  const bool enabled_;
  const double factor_;
};

}  // namespace sv::gateway
