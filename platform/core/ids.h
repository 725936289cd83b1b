#pragma once

#include <compare>
#include <cstdint>
#include <functional>

#include <fmt/format.h>

namespace sv {

// An integer that cannot be mixed up with another entity's. 0 is "none"; valid ids are 1 … 2^53-1
// (ids.h: IdGenerator).
template <class Tag>
struct StrongId {
  std::int64_t value = 0;
  constexpr StrongId() = default;
  constexpr explicit StrongId(std::int64_t v) : value(v) {}
  constexpr explicit operator bool() const { return value != 0; }
  constexpr auto operator<=>(const StrongId&) const = default;
};

// The IDL typedefs repeat these aliases; they are the same types.
using UserId = StrongId<struct UserIdTag>;
using VideoId = StrongId<struct VideoIdTag>;

}  // namespace sv

template <class Tag>
struct std::hash<sv::StrongId<Tag>> {
  std::size_t operator()(sv::StrongId<Tag> id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};

template <class Tag>
struct fmt::formatter<sv::StrongId<Tag>> : fmt::formatter<std::int64_t> {
  auto format(sv::StrongId<Tag> id, fmt::format_context& ctx) const {
    return fmt::formatter<std::int64_t>::format(id.value, ctx);
  }
};
