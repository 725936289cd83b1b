#pragma once

#include <string>

#include "gateway/ready.h"
#include "platform/auth/revoked_sessions.h"
#include "platform/ports/object_store.h"
#include "platform/ports/registry.h"
#include "platform/ports/sql.h"

// What /health/ready asks for. What is asked outlives the check.
namespace sv {

gateway::ReadyCheck database_check(std::string name, sql::Database& db);
gateway::ReadyCheck objects_check(ObjectStore& objects, bool needed);
// These hold for good once they have held: whoever is away later is missed by the calls, and makes
// nobody unready.
gateway::ReadyCheck met_check(std::string service, const InstanceList& instances);
gateway::ReadyCheck sessions_check(const auth::RevokedSessions& revoked);
gateway::ReadyCheck announced_check(const Registry& registry);

}  // namespace sv
