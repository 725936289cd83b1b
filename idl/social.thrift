// Who follows whom.
include "common.thrift"

namespace cpp sv.social

struct FollowActionReq {
  1: common.UserId userId (json = "-")
  2: common.UserId targetUserId (must = "1")
  3: bool action (json = "-")
}

struct FollowActionResp {
  1: common.BaseResp BaseResp
}

struct FollowListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct FollowListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i32 totalCount
}

struct FollowerListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct FollowerListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i32 totalCount
}

struct FriendListReq {
  1: common.UserId userId (json = "-")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct FriendListResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i32 totalCount
}

struct CheckFollowReq {
  1: common.UserId userId (must = "1")
  2: common.UserId targetUserId (must = "1")
}

struct CheckFollowResp {
  1: common.BaseResp BaseResp
  2: bool isFollowing
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

service SocialService {
  FollowActionResp FollowAction(1: FollowActionReq req)
  FollowListResp GetFollowList(1: FollowListReq req)
  FollowerListResp GetFollowerList(1: FollowerListReq req)
  FriendListResp GetFriendList(1: FriendListReq req)
  CheckFollowResp CheckFollow(1: CheckFollowReq req)
  CheckMutualFollowResp CheckMutualFollow(1: CheckMutualFollowReq req)
  FollowStatsResp GetFollowStats(1: FollowStatsReq req)
  BatchCheckFollowResp BatchCheckFollow(1: BatchCheckFollowReq req)
}
