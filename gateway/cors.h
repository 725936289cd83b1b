#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"

namespace sv::gateway {

struct Call;

// Whether the text is "*" or an origin, scheme://host[:port] and nothing after it. The error's
// detail says what is wrong with it.
Result<> check_origin(std::string_view text);

// Appends the CORS headers (Fetch standard) when the request's Origin is one of `origins` ("*":
// any).
void add_cors(Call& call, const std::vector<std::string>& origins);

}  // namespace sv::gateway
