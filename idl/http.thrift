// Inputs and outputs of HTTP routes that have no counterpart among the services' methods.
include "common.thrift"
include "message.thrift"
include "user.thrift"
include "video.thrift"

namespace cpp sv.http

// -- Users
struct UserDetailReq {
  1: common.UserId userId (must = "1")
}

// Few enough for one page: nextCursor is empty.
struct SessionListResp {
  1: list<user.Session> sessions
  2: string nextCursor
}

// The form has no text fields; its file part is `avatar`.
struct AvatarForm {
}

// -- Videos
struct VideosOfReq {
  1: common.UserId userId (must = "1")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: optional string cursor
}

// total is set where it is cheap.
struct VideoListResp {
  1: list<common.Video> videos
  2: string nextCursor
  3: optional i64 total
}

struct SearchReq {
  1: string keyword (must = "1", len = "1..100")
  2: string type = "video" (one_of = "video|user|tag")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

// users or tags are filled when these were searched for, videos otherwise.
struct SearchResp {
  1: list<common.Video> videos
  2: optional list<common.User> users
  3: i64 total
  4: i32 page
  5: i32 size
  6: optional list<video.TagCount> tags
}

// The text fields of an upload form; its file parts are `video` and, optionally, `cover`. tags are separated by commas.
struct UploadReq {
  1: string title (must = "1", len = "1..100")
  2: string description (len = "..2000")
  3: list<string> tags (len = "..20")
  4: string visibility = "public" (one_of = "public|unlisted|private")
}

// -- Messages
struct MessageRequestsResp {
  1: list<message.LatestMessage> requests
  2: string nextCursor
}

// -- Media. exp, kid and sig are the signature of a link to a video that is not public.
struct MediaReq {
  1: string exp
  2: string kid
  3: string sig
}

// -- Platform
struct HealthResp {
  1: string status
}

struct ReadyCheck {
  1: string name
  2: bool ok
  3: i64 ms
  4: optional string error   // of one that is not ok: a token; details for callers on this machine
}

// status is ready, not_ready or draining.
struct ReadyResp {
  1: string status
  2: string mode
  3: list<ReadyCheck> checks
}
