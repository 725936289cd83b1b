#pragma once

#include <atomic>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "platform/core/ctx.h"
#include "platform/core/error.h"
#include "platform/core/metrics.h"

namespace sv {

// Counts what was answered without the part of a silent owner.
metrics::Counter& absent_parts(metrics::Registry& metrics, std::string_view owner);

// Something that another service is asked for. Who lacks it (an older or foreign peer, a service
// that this installation does not have) forbids nothing: that is told once in the log. Every other
// failure is silence, counted in shortvideo_parts_absent_total. Thread-safe.
class Peer {
 public:
  Peer(metrics::Registry& metrics, std::string_view service, std::string_view feature);

  // Whether this failure is silence; false: the peer lacks the feature.
  bool silent(const Ctx& ctx, const Error& error) const;
  // 503 in the name of the service.
  std::unexpected<Error> unavailable(std::string detail = {}) const;

  // For what cannot go on without the answer: it, nullopt when the feature is unused, else 503.
  template <class T>
  Result<std::optional<T>> need(const Ctx& ctx, Result<T> answer) const {
    if (answer) return std::optional<T>(std::move(*answer));
    if (!silent(ctx, answer.error())) return std::nullopt;
    return unavailable(std::move(answer.error().detail));
  }

 private:
  const std::string service_, feature_;
  metrics::Counter& absent_;
  mutable std::atomic<bool> told_{false};
};

}  // namespace sv
