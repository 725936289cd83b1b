#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "services/parts/object_cache.h"

namespace sv::message {

// Of text in a page that is kept; beyond that, reading it again is cheap by comparison.
constexpr std::size_t kKeptBytes = 32 << 10;

// Counts the changes of what belongs to an owner (a user, or a conversation's pair). Read it before
// the rows: a page that is kept under the count of then is found only while nothing has changed.
// Owners share counters, which costs a read now and then. Thread-safe.
class Generations {
 public:
  std::uint64_t of(std::int64_t a, std::int64_t b = 0) const { return counts_[slot(a, b)].load(); }
  // From Tx::on_commit, so before the caller is answered.
  void bump(std::int64_t a, std::int64_t b = 0) { counts_[slot(a, b)].fetch_add(1); }

 private:
  static constexpr std::size_t kSlots = 8192;
  static std::size_t slot(std::int64_t a, std::int64_t b) {
    return static_cast<std::size_t>(((static_cast<std::uint64_t>(a) * 0x9E3779B97F4A7C15ULL) ^
                                     (static_cast<std::uint64_t>(b) * 0xC2B2AE3D27D4EB4FULL)) >>
                                    51);
  }
  std::array<std::atomic<std::uint64_t>, kSlots> counts_{};
};

// What a page is of: the owner's generation, the list, the place in it and the length.
using PageKey = std::array<std::int64_t, 7>;

struct PageKeyHash {
  std::size_t operator()(const PageKey& key) const {
    std::uint64_t h = 0;
    for (std::int64_t part : key)
      h = (h ^ static_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15ULL, h ^= h >> 32;
    return h;
  }
};

// Pages as the rows make them; who may see what of them is decided at each request.
template <class Page>
class PageCache {
 public:
  using Ptr = std::shared_ptr<const Page>;
  using Pages = ObjectCache<PageKey, Ptr, PageKeyHash>;

  explicit PageCache(const Memory& memory) : pages_(memory, 4096) {}
  Ptr find(const Ctx& ctx, const PageKey& key) { return pages_.find(ctx, key).value_or(nullptr); }
  // Before the rows are read, for put().
  Pages::Stamp stamp() const { return pages_.stamp(); }
  void put(const Pages::Stamp& stamp, const PageKey& key, Ptr page) {
    pages_.put(stamp, key, std::move(page));
  }

 private:
  Pages pages_;
};

}  // namespace sv::message
