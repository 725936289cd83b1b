#pragma once

#include <string>
#include <vector>

#include "gateway/call.h"

namespace sv::gateway {

// Appends the CORS headers (Fetch standard) when the request's Origin is one of `origins` ("*": any).
void add_cors(Call& call, const std::vector<std::string>& origins);

}  // namespace sv::gateway
