#include "services/parts/peer.h"

#include "platform/core/log.h"

namespace sv {

metrics::Counter& absent_parts(metrics::Registry& metrics, std::string_view owner) {
  return metrics.counter("shortvideo_parts_absent_total",
                         "Answers made without a silent service's part", {{"part", owner}});
}

Peer::Peer(metrics::Registry& metrics, std::string_view service, std::string_view feature)
    : service_(service), feature_(feature), absent_(absent_parts(metrics, service)) {}

bool Peer::silent(const Ctx& ctx, const Error& error) const {
  if (error.code != Errc::absent) {
    absent_.add();
    log::debug("parts", "a service is silent",
               {{"service", service_},
                {"feature", feature_},
                {"error", error.token},
                {"request_id", ctx.request_id}});
    return true;
  }
  if (!told_.exchange(true))
    log::warn("parts", "a service lacks a feature, it is unused",
              {{"service", service_}, {"feature", feature_}});
  return false;
}

std::unexpected<Error> Peer::unavailable(std::string detail) const {
  return fail(Errc::unavailable, service_ + "_unavailable", std::move(detail));
}

}  // namespace sv
