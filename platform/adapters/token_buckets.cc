#include "platform/adapters/token_buckets.h"

#include <algorithm>
#include <iterator>

namespace sv {
namespace {

std::chrono::milliseconds ms_of(double seconds) {
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::min(seconds, 1e9) * 1000 + 0.999));
}

}  // namespace

TokenBuckets::Bucket& TokenBuckets::find_or_make(std::string_view key, double burst,
                                                 Clock::time_point now) {
  if (const auto known = places_.find(key); known != places_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, known->second);
    return buckets_.front();
  }
  if (places_.size() < limit_) {
    buckets_.emplace_front();
  } else {
    places_.erase(buckets_.back().key);
    buckets_.splice(buckets_.begin(), buckets_, std::prev(buckets_.end()));
  }
  Bucket& bucket = buckets_.front();
  bucket.key = key;
  bucket.tokens = burst;
  bucket.at = now;
  places_.emplace(bucket.key, buckets_.begin());
  return bucket;
}

Cache::Taken TokenBuckets::take(std::string_view key, double rate, std::int64_t burst,
                                std::int64_t cost, Clock::time_point now) {
  const auto full = static_cast<double>(burst);
  Bucket& b = find_or_make(key, full, now);
  b.tokens = std::min(full, b.tokens + std::chrono::duration<double>(now - b.at).count() * rate);
  b.at = now;
  Cache::Taken out;
  out.limit = burst;
  const auto wanted = static_cast<double>(std::max<std::int64_t>(cost, 1));
  out.allowed = b.tokens >= wanted;
  if (out.allowed) b.tokens -= static_cast<double>(cost);
  else out.retry_after = ms_of((wanted - b.tokens) / rate);
  out.remaining = static_cast<std::int64_t>(b.tokens);
  out.reset = ms_of((full - b.tokens) / rate);
  return out;
}

}  // namespace sv
