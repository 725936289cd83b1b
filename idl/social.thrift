// Who follows whom.
include "common.thrift"

namespace cpp sv.social

struct FollowActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.UserId targetUserId (must = "1")
  3: bool action (json = "-")
}

struct FollowActionResp {
  1: common.BaseResp BaseResp
  // The target is private: it was asked, and accepts or not.
  101: optional bool requested
}

// Newest first. The lists of a private account are unknown to those who do not follow it, as a blocked one's are. totalCount is the counter:
// who is left out of the pages is in it. `cursor` wins over `page`, which is for old clients.
struct FollowListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct FollowListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i32 totalCount
  101: optional string nextCursor
}

struct FollowerListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct FollowerListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i32 totalCount
  101: optional string nextCursor
}

// userId's own: those who follow and are followed back.
struct FriendListReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct FriendListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i32 totalCount
  101: optional string nextCursor
}

// currentUserId is who will be told (0: a guest): what he may not see is false, or 404. Unset, a service asks for itself and is told.
struct CheckFollowReq {
  1: common.UserId userId (must = "1")
  2: common.UserId targetUserId (must = "1")
  101: optional common.UserId currentUserId (json = "-", actor = "1")
}

struct CheckFollowResp {
  1: common.BaseResp BaseResp
  2: bool isFollowing
  101: optional bool isFollowedBy
  102: optional bool isMutual
}

struct CheckMutualFollowReq {
  1: common.UserId userId1
  2: common.UserId userId2
}

struct CheckMutualFollowResp {
  1: common.BaseResp BaseResp
  2: bool isMutualFollow
}

struct FollowStatsReq {
  1: common.UserId userId (must = "1")
}

struct FollowStats {
  1: common.UserId userId
  2: i64 followCount
  3: i64 followerCount
  4: i64 friendCount
}

struct FollowStatsResp {
  1: common.BaseResp BaseResp
  2: FollowStats stats
}

struct BatchCheckFollowReq {
  1: common.UserId userId (must = "1")
  2: list<common.UserId> targetUserIds (len = "..200")
}

struct BatchCheckFollowResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, bool> followStatus
}

// -- Blocking, muting, private accounts. action false undoes; doing anything twice is a success.
struct BlockActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.UserId targetUserId (must = "1")
  3: bool action (json = "-")
}

struct MuteActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.UserId targetUserId (must = "1")
  3: bool action (json = "-")
}

// The caller's own list, newest first.
struct RelationListReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 pageSize = 10 (range = "1..", cap = "100")
  3: string cursor
}

struct RelationListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: string nextCursor
  4: i64 total
}

struct RequestListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> requests
  3: string nextCursor
  4: i64 total
}

// Accepting needs a request that waits; rejecting what is not there is a success.
struct AnswerRequestReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.UserId fromUserId (json = "user_id", must = "1")
  3: bool accept (json = "-")
}

// -- Parts for other services. They call no other service.
struct SocialParts {
  1: i64 followCount
  2: i64 followerCount
  3: bool isFollow
  4: bool isFollowedBy
  // The asker blocked this user, and the other way round.
  5: bool isBlocked
  6: bool hasBlocked
  7: bool isMuted
}

// One entry for each user asked for. userId 0 asks as a guest: counts only. withCounts false leaves the counts out.
struct SocialPartsReq {
  1: common.UserId userId (actor = "1")
  2: list<common.UserId> userIds (len = "..200")
  3: bool withCounts
}

struct SocialPartsResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, SocialParts> parts
}

// Ids in ascending order after `after`; all of them were read when fewer than `limit` come back.
struct FollowIdsReq {
  1: common.UserId userId (must = "1")
  2: common.UserId after
  3: i32 limit = 1000 (range = "1..", cap = "10000")
}

struct FollowIdsResp {
  1: common.BaseResp BaseResp
  2: list<common.UserId> userIds
}

service SocialService {
  FollowActionResp FollowAction(1: FollowActionReq req)
  FollowListResp GetFollowList(1: FollowListReq req)
  FollowerListResp GetFollowerList(1: FollowerListReq req)
  FriendListResp GetFriendList(1: FriendListReq req)
  CheckFollowResp CheckFollow(1: CheckFollowReq req)
  CheckMutualFollowResp CheckMutualFollow(1: CheckMutualFollowReq req)
  FollowStatsResp GetFollowStats(1: FollowStatsReq req)
  BatchCheckFollowResp BatchCheckFollow(1: BatchCheckFollowReq req)
  common.BaseResp BlockAction(1: BlockActionReq req)
  common.BaseResp MuteAction(1: MuteActionReq req)
  RelationListResp GetBlockedList(1: RelationListReq req)
  RelationListResp GetMutedList(1: RelationListReq req)
  RequestListResp GetRequestList(1: RelationListReq req)
  common.BaseResp AnswerRequest(1: AnswerRequestReq req)
  SocialPartsResp GetSocialParts(1: SocialPartsReq req)
  FollowIdsResp GetFollowingIds(1: FollowIdsReq req)
  FollowIdsResp GetFollowerIds(1: FollowIdsReq req)
}
