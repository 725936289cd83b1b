#include "services/user/admin.h"

#include "platform/auth/password.h"
#include "services/user/username.h"
#include "services/user/writes.h"

namespace sv::user {
namespace {

// The command has no caches of its own to clear: these are empty and die with it.
struct Tools {
  explicit Tools(const AdminDeps& deps)
      : revoked(deps.clock),
        cache(Memory{.clock = deps.clock}, 16),
        writes(deps.events, revoked, cache, revision, deps.clock, deps.access_ttl) {}
  auth::RevokedSessions revoked;
  AccountCache cache;
  ContentRevision revision;
  Writes writes;
};

Task<Result<UserId>> find_user(sql::Database& db, std::string username) {
  SV_CO_TRY(const std::string key, username_key(username));
  SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, store::kAccountByKey, {key}));
  if (rows.empty()) co_return fail(Errc::not_found, "user_not_found");
  co_return UserId(rows.i64(0, 0));
}

}  // namespace

Task<Result<UserId>> create_user(AdminDeps deps, std::string username, std::string password) {
  SV_CO_TRY(std::string key, username_key(username));
  SV_CO_CHECK(auth::check_new_password("password", password));
  const NewAccount account{.id = UserId(deps.ids.next()),
                           .username = std::move(username),
                           .key = std::move(key),
                           .password_hash = auth::hash_password(password, deps.bcrypt_cost),
                           .avatar = {},
                           .about = {}};
  auto tools = std::make_shared<Tools>(deps);
  auto done = co_await deps.db.write(
      Ctx{}, [tools, account](sql::Tx& tx) { return tools->writes.insert_account(tx, account); });
  if (!done && done.error().code == Errc::conflict)
    co_return fail(Errc::rejected, "username_taken");
  if (!done) co_return std::unexpected(std::move(done.error()));
  co_return account.id;
}

Task<Result<>> set_password(AdminDeps deps, std::string username, std::string password) {
  SV_CO_CHECK(auth::check_new_password("password", password));
  SV_CO_TRY(const UserId id, co_await find_user(deps.db, std::move(username)));
  auto tools = std::make_shared<Tools>(deps);
  co_return co_await deps.db.write(
      Ctx{},
      [tools, id, hash = auth::hash_password(password, deps.bcrypt_cost)](sql::Tx& tx) -> Result<> {
        SV_CHECK(tools->writes.update_account(tx, store::kSetPassword, id, {id, hash}));
        return tools->writes.end_sessions_but(tx, id, 0);
      });
}

Task<Result<>> grant_admin(AdminDeps deps, std::string username) {
  SV_CO_TRY(const UserId id, co_await find_user(deps.db, std::move(username)));
  auto tools = std::make_shared<Tools>(deps);
  co_return co_await deps.db.write(Ctx{}, [tools, id](sql::Tx& tx) -> Result<> {
    SV_CHECK(tools->writes.update_account(tx, store::kSetAdmin, id, {id}));
    return {};
  });
}

}  // namespace sv::user
