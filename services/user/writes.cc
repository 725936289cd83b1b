#include "services/user/writes.h"

#include "services/parts/events.h"

namespace sv::user {

Result<> Writes::insert_account(sql::Tx& tx, const NewAccount& a) const {
  SV_CHECK(tx.execute(store::kInsertAccount, {a.id, a.username, a.key, a.password_hash, a.avatar,
                                              a.about, clock_.now_ms()}));
  return changed(tx, a.id, 1);
}

Result<bool> Writes::update_account(sql::Tx& tx, std::string_view statement, UserId id,
                                    const sql::Params& params) const {
  SV_TRY(const sql::Rows rows, tx.query(statement, params));
  if (rows.empty()) return false;
  SV_CHECK(changed(tx, id, rows.i64(0, 0)));
  return true;
}

Result<bool> Writes::delete_account(sql::Tx& tx, UserId id, std::string_view password_hash) const {
  SV_TRY(const std::int64_t deleted, tx.execute(store::kDeleteAccount, {id, password_hash}));
  if (deleted == 0) return false;
  SV_CHECK(tx.execute(store::kNoteDeleted, {id, clock_.now_ms()}));
  SV_CHECK(tx.execute(store::kDeleteAvatar, {id}));
  SV_CHECK(tx.execute(store::kDropRequestKeys, {id}));
  SV_CHECK(end_sessions_but(tx, id, 0));
  SV_CHECK(tx.execute(store::kForgetUserRefresh, {id}));
  SV_CHECK(tx.execute(store::kBlankSessions, {id}));
  const std::int64_t now = clock_.now_ms();
  SV_CHECK(changed(tx, id, now));
  SV_CHECK(publish_event(events_, tx, id, now, events::UserDeleted{.id = id}));
  return true;
}

Result<> Writes::changed(sql::Tx& tx, UserId id, std::int64_t revision) const {
  tx.on_commit([this, id] {
    cache_.erase(id);
    revision_.bump();
  });
  return publish_event(events_, tx, id, revision, events::UserChanged{});
}

Result<> Writes::open_session(sql::Tx& tx, const NewSession& s) const {
  const std::int64_t now = clock_.now_ms();
  SV_CHECK(tx.execute(store::kForgetExpiredRefresh, {now}));
  SV_CHECK(tx.execute(store::kForgetExpiredSessions, {now}));
  SV_CHECK(tx.execute(store::kInsertSession,
                      {s.id, s.user, now, s.expires_ms, s.address, s.user_agent}));
  SV_CHECK(tx.execute(store::kInsertRefresh, {s.refresh_hash, s.id}));
  return {};
}

Result<bool> Writes::end_session(sql::Tx& tx, UserId user, std::int64_t session) const {
  const std::int64_t now = clock_.now_ms();
  // One more second: exp counts whole seconds.
  const std::int64_t until = now + access_ttl_.count() + 1000;
  SV_TRY(const std::int64_t ends, tx.now_ms());  // by which other instances ask what is new
  SV_TRY(const std::int64_t ended, tx.execute(store::kEndSession, {session, user, ends, until}));
  if (ended == 0) return false;
  tx.on_commit([this, session, until] { revoked_.add(std::to_string(session), until); });
  SV_CHECK(publish_event(
      events_, tx, user, now,
      events::UserSessionEnded{.session = std::to_string(session), .until_ms = until}));
  return true;
}

Result<> Writes::end_sessions_but(sql::Tx& tx, UserId user, std::int64_t kept) const {
  SV_TRY(const sql::Rows rows, tx.query(store::kLiveSessions, {user, kept}));
  for (std::size_t i = 0; i < rows.size(); ++i) SV_CHECK(end_session(tx, user, rows.i64(i, 0)));
  return {};
}

}  // namespace sv::user
