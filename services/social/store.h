#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "platform/core/ids.h"
#include "platform/ports/sql.h"

// The rows of the tables that this service owns, social_edges and social_counts, and the SQL.
namespace sv::social {

enum class Kind : std::int64_t { follow = 1, request = 2, block = 3, mute = 4, friends = 5 };

// What ties one person to another, seen from the first.
struct Ties {
  std::uint8_t out = 0, in = 0;  // a bit for each kind

  bool to(Kind k) const { return (out & bit(k)) != 0; }
  bool from(Kind k) const { return (in & bit(k)) != 0; }
  // Either way: none of the two learns of the other.
  bool blocked() const { return to(Kind::block) || from(Kind::block); }
  bool mutual() const { return to(Kind::follow) && from(Kind::follow); }
  Ties flipped() const { return {.out = in, .in = out}; }
  bool operator==(const Ties&) const = default;

  static constexpr std::uint8_t bit(Kind k) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(k));
  }
};

// What kTies asks of `one` and the others.
sql::Params ties_of(UserId one, std::vector<std::int64_t> others);
// What kAllTies asks of `one`: at most `limit` rows each way.
sql::Params all_ties_of(UserId one, std::size_t limit);
// Of a row of kTies or kAllTies: the id of the other, whose bit is set.
UserId add_tie(const sql::Rows& rows, std::size_t row, Ties& ties);

// How many of each there are; also by how many they change.
struct Counts {
  std::int64_t following = 0, followers = 0, friends = 0;
  std::int64_t requests = 0;  // that wait for this user's answer
  std::int64_t blocked = 0, muted = 0;
  bool operator==(const Counts&) const = default;
};
Counts read_counts(const sql::Rows& rows, std::size_t row);

namespace store {

// Primary key one way, social_edges_to the other. $3 … $6 are the kinds that Ties tells.
inline constexpr std::string_view kTies = R"(
    SELECT kind, 1, target_id
    FROM social_edges
    WHERE user_id = $1 AND kind IN ($3, $4, $5, $6) AND target_id = any($2)
    UNION ALL
    SELECT kind, 0, user_id
    FROM social_edges
    WHERE target_id = $1 AND kind IN ($3, $4, $5, $6) AND user_id = any($2))";
// The same indexes.
inline constexpr std::string_view kAllTies = R"(
    SELECT kind, outgoing, other
    FROM (SELECT kind, 1 AS outgoing, target_id AS other
          FROM social_edges
          WHERE user_id = $1 AND kind IN ($3, $4, $5, $6)
          LIMIT $2) AS going
    UNION ALL
    SELECT kind, outgoing, other
    FROM (SELECT kind, 0 AS outgoing, user_id AS other
          FROM social_edges
          WHERE target_id = $1 AND kind IN ($3, $4, $5, $6)
          LIMIT $2) AS coming)";
// Primary key.
inline constexpr std::string_view kCounts = R"(
    SELECT user_id, following, followers, friends, requests, blocked, muted
    FROM social_counts
    WHERE user_id = any($1))";
// social_edges_newest_from.
inline constexpr std::string_view kNewestFrom = R"(
    SELECT target_id, created_ms
    FROM social_edges
    WHERE user_id = $1 AND kind = $2 AND (created_ms, target_id) < ($3, $4)
    ORDER BY created_ms DESC, target_id DESC
    LIMIT $5 OFFSET $6)";
// social_edges_newest_to.
inline constexpr std::string_view kNewestTo = R"(
    SELECT user_id, created_ms
    FROM social_edges
    WHERE target_id = $1 AND kind = $2 AND (created_ms, user_id) < ($3, $4)
    ORDER BY created_ms DESC, user_id DESC
    LIMIT $5 OFFSET $6)";
// Primary key.
inline constexpr std::string_view kFollowingIds = R"(
    SELECT target_id
    FROM social_edges
    WHERE user_id = $1 AND kind = $4 AND target_id > $2
    ORDER BY target_id
    LIMIT $3)";
// social_edges_to.
inline constexpr std::string_view kFollowerIds = R"(
    SELECT user_id
    FROM social_edges
    WHERE target_id = $1 AND kind = $4 AND user_id > $2
    ORDER BY user_id
    LIMIT $3)";

inline constexpr std::string_view kInsertEdge = R"(
    INSERT INTO social_edges (user_id, kind, target_id, created_ms)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING)";
inline constexpr std::string_view kDeleteEdge =
    "DELETE FROM social_edges WHERE user_id = $1 AND kind = $2 AND target_id = $3";
inline constexpr std::string_view kAddCounts = R"(
    INSERT INTO social_counts (user_id, following, followers, friends, requests, blocked, muted)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (user_id) DO UPDATE SET following = social_counts.following + excluded.following,
        followers = social_counts.followers + excluded.followers,
        friends = social_counts.friends + excluded.friends,
        requests = social_counts.requests + excluded.requests,
        blocked = social_counts.blocked + excluded.blocked,
        muted = social_counts.muted + excluded.muted)";

// For the purge of a user. Primary key; social_edges_to.
inline constexpr std::string_view kSomeFrom =
    "SELECT user_id, kind, target_id FROM social_edges WHERE user_id = $1 LIMIT $2";
inline constexpr std::string_view kSomeTo =
    "SELECT user_id, kind, target_id FROM social_edges WHERE target_id = $1 LIMIT $2";
inline constexpr std::string_view kForgetCounts = "DELETE FROM social_counts WHERE user_id = $1";

}  // namespace store
}  // namespace sv::social
