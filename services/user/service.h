#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "idl/services.h"
#include "idl/user.h"
#include "platform/auth/key_ring.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/core/metrics.h"
#include "platform/core/offload.h"
#include "platform/core/revision.h"
#include "platform/media/media_tools.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"
#include "services/parts/object_cache.h"

namespace sv::user {

// All outlive the service.
struct UserDeps {
  sql::Database& db;
  const Clock& clock;
  IdSource& ids;
  const auth::KeyRing& keys;
  auth::RevokedSessions& revoked;
  ThreadPool&
      bcrypt_pool;  // bounded: when its queue is full, logins and registrations are `unavailable`
  EventBus& events;
  ContentRevision& revision;
  const Services& services;  // asked for counts and relations
  metrics::Registry& metrics;
  ThreadPool& disk;
  media::MediaTools* media = nullptr;       // null: this process takes no pictures
  std::chrono::milliseconds memory_age{0};  // 0: no other process writes db

  Memory memory() const { return {.clock = clock, .age = memory_age, .owner = Service::user}; }
};

struct UserOptions {
  std::chrono::milliseconds access_ttl = std::chrono::hours(24);
  std::chrono::milliseconds refresh_ttl = std::chrono::hours(24 * 30);
  // A refresh token that is used again within this gives the same successor: two tabs, or an answer
  // that was lost. Later it is a theft.
  std::chrono::milliseconds refresh_grace = std::chrono::seconds(30);
  std::filesystem::path scratch = {};  // of the media tools
  std::string public_url = {};         // "https://…" without a slash at the end, or empty
  int bcrypt_cost = 10;
  bool foreign_social =
      false;  // social is a Go service that reports its counts by UpdateFollowCount
};

// Accounts, sessions and profiles. Subscribes to `events`: make it before they start. Thread-safe.
std::unique_ptr<UserApi> make_user_service(const UserDeps& deps, const UserOptions& options);

}  // namespace sv::user
