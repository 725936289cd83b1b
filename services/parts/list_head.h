#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "platform/core/cursor.h"
#include "platform/ports/sql.h"

namespace sv {

// What a list holds, and a place in it: its cursors are these.
using Entry = Cursor;

// Where a list begins that has the newest first.
inline constexpr Entry kNewestFirst{.key = std::numeric_limits<std::int64_t>::max(),
                                    .id = std::numeric_limits<std::int64_t>::max()};

// Of rows (id, key, …).
inline std::vector<Entry> read_entries(const sql::Rows& rows) {
  std::vector<Entry> out;
  out.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({.key = rows.i64(i, 1), .id = rows.i64(i, 0)});
  return out;
}

// The beginning of a list, as far as it is kept in memory.
struct ListHead {
  enum class Order : unsigned char { newest_first, oldest_first };

  std::vector<Entry> entries;
  bool complete = false;  // there are no more

  // `rows` are what a read of `limit` entries found.
  static std::shared_ptr<const ListHead> of(std::vector<Entry> rows, std::size_t limit) {
    const bool complete = rows.size() < limit;
    return std::make_shared<const ListHead>(
        ListHead{.entries = std::move(rows), .complete = complete});
  }

  // At most `count` entries behind `place`, past `skip` of them, fewer only at the end; nullopt:
  // the list goes on behind what is kept of it.
  std::optional<std::vector<Entry>> behind(Entry place, std::size_t count, std::size_t skip = 0,
                                           Order order = Order::newest_first) const {
    const auto passed = [&](const Entry& e) {
      return order == Order::newest_first ? e >= place : e <= place;
    };
    const auto at = std::ranges::partition_point(entries, passed);
    const auto left = static_cast<std::size_t>(entries.end() - at);
    if (!complete && left < skip + count) return std::nullopt;
    const auto from = at + static_cast<std::ptrdiff_t>(std::min(left, skip));
    const auto size = std::min(count, static_cast<std::size_t>(entries.end() - from));
    return std::vector<Entry>(from, from + static_cast<std::ptrdiff_t>(size));
  }
};
using ListHeadPtr = std::shared_ptr<const ListHead>;

}  // namespace sv
