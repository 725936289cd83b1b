#pragma once

#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include "gateway/call.h"
#include "gateway/gateway.h"
#include "gateway/route.h"
#include "platform/core/metrics.h"

namespace sv::gateway {

// What is recorded of every request: one log line, and its route's metrics, resolved once.
// Thread-safe.
// The line has the route's pattern, never the query: queries may carry signatures.
class AccessLog {
 public:
  AccessLog(metrics::Registry& registry, const std::vector<Route>& routes,
            LogAddresses addresses = LogAddresses::full);
  // `route` is the index in the table, or routes.size() for none.
  void record(const Call& call, std::size_t route, std::chrono::steady_clock::duration took);
  metrics::Gauge& in_flight() { return in_flight_; }

 private:
  struct OfRoute;
  metrics::Registry& registry_;
  const LogAddresses addresses_;
  metrics::Gauge& in_flight_;
  metrics::Counter& upload_bytes_;
  std::vector<std::unique_ptr<OfRoute>> routes_;

 public:
  ~AccessLog();
};

}  // namespace sv::gateway
