#include "gateway/cors.h"

#include <algorithm>

namespace sv::gateway {

void add_cors(Call& call, const std::vector<std::string>& origins) {
  const std::string_view origin = call.x.header("Origin");
  if (origins.empty() || origin.empty()) return;
  const bool any = std::ranges::find(origins, "*") != origins.end();
  if (!any) call.header("Vary", "Origin");
  if (!any && std::ranges::find(origins, origin) == origins.end()) return;
  call.header("Access-Control-Allow-Origin", any ? "*" : origin);
  if (call.x.method() != "OPTIONS") {
    call.header("Access-Control-Expose-Headers",
                "ETag, Content-Range, Retry-After, RateLimit, RateLimit-Policy, X-Next-Cursor, X-Request-Id, X-Total-Count");
    return;
  }
  call.header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS, PATCH, HEAD");
  call.header("Access-Control-Allow-Headers",
              "Content-Type, Authorization, Accept-Language, Idempotency-Key, If-None-Match, If-Range, Range, X-Request-Id, traceparent");
  call.header("Access-Control-Max-Age", "86400");
}

}  // namespace sv::gateway
