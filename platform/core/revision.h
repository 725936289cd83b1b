#pragma once

#include <atomic>
#include <cstdint>

namespace sv {

// Counts the commits that change what guests may see: a video, a person, privacy, a comment. Not
// likes, views and the order they make: these may be as old as a page, a second at most, and a like
// anywhere would end every page. Owners call bump() from Tx::on_commit, before their caller is
// answered; the edge keeps rendered pages only while value() stands still. Thread-safe.
class ContentRevision {
 public:
  void bump() { value_.fetch_add(1, std::memory_order_release); }
  std::uint64_t value() const { return value_.load(std::memory_order_acquire); }

 private:
  alignas(64) std::atomic<std::uint64_t> value_{1};
};

}  // namespace sv
