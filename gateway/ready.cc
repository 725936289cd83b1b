#include "gateway/ready.h"

#include <algorithm>
#include <chrono>

namespace sv::gateway {
namespace {

// A loop that waits for one of these does so for as long as it takes; requests are served meanwhile
// (docs/engines.md).
bool can_wait(const Error& why) {
  return why.token == "events_unavailable" || why.token == "objects_unavailable" ||
         why.token == "cache_unavailable";
}

}  // namespace

Task<http::ReadyResp> look_at(std::span<const ReadyCheck> checks, const Supervisor& supervisor,
                              std::string_view mode, bool draining,
                              std::function<std::string(const Error&)> told) {
  http::ReadyResp out{.status = "ready", .mode = std::string(mode)};
  bool ready = true;
  for (const ReadyCheck& dependency : checks) {
    const auto start = std::chrono::steady_clock::now();
    const auto result = co_await dependency.check();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    auto& check = out.checks.emplace_back();
    check.name = dependency.name;
    check.ok = result.has_value();
    check.ms = took.count();
    if (!result) check.error = told(result.error());
    if (!result && !dependency.needed) out.status = "degraded";
    ready = ready && (result || !dependency.needed);
  }
  for (const auto& [loop, why] : supervisor.failing()) {
    if (can_wait(why)) out.status = "degraded";
    else ready = false;
    auto& check = out.checks.emplace_back();
    check.name = "loop." + loop;
    check.error = told(why);
  }
  if (!ready) out.status = "not_ready";
  if (draining) out.status = "draining";
  co_return out;
}

}  // namespace sv::gateway
