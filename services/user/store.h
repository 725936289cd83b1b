#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "platform/core/ids.h"
#include "platform/core/text.h"
#include "platform/ports/sql.h"

// The SQL of the tables that this service owns: user_account, user_session, user_refresh,
// user_deleted, user_request_keys.
namespace sv::user {

// What is shown of a user and what routes ask about one; never the password hash.
struct Account {
  UserId id{};
  Text username, avatar;
  std::string about;
  std::int64_t follow_count = 0, follower_count = 0;
  bool is_admin = false;
  bool is_private = false, show_likes = true;
  std::string message_from = "everyone";
};
using AccountPtr = std::shared_ptr<const Account>;

// Of a row of kAccountsByIds, kAccountByKey or kSearch.
Account read_account(const sql::Rows& rows, std::size_t row);

// Of a row of kRefresh: a refresh token and its session.
struct RefreshRow {
  std::int64_t session = 0;
  UserId user{};
  std::int64_t ended_ms = 0, expires_ms = 0, used_ms = 0;  // used, ended: 0 for not yet
  std::string salt;
};
RefreshRow read_refresh(const sql::Rows& rows, std::size_t row);

namespace store {

#define SV_ACCOUNT_COLUMNS                                                                        \
  "id, username, avatar, about, follow_count, follower_count, is_admin, is_private, show_likes, " \
  "message_from"

// Primary key.
inline constexpr std::string_view kAccountsByIds = R"(
    SELECT )" SV_ACCOUNT_COLUMNS R"(
    FROM user_account
    WHERE id = any($1))";
inline constexpr std::string_view kPasswordById =
    "SELECT password_hash FROM user_account WHERE id = $1";
// user_account_by_key.
inline constexpr std::string_view kAccountByKey = R"(
    SELECT )" SV_ACCOUNT_COLUMNS R"(
    FROM user_account
    WHERE username_key = $1)";
inline constexpr std::string_view kLoginByKey =
    "SELECT id, password_hash FROM user_account WHERE username_key = $1";
inline constexpr std::string_view kTakenKeys =
    "SELECT username_key FROM user_account WHERE username_key = any($1)";
// A scan of user_account_by_key; names that begin with the word come first. $1 '%word%', $2
// 'word%'.
inline constexpr std::string_view kSearch = R"(
    SELECT )" SV_ACCOUNT_COLUMNS R"(
    FROM user_account
    WHERE username_key LIKE $1 ESCAPE '\'
    ORDER BY CASE WHEN username_key LIKE $2 ESCAPE '\' THEN 0 ELSE 1 END, username_key
    LIMIT $3 OFFSET $4)";
inline constexpr std::string_view kSearchCount =
    "SELECT count(*) FROM user_account WHERE username_key LIKE $1 ESCAPE '\\'";
inline constexpr std::string_view kCount = "SELECT count(*) FROM user_account";

#undef SV_ACCOUNT_COLUMNS

inline constexpr std::string_view kInsertAccount = R"(
    INSERT INTO user_account (id, username, username_key, password_hash, avatar, about,
        created_ms, revision)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 1))";
// Each change raises the revision and returns it: no row, no such user.
inline constexpr std::string_view kSetProfile = R"(
    UPDATE user_account
    SET avatar = coalesce($2, avatar), about = coalesce($3, about), revision = revision + 1
    WHERE id = $1
    RETURNING revision)";
inline constexpr std::string_view kSetPassword = R"(
    UPDATE user_account
    SET password_hash = $2, revision = revision + 1
    WHERE id = $1
    RETURNING revision)";
inline constexpr std::string_view kReplacePassword = R"(
    UPDATE user_account
    SET password_hash = $2, revision = revision + 1
    WHERE id = $1 AND password_hash = $3
    RETURNING revision)";
inline constexpr std::string_view kSetPrivacy = R"(
    UPDATE user_account
    SET is_private = coalesce($2, is_private), message_from = coalesce($3, message_from),
        show_likes = coalesce($4, show_likes), revision = revision + 1
    WHERE id = $1
    RETURNING revision)";
inline constexpr std::string_view kNoteDeleted =
    "INSERT INTO user_deleted (id, deleted_ms) VALUES ($1, $2)";
inline constexpr std::string_view kDeleteAvatar = "DELETE FROM user_avatar WHERE user_id = $1";
// user_request_keys_by_result.
inline constexpr std::string_view kDropRequestKeys =
    "DELETE FROM user_request_keys WHERE result = $1";
