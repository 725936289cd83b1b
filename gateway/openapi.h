#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/route.h"

namespace sv::gateway {

// The OpenAPI 3.1 document of the table, with the schemas that were generated from the IDL.
std::string openapi_document(const std::vector<Route>& routes, std::string_view version);

}  // namespace sv::gateway
