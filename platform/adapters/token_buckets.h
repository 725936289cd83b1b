#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/ports/cache.h"

namespace sv {

// Token buckets by key, at most `limit` of them: a new one beyond that takes the place of the one
// that was longest not asked for, which begins full again if it comes back. That favours its owner,
// and costs the service little: who can name so many keys has as many full buckets anyway. Every
// call is O(1). Not thread-safe.
class TokenBuckets {
 public:
  using Clock = std::chrono::steady_clock;

  explicit TokenBuckets(std::size_t limit) : limit_(limit) {}

  // As Cache::take. `now` never goes back.
  Cache::Taken take(std::string_view key, double rate, std::int64_t burst, std::int64_t cost,
                    Clock::time_point now);
  std::size_t size() const { return places_.size(); }

 private:
  // It refills by arithmetic when it is next looked at.
  struct Bucket {
    std::string key;
    double tokens = 0;
    Clock::time_point at;
  };
  Bucket& find_or_make(std::string_view key, double burst, Clock::time_point now);

  const std::size_t limit_;
  std::list<Bucket> buckets_;  // the last asked for first
  std::unordered_map<std::string_view, std::list<Bucket>::iterator>
      places_;  // keys are the buckets'
};

}  // namespace sv
