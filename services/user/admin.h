#pragma once

#include <chrono>
#include <string>

#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"

// What `shortvideo user …` does, also while a server serves the same data: it learns of the change
// through the event log. Each hashes on the calling thread. An unknown name is Errc::not_found
// "user_not_found".
namespace sv::user {

struct AdminDeps {
  sql::Database& db;
  const Clock& clock;
  IdSource& ids;
  EventBus& events;
  std::chrono::milliseconds access_ttl;
  int bcrypt_cost;
};

Task<Result<UserId>> create_user(AdminDeps deps, std::string username,
                                 std::string password);  // a taken name: "username_taken"
Task<Result<>> set_password(AdminDeps deps, std::string username,
                            std::string password);  // ends all sessions of the user
Task<Result<>> grant_admin(AdminDeps deps, std::string username);

}  // namespace sv::user
