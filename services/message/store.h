#pragma once

#include <string_view>

// The SQL of the tables that this service owns.
namespace sv::message::store {

// -- Conversations. $1, $2 are the pair, low first.
// Primary key. The number of the new message.
inline constexpr std::string_view kNextSeq = R"(
    INSERT INTO message_conversations (low, high, last_seq)
    VALUES ($1, $2, 1)
    ON CONFLICT (low, high) DO UPDATE SET last_seq = message_conversations.last_seq + 1
    RETURNING last_seq)";
inline constexpr std::string_view kReadSeq = R"(
    SELECT last_seq, CASE WHEN low = $3 THEN low_read ELSE high_read END
    FROM message_conversations
    WHERE low = $1 AND high = $2)";
inline constexpr std::string_view kSetReadSeq = R"(
    UPDATE message_conversations
    SET low_read = CASE WHEN low = $3 THEN $4 ELSE low_read END, high_read = CASE
        WHEN low = $3 THEN high_read ELSE $4 END
    WHERE low = $1 AND high = $2)";
inline constexpr std::string_view kDropConversation =
    "DELETE FROM message_conversations WHERE low = $1 AND high = $2";

// -- Messages.
inline constexpr std::string_view kAddMessage = R"(
    INSERT INTO message_messages (id, low, high, seq, sender_id, content, created_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7))";
// message_messages_by_seq and the conversation's primary key. What $4 has not deleted of the
// conversation, newest first, from before $3.
inline constexpr std::string_view kHistory = R"(
    SELECT m.id, m.seq, m.sender_id, m.content, m.created_ms, c.low_read, c.high_read
    FROM message_messages m
    JOIN message_conversations c ON c.low = m.low AND c.high = m.high
    WHERE m.low = $1 AND m.high = $2 AND m.seq < $3
        AND (CASE WHEN m.low = $4 THEN m.low_hidden ELSE m.high_hidden END) = 0
    ORDER BY m.seq DESC
    LIMIT $5)";
// Primary key.
inline constexpr std::string_view kMessage = R"(
    SELECT low, high, seq, sender_id, CASE WHEN low = $2 THEN low_hidden ELSE high_hidden END
    FROM message_messages
    WHERE id = $1 AND (low = $2 OR high = $2))";
inline constexpr std::string_view kHide = R"(
    UPDATE message_messages
    SET low_hidden = CASE WHEN low = $2 THEN 1 ELSE low_hidden END, high_hidden = CASE
        WHEN low = $2 THEN high_hidden ELSE 1 END, content = CASE
        WHEN (CASE WHEN low = $2 THEN high_hidden ELSE low_hidden END) = 1 THEN ''
        ELSE content END
    WHERE id = $1)";
// message_messages_by_seq.
inline constexpr std::string_view kNewestShown = R"(
    SELECT id, created_ms
    FROM message_messages
    WHERE low = $1 AND high = $2 AND (CASE WHEN low = $3 THEN low_hidden ELSE high_hidden END) = 0
    ORDER BY seq DESC
    LIMIT 1)";
inline constexpr std::string_view kCountUnread = R"(
    SELECT count(*)
    FROM message_messages
    WHERE low = $1 AND high = $2 AND seq > $4 AND sender_id <> $3
        AND (CASE WHEN low = $3 THEN low_hidden ELSE high_hidden END) = 0)";
inline constexpr std::string_view kDropMessages =
    "DELETE FROM message_messages WHERE low = $1 AND high = $2";

// -- Sides. Primary key: $1 the user, $2 the other.
inline constexpr std::string_view kSide =
    "SELECT wrote, is_request, last_id FROM message_sides WHERE user_id = $1 AND other_id = $2";
inline constexpr std::string_view kReceived = R"(
    INSERT INTO message_sides (user_id, other_id, is_request, unread, last_id, last_ms)
    VALUES ($1, $2, $3, 1, $4, $5)
    ON CONFLICT (user_id, other_id) DO UPDATE SET is_request = excluded.is_request,
        unread = message_sides.unread + 1, last_id = excluded.last_id, last_ms = excluded.last_ms)";
