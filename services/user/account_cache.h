#pragma once

#include <array>
#include <atomic>
#include <list>
#include <mutex>
#include <unordered_map>

#include "services/user/store.h"

namespace sv::user {

// The accounts that were asked for lately, a bounded number. Thread-safe. A row that was read before a change was committed never comes
// in after it: take stamp() before the read and hand it to put().
class AccountCache {
 public:
  explicit AccountCache(std::size_t capacity = 65'536) : per_shard_(capacity / kShards) {}

  AccountPtr find(UserId id) {
    Shard& s = shard(id);
    std::lock_guard lock(s.mutex);
    auto it = s.places.find(id);
    if (it == s.places.end()) return {};
    s.accounts.splice(s.accounts.begin(), s.accounts, it->second);
    return s.accounts.front();
  }

  std::uint64_t stamp() const { return changes_.load(); }

  void put(std::uint64_t stamp, AccountPtr account) {
    Shard& s = shard(account->id);
    std::lock_guard lock(s.mutex);
    if (stamp < s.changed) return;
    if (auto it = s.places.find(account->id); it != s.places.end()) {
      *it->second = std::move(account);
      return;
    }
    s.accounts.push_front(std::move(account));
    s.places[s.accounts.front()->id] = s.accounts.begin();
    if (s.accounts.size() > per_shard_) {
      s.places.erase(s.accounts.back()->id);
      s.accounts.pop_back();
    }
  }

  void erase(UserId id) {
    Shard& s = shard(id);
    std::lock_guard lock(s.mutex);
    s.changed = changes_.fetch_add(1) + 1;
    auto it = s.places.find(id);
    if (it == s.places.end()) return;
    s.accounts.erase(it->second);
    s.places.erase(it);
  }

 private:
  static constexpr std::size_t kShards = 16;
  struct Shard {
    std::mutex mutex;
    std::uint64_t changed = 0;  // stamp of the last change here
    std::list<AccountPtr> accounts;
    std::unordered_map<UserId, std::list<AccountPtr>::iterator> places;
  };

  Shard& shard(UserId id) { return shards_[std::hash<UserId>{}(id) % kShards]; }

  const std::size_t per_shard_;
  std::atomic<std::uint64_t> changes_{0};
  std::array<Shard, kShards> shards_;
};

}  // namespace sv::user
