// What a user service of the Go system speaks (docs/wire.md): nothing that was added since.
namespace go legacy

struct BaseResp {
  1: i32 statusCode
  2: optional string msg
}

struct User {
  1: i64 id
  2: string username
  3: string password
  4: optional string avatar
  5: optional string about
  6: i64 followCount
  7: i64 followerCount
  8: bool isFollow
}

struct LoginReq {
  1: string username
  2: string password
}

struct LoginRegisterResp {
  1: BaseResp BaseResp
  2: User user
  3: string token
}

struct UserInfoReq {
  1: i64 userId
  2: i64 currentUserId
}

struct UserInfoResp {
  1: BaseResp BaseResp
  2: User user
}

struct BatchUserInfoReq {
  1: i64 currentUserId
  2: list<i64> userIds
}

struct BatchUserInfoResp {
  1: BaseResp BaseResp
  2: map<i64, User> users
}

struct CheckUsernameReq {
  1: string username
}

struct CheckUsernameResp {
  1: bool available
  2: BaseResp BaseResp
}

struct BatchCheckUsernamesReq {
  1: list<string> usernames
}

struct BatchCheckUsernamesResp {
  1: BaseResp BaseResp
  2: map<string, bool> availableMap
}

service UserService {
  LoginRegisterResp Login(1: LoginReq req)
  UserInfoResp GetUserInfo(1: UserInfoReq req)
  BatchUserInfoResp BatchGetUserInfo(1: BatchUserInfoReq req)
  CheckUsernameResp CheckUsername(1: CheckUsernameReq req)
  BatchCheckUsernamesResp BatchCheckUsernames(1: BatchCheckUsernamesReq req)
  bool VerifyToken(1: string token)
}