// Who answers has accepted.
inline constexpr std::string_view kWrote = R"(
    INSERT INTO message_sides (user_id, other_id, wrote, last_id, last_ms)
    VALUES ($1, $2, 1, $3, $4)
    ON CONFLICT (user_id, other_id) DO UPDATE SET wrote = 1, is_request = 0,
        last_id = excluded.last_id, last_ms = excluded.last_ms)";
inline constexpr std::string_view kSetUnread =
    "UPDATE message_sides SET unread = $3 WHERE user_id = $1 AND other_id = $2";
inline constexpr std::string_view kSetLast =
    "UPDATE message_sides SET last_id = $3, last_ms = $4 WHERE user_id = $1 AND other_id = $2";
inline constexpr std::string_view kAccept = R"(
    UPDATE message_sides
    SET is_request = 0
    WHERE user_id = $1 AND other_id = $2 AND is_request = 1)";
inline constexpr std::string_view kDropSide =
    "DELETE FROM message_sides WHERE user_id = $1 AND other_id = $2";
inline constexpr std::string_view kSomeSides =
    "SELECT other_id FROM message_sides WHERE user_id = $1 ORDER BY other_id LIMIT 100";
// message_sides_by_time, then primary keys.
inline constexpr std::string_view kLatest = R"(
    SELECT s.other_id, s.unread, s.last_ms, m.id, m.seq, m.sender_id, m.content, m.created_ms,
        m.low, c.low_read, c.high_read
    FROM message_sides s
    JOIN message_messages m ON m.id = s.last_id
    JOIN message_conversations c ON c.low = m.low AND c.high = m.high
    WHERE s.user_id = $1 AND s.is_request = $2 AND s.last_id > 0
        AND (s.last_ms, s.other_id) < ($3, $4)
    ORDER BY s.last_ms DESC, s.other_id DESC
    LIMIT $5)";
// message_sides_unread. The sum is of all of them.
inline constexpr std::string_view kUnread = R"(
    SELECT other_id, unread, CAST(sum(unread) OVER () AS bigint)
    FROM message_sides
    WHERE user_id = $1 AND unread > 0 AND is_request = 0
    ORDER BY last_ms DESC
    LIMIT 1000)";

// -- Notifications.
#define SV_NOTICE_COLUMNS "id, kind, video_id, related_id, actors, actor_count, is_read, time_ms"
// message_notifications_by_time.
inline constexpr std::string_view kNotices = R"(
    SELECT )" SV_NOTICE_COLUMNS R"(
    FROM message_notifications
    WHERE user_id = $1 AND (time_ms, id) < ($2, $3)
    ORDER BY time_ms DESC, id DESC
    LIMIT $4 OFFSET $5)";
// message_notifications_by_kind.
inline constexpr std::string_view kNoticesOfKind = R"(
    SELECT )" SV_NOTICE_COLUMNS R"(
    FROM message_notifications
    WHERE user_id = $1 AND (time_ms, id) < ($2, $3) AND kind = $6
    ORDER BY time_ms DESC, id DESC
    LIMIT $4 OFFSET $5)";
// message_notifications_unread; kind 0 is every kind.
inline constexpr std::string_view kUnreadNotices = R"(
    SELECT )" SV_NOTICE_COLUMNS R"(
    FROM message_notifications
    WHERE user_id = $1 AND is_read = 0 AND (kind = $2 OR $2 = 0)
    ORDER BY time_ms DESC, id DESC
    LIMIT 100)";
#undef SV_NOTICE_COLUMNS
// message_notifications_by_kind, then message_notifications_unread.
inline constexpr std::string_view kCountNotices = R"(
    SELECT (SELECT count(*) FROM message_notifications WHERE user_id = $1
        AND (kind = $2 OR $2 = 0)), (SELECT count(*) FROM message_notifications
        WHERE user_id = $1 AND is_read = 0 AND (kind = $2 OR $2 = 0)))";
