#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "platform/core/error.h"

// Rules without state. Peers that call by RPC pass no JSON edge, so the service checks its bounds
// itself.
namespace sv::interaction {

constexpr std::size_t kMaxBatch = 200;

// Without blanks at either end. Refused: nothing visible, more than 1000 characters, not UTF-8,
// NUL.
Result<std::string> clean_comment(std::string_view content);

// `text` is given when `required`, UTF-8 without NUL and at most `max` characters.
Result<> check_reason(std::string_view field, std::string_view text, int max, bool required);

// How many entries a walk takes at a time: one more than is wanted tells whether there is a next
// page.
inline std::size_t stride(std::size_t skip, std::size_t wanted) {
  return std::min(kMaxBatch, skip + wanted + 1);
}

}  // namespace sv::interaction
