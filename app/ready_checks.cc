#include "app/ready_checks.h"

#include <atomic>
#include <memory>

namespace sv {
namespace {

Task<Result<>> ask_database(sql::Database& db) {
  SV_CO_TRY([[maybe_unused]] sql::Rows rows, co_await db.query(Ctx{}, "SELECT 1"));
  co_return Result<>{};
}

Task<Result<>> ask_objects(ObjectStore& objects) {
  auto info = co_await objects.head("health/none");
  if (!info && info.error().code != Errc::not_found)
    co_return std::unexpected(std::move(info.error()));
  co_return Result<>{};
}

Task<Result<>> answer(bool held, std::string_view otherwise) {
  if (!held) co_return fail(Errc::unavailable, otherwise);
  co_return Result<>{};
}

gateway::ReadyCheck once(std::string name, std::string_view otherwise,
                         std::function<bool()> holds) {
  return {std::move(name),
          [otherwise, holds = std::move(holds), held = std::make_shared<std::atomic<bool>>(false)] {
            if (!*held && holds()) *held = true;
            return answer(*held, otherwise);
          }};
}

}  // namespace

gateway::ReadyCheck database_check(std::string name, sql::Database& db) {
  return {std::move(name), [&db] { return ask_database(db); }};
}
gateway::ReadyCheck objects_check(ObjectStore& objects, bool needed) {
  return {"objects", [&objects] { return ask_objects(objects); }, needed};
}
gateway::ReadyCheck met_check(std::string service, const InstanceList& instances) {
  return once(std::move(service), "not_found_yet",
              [&instances] { return !instances.get()->empty(); });
}
gateway::ReadyCheck sessions_check(const auth::RevokedSessions& revoked) {
  return once("sessions", "ended_sessions_not_known_yet", [&revoked] { return revoked.known(); });
}
gateway::ReadyCheck announced_check(const Registry& registry) {
  return once("registry", "not_announced_yet", [&registry] { return registry.announced(); });
}

}  // namespace sv