// Primary key.
inline constexpr std::string_view kReadOne =
    "UPDATE message_notifications SET is_read = 1 WHERE id = $2 AND user_id = $1";
// message_notifications_unread.
inline constexpr std::string_view kReadAll =
    "UPDATE message_notifications SET is_read = 1 WHERE user_id = $1 AND is_read = 0";
// message_notifications_open.
inline constexpr std::string_view kOpenGroup = R"(
    SELECT id, actors, actor_count
    FROM message_notifications
    WHERE user_id = $1 AND kind = $2 AND object_id = $3 AND is_read = 0)";
inline constexpr std::string_view kAddGroup = R"(
    INSERT INTO message_notifications (id, user_id, kind, object_id, video_id, related_id,
        actors, actor_count, time_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9))";
// Primary key.
inline constexpr std::string_view kGrowGroup = R"(
    UPDATE message_notifications
    SET actors = $2, actor_count = $3, related_id = $4, time_ms = $5
    WHERE id = $1)";
inline constexpr std::string_view kGroup =
    "SELECT actors, actor_count FROM message_notifications WHERE id = $1";
inline constexpr std::string_view kShrinkGroup =
    "UPDATE message_notifications SET actors = $2, actor_count = $3 WHERE id = $1";
inline constexpr std::string_view kDropGroup = "DELETE FROM message_notifications WHERE id = $1";
// message_notifications_by_time.
inline constexpr std::string_view kDropGroupsOf =
    "DELETE FROM message_notifications WHERE user_id = $1";

// Primary key.
// By actors: a search for each of them with each of the facts would be a square.
inline constexpr std::string_view kKnownActs = R"(
    SELECT actor_id, fact_id
    FROM message_facts
    WHERE user_id = $1 AND kind = $2 AND object_id = $3 AND fact_id + 0 = any($4)
        AND actor_id = any($5))";
inline constexpr std::string_view kAddFact = R"(
    INSERT INTO message_facts (user_id, kind, object_id, actor_id, fact_id, notification_id,
        time_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7))";
inline constexpr std::string_view kDropFactsOf = "DELETE FROM message_facts WHERE user_id = $1";
// message_facts_by_notification.
inline constexpr std::string_view kActorsInGroup = R"(
    SELECT DISTINCT actor_id
    FROM message_facts
    WHERE notification_id = $1 AND notification_id > 0 AND actor_id = any($2))";
inline constexpr std::string_view kNewestActors = R"(
    SELECT actor_id, max(time_ms)
    FROM message_facts
    WHERE notification_id = $1 AND notification_id > 0
    GROUP BY actor_id
    ORDER BY 2 DESC, 1 DESC
    LIMIT $2)";
// message_facts_by_actor; user 0 is every user.
inline constexpr std::string_view kSomeFactsBy = R"(
    SELECT user_id, kind, object_id, fact_id, notification_id
    FROM message_facts
    WHERE actor_id = $1 AND (user_id = $2 OR $2 = 0)
    ORDER BY user_id
    LIMIT 200)";
// Primary key.
inline constexpr std::string_view kDropFact = R"(
    DELETE FROM message_facts
    WHERE user_id = $1 AND kind = $2 AND object_id = $3 AND actor_id = $4 AND fact_id = $5)";

// -- Settings and keys. Primary keys.
inline constexpr std::string_view kSettings = "SELECT off FROM message_settings WHERE user_id = $1";
inline constexpr std::string_view kSettingsOf =
    "SELECT user_id, off FROM message_settings WHERE user_id = any($1)";
inline constexpr std::string_view kSetSettings = R"(
    INSERT INTO message_settings (user_id, off)
    VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET off = excluded.off)";
inline constexpr std::string_view kDropSettings = "DELETE FROM message_settings WHERE user_id = $1";
inline constexpr std::string_view kDropKeys = "DELETE FROM message_request_keys WHERE user_id = $1";

}  // namespace sv::message::store
