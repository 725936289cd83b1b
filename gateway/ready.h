#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "idl/http.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"

namespace sv::gateway {

// One dependency that /health/ready asks. An error makes the process not ready, or where it can do
// without for a while, degraded: still to be sent requests.
struct ReadyCheck {
  std::string name;
  std::function<Task<Result<>>()> check;
  bool needed = true;
};

// Whether a process that says this of itself should be sent requests: the status is 200 then, else
// 503.
inline bool takes_requests(const http::ReadyResp& ready) {
  return ready.status == "ready" || ready.status == "degraded";
}

// Asks each dependency and names the loops that keep failing. `told`: how an error is told to who
// asks.
Task<http::ReadyResp> look_at(std::span<const ReadyCheck> checks, const Supervisor& supervisor,
                              std::string_view mode, bool draining,
                              std::function<std::string(const Error&)> told);

}  // namespace sv::gateway
