#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "gateway/ready.h"
#include "platform/core/metrics.h"
#include "platform/core/supervisor.h"
#include "platform/net/http_server.h"

namespace sv {

// All of it outlives the handler.
struct AdminDeps {
  metrics::Registry& metrics;
  const Supervisor& supervisor;
  std::vector<gateway::ReadyCheck> ready;
  const std::atomic<bool>& draining;
  std::string mode;
};

// What a process tells of itself on a port of its own, `metrics.listen`, to whoever reaches it:
// GET /health, /health/ready and /metrics, as the gateway's.
net::Handler make_admin_handler(AdminDeps deps);
net::ErrorBody admin_error_body();

}  // namespace sv
