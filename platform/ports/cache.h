#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv {

// Shared, forgetful memory. Losing it costs time, never data: callers treat an error as a miss.
// Thread-safe.
class Cache {
 public:
  struct Taken {
    bool allowed = true;
    std::int64_t limit = 0;  // burst
    std::int64_t remaining = 0;
    std::chrono::milliseconds reset{0};        // until the bucket is full again
    std::chrono::milliseconds retry_after{0};  // 0 when allowed
  };

  // Of who listens to a channel. Called on threads of the cache's choice, one after the other,
  // maybe before subscribe() returns: they only pass on what they hear, and throw nothing.
  struct Listener {
    std::function<void(std::string_view message)> heard;
    // It listens from now on: when it begins, and again after the cache was out of reach. What was
    // published before may not have been heard.
    std::function<void()> missed;
  };
  // Ends when it is destroyed: then nothing is called any more, and nothing is still running,
  // unless it is destroyed by what is called. May outlive the cache.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };

  virtual ~Cache() = default;
  // Other processes use it too.
  virtual bool shared() const = 0;
  virtual Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) = 0;
  virtual Task<Result<>> set(std::string_view key, std::string value,
                             std::chrono::milliseconds ttl) = 0;
  virtual Task<Result<>> remove(std::string_view key) = 0;
  // Adds bits to the decimal number that is the value, 0 when there is none; it lives for `ttl`
  // from now.
  virtual Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                                  std::chrono::milliseconds ttl) = 0;
  // True when the key was absent: the caller now holds it for `ttl`.
  virtual Task<Result<bool>> set_if_absent(std::string_view key, std::string value,
                                           std::chrono::milliseconds ttl) = 0;
  // For values with a revision (0 or more): replaces what has a lower one or none. False: what is
  // there is as new, and stays.
  virtual Task<Result<bool>> set_if_newer(std::string_view key, std::string value,
                                          std::int64_t revision, std::chrono::milliseconds ttl) = 0;
  // Token bucket: `rate` tokens a second up to `burst`; takes `cost` tokens when it has them. cost
  // 0 only asks (allowed: a token is there).
  virtual Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                                   std::int64_t cost = 1) = 0;
  // To who listens now, in whichever process: at most once, in the order of one publisher, and kept
  // for nobody. An error: perhaps to none of them.
  virtual Task<Result<>> publish(std::string_view channel, std::string message) = 0;
  [[nodiscard]] virtual std::unique_ptr<Subscription> subscribe(std::string channel,
                                                                Listener listener) = 0;
};

}  // namespace sv
