#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "platform/auth/revoked_sessions.h"
#include "platform/core/revision.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/sql.h"
#include "services/parts/object_cache.h"
#include "services/user/store.h"

namespace sv::user {

using AccountCache = ObjectCache<UserId, AccountPtr>;

struct NewAccount {
  UserId id{};
  std::string username, key, password_hash, avatar, about;
};

struct NewSession {
  std::int64_t id = 0;
  UserId user{};
  std::string refresh_hash, address, user_agent;
  std::int64_t expires_ms = 0;
};

// The changes to accounts and sessions, each with the event and the forgetting that belong to it;
// the service and the command line share them. Every method runs inside a transaction. Thread-safe.
class Writes {
 public:
  Writes(EventBus& events, auth::RevokedSessions& revoked, AccountCache& cache,
         ContentRevision& revision, const Clock& clock, std::chrono::milliseconds access_ttl)
      : events_(events),
        revoked_(revoked),
        cache_(cache),
        revision_(revision),
        clock_(clock),
        access_ttl_(access_ttl) {}

  Result<> insert_account(sql::Tx& tx, const NewAccount& account)
      const;  // a taken name is Errc::conflict "unique_violation"
  // `statement` is one of store.h's UPDATE … RETURNING revision. False: it found no row.
  Result<bool> update_account(sql::Tx& tx, std::string_view statement, UserId id,
                              const sql::Params& params) const;

  // At once and for good, with all sessions; other services purge when they hear of it. False: the
  // account is gone or its password has changed.
  Result<bool> delete_account(sql::Tx& tx, UserId id, std::string_view password_hash) const;

  Result<> open_session(sql::Tx& tx, const NewSession& session) const;
  // From the commit on, none of its tokens is accepted. False: there is no such live session of
  // this user.
  Result<bool> end_session(sql::Tx& tx, UserId user, std::int64_t session) const;
  Result<> end_sessions_but(sql::Tx& tx, UserId user, std::int64_t kept) const;  // kept 0: all

 private:
  Result<> changed(sql::Tx& tx, UserId id, std::int64_t revision) const;

  EventBus& events_;
  auth::RevokedSessions& revoked_;
  AccountCache& cache_;
  ContentRevision& revision_;
  const Clock& clock_;
  const std::chrono::milliseconds access_ttl_;
};

}  // namespace sv::user
