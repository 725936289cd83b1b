#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/ports/clock.h"

namespace sv::auth {

// Sessions that ended while access tokens of theirs are still unexpired. Asked at every request, so
// revocation bites at the next one;
// an entry is forgotten when the last such token has expired. Thread-safe; while nothing is revoked
// a look-up touches no lock.
class RevokedSessions {
 public:
  explicit RevokedSessions(const Clock& clock) : clock_(clock) {}
  RevokedSessions(const RevokedSessions&) = delete;
  RevokedSessions& operator=(const RevokedSessions&) = delete;

  // `until_ms`: when every access token of the session has expired (now + access TTL). Twice is
  // fine.
  void add(std::string_view session, std::int64_t until_ms) {
    Shard& shard = shard_of(session);
    std::unique_lock lock(shard.mutex);
    const std::int64_t now = clock_.now_ms();
    if (shard.until.size() >= shard.sweep_at) {
      const auto swept =
          std::erase_if(shard.until, [now](const auto& entry) { return entry.second <= now; });
      size_.fetch_sub(swept, std::memory_order_relaxed);
      shard.sweep_at = std::max<std::size_t>(kFirstSweep, shard.until.size() * 2);
    }
    auto [at, fresh] = shard.until.try_emplace(std::string(session), until_ms);
    if (fresh) size_.fetch_add(1, std::memory_order_release);
    else at->second = std::max(at->second, until_ms);
  }

  bool contains(std::string_view session) const {
    if (session.empty() || size_.load(std::memory_order_acquire) == 0) return false;
    const Shard& shard = shard_of(session);
    std::shared_lock lock(shard.mutex);
    return shard.until.contains(session);
  }

  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

  // Where sessions end in other processes too: what had ended at this moment (monotonic) is here.
  void heard(std::int64_t asked_ms) { heard_ms_.store(asked_ms, std::memory_order_release); }
  void all_end_here() { heard_ms_.store(0, std::memory_order_release); }
  // False: for two seconds nobody could say which sessions have ended elsewhere.
  bool known() const {
    const std::int64_t heard = heard_ms_.load(std::memory_order_acquire);
    return heard == 0 || clock_.monotonic_ms() - heard <= 2000;
  }

 private:
  static constexpr std::size_t kFirstSweep = 256;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  struct alignas(64) Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> until;
    std::size_t sweep_at = kFirstSweep;
  };
  Shard& shard_of(std::string_view s) { return shards_[Hash{}(s) % shards_.size()]; }
  const Shard& shard_of(std::string_view s) const { return shards_[Hash{}(s) % shards_.size()]; }

  const Clock& clock_;
  std::array<Shard, 16> shards_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::int64_t> heard_ms_{0};  // 0: all end here
};

}  // namespace sv::auth