// Only with the password that was verified.
inline constexpr std::string_view kDeleteAccount =
    "DELETE FROM user_account WHERE id = $1 AND password_hash = $2";
inline constexpr std::string_view kSetAdmin = R"(
    UPDATE user_account
    SET is_admin = 1, revision = revision + 1
    WHERE id = $1
    RETURNING revision)";
inline constexpr std::string_view kAddFollows = R"(
    UPDATE user_account
    SET follow_count = CASE WHEN follow_count + $2 < 0 THEN 0
        ELSE follow_count + $2 END, revision = revision + 1
    WHERE id = $1
    RETURNING revision)";
inline constexpr std::string_view kAddFollowers = R"(
    UPDATE user_account
    SET follower_count = CASE WHEN follower_count + $2 < 0 THEN 0
        ELSE follower_count + $2 END, revision = revision + 1
    WHERE id = $1
    RETURNING revision)";

inline constexpr std::string_view kInsertSession = R"(
    INSERT INTO user_session (id, user_id, created_ms, seen_ms, expires_ms, address, user_agent)
    VALUES ($1, $2, $3, $3, $4, $5, $6))";
inline constexpr std::string_view kInsertRefresh =
    "INSERT INTO user_refresh (token_hash, session_id) VALUES ($1, $2)";
// user_session_by_user.
inline constexpr std::string_view kSessions = R"(
    SELECT id, created_ms, seen_ms, address, user_agent
    FROM user_session
    WHERE user_id = $1 AND ended_ms = 0 AND expires_ms > $2
    ORDER BY seen_ms DESC, id DESC
    LIMIT 100)";
inline constexpr std::string_view kLiveSessions =
    "SELECT id FROM user_session WHERE user_id = $1 AND ended_ms = 0 AND id <> $2";
// An ended session's row stays as long as an access token of it may live: `expires_ms` becomes that
// time.
inline constexpr std::string_view kEndSession = R"(
    UPDATE user_session
    SET ended_ms = $3, expires_ms = $4
    WHERE id = $1 AND user_id = $2 AND ended_ms = 0)";
inline constexpr std::string_view kTouchSession = R"(
    UPDATE user_session
    SET seen_ms = $2, expires_ms = $3, address = $4, user_agent = $5
    WHERE id = $1 AND ended_ms = 0)";
// user_session_by_user, user_refresh_by_session. What is left of an ended session says nothing
// about a person.
inline constexpr std::string_view kForgetUserRefresh =
    "DELETE FROM user_refresh WHERE session_id IN (SELECT id FROM user_session WHERE user_id = $1)";
inline constexpr std::string_view kBlankSessions =
    "UPDATE user_session SET address = '', user_agent = '' WHERE user_id = $1";
// user_session_by_end.
inline constexpr std::string_view kEndedSessions = R"(
    SELECT id, ended_ms, expires_ms
    FROM user_session
    WHERE ended_ms > 0 AND (ended_ms, id) > ($1, $2)
    ORDER BY ended_ms, id
    LIMIT $3)";
// Primary keys of both tables.
inline constexpr std::string_view kRefresh = R"(
    SELECT s.id, s.user_id, s.ended_ms, s.expires_ms, r.used_ms, r.salt
    FROM user_refresh r
    JOIN user_session s ON s.id = r.session_id
    WHERE r.token_hash = $1)";
inline constexpr std::string_view kUseRefresh =
    "UPDATE user_refresh SET used_ms = $2, salt = $3 WHERE token_hash = $1";
// user_refresh_by_session.
inline constexpr std::string_view kForgetUsedRefresh =
    "DELETE FROM user_refresh WHERE session_id = $1 AND used_ms > 0 AND used_ms < $2";
// user_session_by_expiry; a few at a time, so that no login pays for a crowd.
inline constexpr std::string_view kForgetExpiredRefresh = R"(
    DELETE FROM user_refresh
    WHERE session_id IN (SELECT id FROM user_session WHERE expires_ms <= $1
        ORDER BY expires_ms, id LIMIT 20))";
inline constexpr std::string_view kForgetExpiredSessions = R"(
    DELETE FROM user_session
    WHERE id IN (SELECT id FROM user_session WHERE expires_ms <= $1 ORDER BY expires_ms, id
        LIMIT 20))";

}  // namespace store
}  // namespace sv::user
