#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"

// The bounds of idl/video.thrift again for callers that come by RPC, and what annotations cannot
// say.
namespace sv::video {

Result<std::string> clean_title(std::string_view title);   // 1..100 characters, outer blanks gone
Result<> check_description(std::string_view description);  // ≤ 2000
Result<std::vector<std::string>> clean_tags(
    const std::vector<std::string>& tags);  // ≤ 20 of 1..32, without '#', each once

}  // namespace sv::video
