#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/ready.h"
#include "idl/services.h"
#include "platform/auth/key_ring.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/core/metrics.h"
#include "platform/core/revision.h"
#include "platform/core/supervisor.h"
#include "platform/net/http_server.h"
#include "platform/ports/cache.h"
#include "platform/ports/clock.h"
#include "platform/ports/object_store.h"

namespace sv::gateway {

// Everything outlives the gateway. Services that are absent are null objects, never null pointers.
struct GatewayDeps {
  const Services& services;
  Cache& cache;
  ObjectStore& objects;
  const auth::KeyRing& keys;
  auth::RevokedSessions& revoked;
  const Clock& clock;
  metrics::Registry& metrics;
  const Supervisor& supervisor;  // its failing loops make the process not ready
  const ContentRevision& revision;
  std::vector<ReadyCheck> ready;
};

// How the access log names clients. cut: an IPv4 /24, an IPv6 /48.
enum class LogAddresses : unsigned char { full, cut };

struct GatewayOptions {
  std::string mode = "embedded";  // shown by /health/ready
  std::string version = "0.1.0";  // shown by /openapi.json
  std::string public_url{};       // absolute links in pages; empty: none are made
  std::vector<std::string>
      trusted_proxies{};  // addresses or CIDR networks whose X-Forwarded-For is believed
  std::vector<std::string> cors_origins{};  // "https://app.example" or "*"
  LogAddresses log_addresses = LogAddresses::full;
  bool limits_enabled = true;
  double limits_factor = 1;
  std::uint64_t upload_bytes = 4ULL << 30;
  std::chrono::milliseconds deadline{10'000};  // of a request that is not a stream
  std::chrono::seconds media_max_age{86'400};
  bool media_redirect = false;  // public files: to the object store, where it serves by itself
  std::size_t page_cache_bytes = 32u << 20;
  std::chrono::milliseconds page_age{1000};      // of guests' pages, and of who may open a file
  std::chrono::milliseconds page_older{60'000};  // of guests' pages that nobody can make anew
  bool services_elsewhere = false;               // in processes of their own, several of each
};

// The web's way in: JSON → service call → JSON. Thread-safe; each request runs on its connection's
// thread. Answers every request exactly once; an exception that escapes a handler is logged once
// and answered 500.
class Gateway {
 public:
  virtual ~Gateway() = default;
  virtual net::Handler handler() = 0;  // valid while the gateway lives
  virtual net::ErrorBody error_body() = 0;
  virtual void drain() = 0;  // /health/ready answers 503 from now on
};

// Throws std::invalid_argument naming the option when one is malformed (a trusted proxy that is no
// network).
std::unique_ptr<Gateway> make_gateway(GatewayDeps deps, GatewayOptions options);

}  // namespace sv::gateway
