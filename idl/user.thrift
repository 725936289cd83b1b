// Accounts, sessions and profiles.
include "common.thrift"

namespace cpp sv.user

struct RegisterReq {
  1: string username (must = "1", len = "1..32")
  2: string password (must = "1", bytes = "8..72")
  3: optional string avatar (len = "..500")
  4: optional string about (len = "..300")
}

struct LoginReq {
  1: string username (must = "1")
  2: string password (must = "1")
}

struct LoginRegisterResp {
  1: common.BaseResp BaseResp
  2: common.User user
  3: string token
}

struct UserInfoReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-")
}

struct UserInfoResp {
  1: common.BaseResp BaseResp
  2: common.User user
}

struct BatchUserInfoReq {
  1: common.UserId currentUserId (json = "-")
  2: list<common.UserId> userIds (len = "..200")
}

struct BatchUserInfoResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, common.User> users
}

struct UpdateUserReq {
  1: common.UserId userId (json = "-")
  2: optional string avatar (len = "..500")
  3: optional string about (len = "..300")
  4: optional string oldPassword
  5: optional string newPassword (bytes = "8..72")
}

struct CheckUsernameReq {
  1: string username (must = "1")
}

struct CheckUsernameResp {
  1: bool available
  2: common.BaseResp BaseResp
}

struct UserStatsReq {
  1: common.UserId userId (must = "1")
}

struct UserStats {
  1: common.UserId userId
  2: i64 videoCount
  3: i64 totalLikesReceived
  4: i64 totalComments
}

struct UserStatsResp {
  1: common.BaseResp BaseResp
  2: UserStats stats
  3: i64 totalUserCount
}

struct UserInfoByUsernameReq {
  1: string username (must = "1")
}

struct UpdateAvatarReq {
  1: common.UserId userId (json = "-")
  2: binary avatarData (json = "-")
}

struct BatchCheckUsernamesReq {
  1: list<string> usernames (must = "1", len = "1..100")
}

struct BatchCheckUsernamesResp {
  1: common.BaseResp BaseResp
  2: map<string, bool> availableMap
}

struct SearchUsersReq {
  1: string keyword (must = "1", len = "1..100")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct SearchUsersResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
  3: i64 total
}

struct UpdateFollowCountReq {
  1: common.UserId userId (json = "-")
  2: i64 delta
}

struct UpdateFollowerCountReq {
  1: common.UserId userId (json = "-")
  2: i64 delta
}

service UserService {
  LoginRegisterResp Register(1: RegisterReq req)
  LoginRegisterResp Login(1: LoginReq req)
  UserInfoResp GetUserInfo(1: UserInfoReq req)
  UserInfoResp GetUserInfoByUsername(1: UserInfoByUsernameReq req)
  BatchUserInfoResp BatchGetUserInfo(1: BatchUserInfoReq req)
  common.BaseResp UpdateUser(1: UpdateUserReq req)
  common.BaseResp UpdateAvatar(1: UpdateAvatarReq req)
  CheckUsernameResp CheckUsername(1: CheckUsernameReq req)
  BatchCheckUsernamesResp BatchCheckUsernames(1: BatchCheckUsernamesReq req)
  UserStatsResp GetUserStats(1: UserStatsReq req)
  SearchUsersResp SearchUsers(1: SearchUsersReq req)
  common.BaseResp UpdateFollowCount(1: UpdateFollowCountReq req)
  common.BaseResp UpdateFollowerCount(1: UpdateFollowerCountReq req)
  bool VerifyToken(1: string token)
}
