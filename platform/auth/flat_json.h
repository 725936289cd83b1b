#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sv::auth {

// One JSON object without nested values, as token headers and claims are. Stricter than a general
// reader on purpose: a name given twice, a nested value, bytes after the object or a broken string
// make the whole text nullopt, so no two readers can disagree.
// A number that is not a whole one within 64 bits is kept as `Other`; so are true, false and null.
struct Other {};
using FlatValue = std::variant<Other, std::int64_t, std::string>;
using FlatObject = std::vector<std::pair<std::string, FlatValue>>;

std::optional<FlatObject> parse_flat_json(std::string_view text);

const FlatValue* find_member(const FlatObject& object, std::string_view name);

}  // namespace sv::auth
