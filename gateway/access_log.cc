#include "gateway/access_log.h"

#include <array>
#include <atomic>
#include <cmath>
#include <string>

#include "gateway/address.h"
#include "platform/core/log.h"

namespace sv::gateway {
namespace {

constexpr std::array kStatuses{200, 204, 206, 301, 304, 400, 401, 403, 404, 405, 408,
                               409, 413, 415, 416, 422, 429, 499, 500, 503, 504, 507};

}  // namespace

struct AccessLog::OfRoute {
  std::string method, path;
  metrics::Histogram& latency;
  std::array<std::atomic<metrics::Counter*>, kStatuses.size()> by_status{};  // made when first seen
};

AccessLog::AccessLog(metrics::Registry& registry, const std::vector<Route>& routes,
                     LogAddresses addresses)
    : registry_(registry),
      addresses_(addresses),
      in_flight_(registry.gauge("http_requests_in_flight", "Requests being answered.")),
      upload_bytes_(
          registry.counter("http_upload_bytes_total", "Bytes received in upload bodies.")) {
  auto add = [&](std::string_view method, std::string_view path) {
    auto& latency = registry.histogram("http_request_duration_seconds",
                                       "Time from the request's head to the end of its answer.",
                                       {{"method", method}, {"route", path}});
    routes_.push_back(
        std::unique_ptr<OfRoute>(new OfRoute{std::string(method), std::string(path), latency}));
  };
  for (const Route& route : routes) add(route.method, route.path);
  add("-", "unknown");
}

AccessLog::~AccessLog() = default;

void AccessLog::record(const Call& call, std::size_t index,
                       std::chrono::steady_clock::duration took) {
  OfRoute& route = *routes_[index];
  const int status =
      call.x.status() == 0 ? 499 : call.x.status();  // 499: the client left before an answer
  const double seconds = std::chrono::duration<double>(took).count();
  route.latency.observe(seconds);
  std::size_t slot = 0;
  while (slot < kStatuses.size() && kStatuses[slot] != status) ++slot;
  metrics::Counter* counter =
      slot < kStatuses.size() ? route.by_status[slot].load(std::memory_order_acquire) : nullptr;
  if (!counter) {
    counter = &registry_.counter(
        "http_requests_total", "Requests by route and status.",
        {{"method", route.method}, {"route", route.path}, {"status", std::to_string(status)}});
    if (slot < kStatuses.size()) route.by_status[slot].store(counter, std::memory_order_release);
  }
  counter->add();
  if (call.route && call.route->body == Body::multipart) upload_bytes_.add(call.x.bytes_in());
  log::info("access", "request",
            {{"method", call.x.method()},
             {"route", index + 1 < routes_.size() ? std::string_view(route.path)
                                                  : std::string_view("unknown")},
             {"status", status},
             {"bytes", call.x.bytes_out()},
             {"ms", std::round(seconds * 1e6) / 1e3},
             {"request_id", call.ctx.request_id},
             {"user", call.ctx.caller.value},
             {"address",
              addresses_ == LogAddresses::cut ? cut_address(call.ctx.address) : call.ctx.address}});
}

}  // namespace sv::gateway
