#include "services/message/fsck.h"

#include <fmt/format.h>

namespace sv::message {
namespace {

// Numbers are unique, so as many messages as the last number says, none of them higher, leave no
// gap.
constexpr std::string_view kMessages = R"(
    SELECT low || ' with ' || high, stored, counted
    FROM (SELECT c.low AS low, c.high AS high, c.last_seq AS stored,
            (SELECT count(*) FROM message_messages m
            WHERE m.low = c.low AND m.high = c.high AND m.seq BETWEEN 1 AND c.last_seq) AS counted,
            (SELECT max(m.seq) FROM message_messages m
            WHERE m.low = c.low AND m.high = c.high) AS top
        FROM message_conversations c) x
    WHERE stored <> counted OR top <> stored
    ORDER BY low, high)";

// Of messages m: what this side has not deleted. A side's own columns of its conversation begin
// with low_ or high_.
constexpr std::string_view kShown = R"(
    m.low = c.low AND m.high = c.high
        AND (CASE WHEN s.user_id < s.other_id THEN m.low_hidden ELSE m.high_hidden END) = 0)";

// `counted` of each side s, from its conversation c.
std::string of_side(std::string_view column, std::string_view counted) {
  return fmt::format(R"(
    SELECT user_id || ' with ' || other_id, stored, counted
    FROM (SELECT s.user_id AS user_id, s.other_id AS other_id, s.{} AS stored,
            coalesce(({}), 0) AS counted
        FROM message_sides s
        JOIN message_conversations c
            ON c.low = (CASE WHEN s.user_id < s.other_id THEN s.user_id ELSE s.other_id END)
            AND c.high = (CASE WHEN s.user_id < s.other_id THEN s.other_id ELSE s.user_id END)) x
    WHERE stored <> counted
    ORDER BY user_id, other_id)",
                     column, counted);
}

std::string unread() {
  return fmt::format(R"(
    SELECT count(*)
    FROM message_messages m
    WHERE {} AND m.sender_id <> s.user_id
        AND m.seq > (CASE WHEN s.user_id < s.other_id THEN c.low_read ELSE c.high_read END))",
                     kShown);
}

std::string last_message() {
  return fmt::format(R"(
    SELECT m.id
    FROM message_messages m
    WHERE {}
    ORDER BY m.seq DESC
    LIMIT 1)",
                     kShown);
}

constexpr std::string_view kActors = R"(
    SELECT CAST(id AS text), stored, counted
    FROM (SELECT n.id AS id, n.actor_count AS stored,
            (SELECT count(DISTINCT f.actor_id) FROM message_facts f
            WHERE f.notification_id = n.id AND f.notification_id > 0
                AND f.actor_id <> 0) AS counted
        FROM message_notifications n) x
    WHERE stored <> counted
    ORDER BY id)";

std::vector<DriftCheck> checks() {
  return {{.counter = "messages of conversation", .sql = std::string(kMessages)},
          {.counter = "unread of user", .sql = of_side("unread", unread())},
          {.counter = "last message of user", .sql = of_side("last_id", last_message())},
          {.counter = "actors of notification", .sql = std::string(kActors)}};
}

}  // namespace

Task<Result<std::vector<UserId>>> users_in(sql::Database& db) {
  constexpr std::string_view kUsers = R"(
      SELECT user_id
      FROM message_sides
      UNION
      SELECT user_id
      FROM message_notifications
      UNION
      SELECT user_id
      FROM message_facts
      UNION
      SELECT actor_id
      FROM message_facts
      WHERE actor_id <> 0
      UNION
      SELECT user_id
      FROM message_settings
      UNION
      SELECT user_id
      FROM message_request_keys)";
  SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, kUsers));
  std::vector<UserId> out;
  for (std::size_t i = 0; i < rows.size(); ++i) out.emplace_back(rows.i64(i, 0));
  co_return out;
}

Task<Result<std::vector<Drift>>> find_drift(sql::Database& db) {
  co_return co_await sv::find_drift(db, checks());
}

}  // namespace sv::message
