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
  101: optional string refreshToken
  102: optional i64 expiresIn
}

struct UserInfoReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-", actor = "1")
}

struct UserInfoResp {
  1: common.BaseResp BaseResp
  2: common.User user
}

struct BatchUserInfoReq {
  1: common.UserId currentUserId (json = "-", actor = "1")
  2: list<common.UserId> userIds (len = "..200")
}

struct BatchUserInfoResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, common.User> users
}

struct UpdateUserReq {
  1: common.UserId userId (json = "-", actor = "1")
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
  1: common.UserId userId (json = "-", actor = "1")
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

// -- Sessions. expiresIn is the access token's, in seconds.
struct RefreshReq {
  1: string refreshToken (must = "1", len = "..100")
}

struct RefreshResp {
  1: common.BaseResp BaseResp
  2: string token
  3: string refreshToken
  4: i64 expiresIn
}

// Ends the session that the call's token belongs to.
struct LogoutReq {
  1: common.UserId userId (json = "-", actor = "1")
}

struct ListSessionsReq {
  1: common.UserId userId (json = "-", actor = "1")
}

// Times are unix seconds.
struct Session {
  1: i64 id
  2: i64 createTime
  3: i64 lastSeen
  4: string address
  5: string userAgent
  6: bool current
}

struct ListSessionsResp {
  1: common.BaseResp BaseResp
  2: list<Session> sessions
}

struct RemoveSessionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i64 id (must = "1")
}

// For a gateway: is this token good now? What a moderator's route asks as well.
struct CheckSessionReq {
  1: string token (must = "1")
}

struct CheckSessionResp {
  1: common.BaseResp BaseResp
  2: common.UserId userId
  3: string session
  4: bool moderator
}

// -- Parts for other services. They call no other service. Unknown ids are left out.
struct UserBriefsReq {
  1: list<common.UserId> userIds (len = "..200")
  2: common.UserId callerId (actor = "1")
}

struct UserBriefsResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, common.UserBrief> briefs
  // Those of them whose account is private.
  101: optional list<common.UserId> privateIds
}

// messageFrom: whose first message is let in; a stranger's is a request.
struct Privacy {
  1: bool isPrivate
  2: string messageFrom = "everyone" (one_of = "everyone|followed|none")
  3: bool showLikes
}

// One picture of a user; a new one has a new rev.
struct AvatarReq {
  1: common.UserId userId
  2: i64 rev
}

struct AvatarResp {
  1: common.BaseResp BaseResp
  2: binary picture (json = "-")
}

struct PrivacyOfReq {
  1: list<common.UserId> userIds (len = "..200")
}

struct PrivacyOfResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, Privacy> privacy
}

// Sessions that ended while access tokens of theirs may live, in the order of their end: those behind
// a place (0, 0: all). Who asks again begins ten seconds before the last end that it heard of, for a
// write may be committed a little after its time.
struct RevokedSessionsReq {
  1: i64 afterMs
  2: i64 afterId
}

struct RevokedSession {
  1: i64 id
  2: i64 endedMs  // of the database's clock
  3: i64 untilMs  // when every access token of it has expired
}

struct RevokedSessionsResp {
  1: common.BaseResp BaseResp
  2: list<RevokedSession> sessions
  3: bool more
}

// -- The caller's own account.
struct UpdatePrivacyReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: optional bool isPrivate (json = "private")
  3: optional string messageFrom (one_of = "everyone|followed|none")
  4: optional bool showLikes
}

// At once: no login, no profile, nothing in any list. The rest is purged afterwards.
struct DeleteAccountReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: string password (must = "1")
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
  RefreshResp Refresh(1: RefreshReq req)
  common.BaseResp Logout(1: LogoutReq req)
  ListSessionsResp ListSessions(1: ListSessionsReq req)
  common.BaseResp RemoveSession(1: RemoveSessionReq req)
  CheckSessionResp CheckSession(1: CheckSessionReq req)
  UserBriefsResp GetUserBriefs(1: UserBriefsReq req)
  AvatarResp GetAvatar(1: AvatarReq req)
  PrivacyOfResp GetPrivacyOf(1: PrivacyOfReq req)
  RevokedSessionsResp GetRevokedSessions(1: RevokedSessionsReq req)
  common.BaseResp UpdatePrivacy(1: UpdatePrivacyReq req)
  common.BaseResp DeleteAccount(1: DeleteAccountReq req)
}
