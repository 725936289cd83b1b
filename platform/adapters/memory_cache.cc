#include "platform/adapters/memory_cache.h"

#include <array>
#include <charconv>
#include <list>
#include <mutex>
#include <unordered_map>

#include "platform/adapters/subscribers.h"
#include "platform/adapters/token_buckets.h"

namespace sv {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kShards = 16;
constexpr std::size_t kEntryOverhead = 128;         // list node, map node, strings' heads
constexpr std::size_t kBuckets = 65'536 / kShards;  // some 15 MiB when every one is taken

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const noexcept {
    return std::hash<std::string_view>{}(s);
  }
};

struct Entry {
  std::string key, value;
  Steady::time_point expires;
  std::int64_t revision;  // -1: it has none
  std::size_t cost() const { return key.size() + value.size() + kEntryOverhead; }
};

struct alignas(64) Shard {
  std::mutex mutex;
  std::list<Entry> entries;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator, Hash, std::equal_to<>> places;
  TokenBuckets buckets{kBuckets};
  std::size_t bytes = 0;

  std::list<Entry>::iterator find(std::string_view key) {
    auto it = places.find(key);
    if (it == places.end()) return entries.end();
    if (it->second->expires <= Steady::now()) {
      erase(it->second);
      return entries.end();
    }
    entries.splice(entries.begin(), entries, it->second);
    return entries.begin();
  }

  void erase(std::list<Entry>::iterator at) {
    bytes -= at->cost();
    places.erase(places.find(at->key));
    entries.erase(at);
  }

  void put(std::string_view key, std::string value, Steady::time_point expires, std::size_t limit,
           std::int64_t revision = -1) {
    if (auto old = places.find(key); old != places.end()) erase(old->second);
    Entry entry{std::string(key), std::move(value), expires, revision};
    if (entry.cost() > limit) return;
    bytes += entry.cost();
    entries.push_front(std::move(entry));
    places.emplace(entries.front().key, entries.begin());
    while (bytes > limit) erase(std::prev(entries.end()));
  }
};

class MemoryCache final : public Cache {
 public:
  explicit MemoryCache(const MemoryCacheOptions& options)
      : limit_(options.bytes / kShards), shared_(options.shared) {}

  bool shared() const override { return shared_; }

  Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) override {
    std::vector<std::optional<std::string>> out;
    out.reserve(keys.size());
    for (const std::string& key : keys) {
      Shard& s = shard(key);
      std::lock_guard lock(s.mutex);
      auto at = s.find(key);
      out.push_back(at == s.entries.end() ? std::nullopt : std::optional(at->value));
    }
    co_return out;
  }

  Task<Result<>> set(std::string_view key, std::string value,
                     std::chrono::milliseconds ttl) override {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    s.put(key, std::move(value), Steady::now() + ttl, limit_);
    co_return Result<>{};
  }

  Task<Result<>> remove(std::string_view key) override {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (auto at = s.find(key); at != s.entries.end()) s.erase(at);
    co_return Result<>{};
  }

  Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                          std::chrono::milliseconds ttl) override {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    std::uint64_t before = 0;
    if (const auto at = s.find(key); at != s.entries.end())
      std::from_chars(at->value.data(), at->value.data() + at->value.size(), before);
    s.put(key, std::to_string(before | bits), Steady::now() + ttl, limit_);
    co_return Result<>{};
  }

  Task<Result<bool>> set_if_absent(std::string_view key, std::string value,
                                   std::chrono::milliseconds ttl) override {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (s.find(key) != s.entries.end()) co_return false;
    s.put(key, std::move(value), Steady::now() + ttl, limit_);
    co_return true;
  }

  Task<Result<bool>> set_if_newer(std::string_view key, std::string value, std::int64_t revision,
                                  std::chrono::milliseconds ttl) override {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    if (const auto at = s.find(key); at != s.entries.end() && at->revision >= revision)
      co_return false;
    s.put(key, std::move(value), Steady::now() + ttl, limit_, revision);
    co_return true;
  }

  Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                           std::int64_t cost) override {
    Shard& s = shard(key);
    std::lock_guard lock(s.mutex);
    co_return s.buckets.take(key, rate, burst, cost, Steady::now());
  }

  Task<Result<>> publish(std::string_view channel, std::string message) override {
    subscribers_->heard(channel, message);
    co_return Result<>{};
  }

  std::unique_ptr<Subscription> subscribe(std::string channel, Listener listener) override {
    return subscribers_->add(std::move(channel), std::move(listener));
  }

 private:
  Shard& shard(std::string_view key) { return shards_[Hash{}(key) % kShards]; }

  const std::size_t limit_;
  const bool shared_;
  std::array<Shard, kShards> shards_;
  const std::shared_ptr<Subscribers> subscribers_ = std::make_shared<Subscribers>(
      [](Subscribers& all, const std::string& channel) { all.begin_late(channel); });
};

}  // namespace

std::unique_ptr<Cache> make_memory_cache(MemoryCacheOptions options) {
  return std::make_unique<MemoryCache>(options);
}

}  // namespace sv
