#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "idl/http.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"

namespace sv::gateway {

// One dependency that /health/ready asks. An error makes the process not ready.
struct ReadyCheck {
  std::string name;
  std::function<Task<Result<>>()> check;
};

// Asks each dependency and names the loops that keep failing. `told`: how an error is told to who
// asks.
Task<http::ReadyResp> look_at(std::span<const ReadyCheck> checks, const Supervisor& supervisor,
                              std::string_view mode, bool draining,
                              std::function<std::string(const Error&)> told);

}  // namespace sv::gateway
