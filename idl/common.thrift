// Types that several services share. Fields with ids below 101 are those of the Go system and never change.

namespace cpp sv

// Ids are i64 on the wire, below 2^53, and 0 means none. Each typedef becomes a type of its own in C++.
typedef i64 UserId
typedef i64 VideoId
typedef i64 CommentId
typedef i64 MessageId
typedef i64 DanmuId
typedef i64 RoomId
typedef i64 GiftId
typedef i64 NotificationId

// How a call ended. 0 is success, otherwise the HTTP status; msg is the Chinese text. See docs/wire.md.
struct BaseResp {
  1: i32 statusCode
  2: optional string msg
  101: optional string error
  102: optional string field
  103: optional i32 retryAfterMs
  // Of a success: made without knowing whose it must not show, so nobody may keep it.
  104: optional bool uncertain
}

// What a list shows of a person.
struct UserBrief {
  1: UserId id
  2: string username (shared = "1")
  3: string avatar (shared = "1")
  4: bool isFollow
}

// password is always sent empty.
struct User {
  1: UserId id
  2: string username
  3: string password
  4: optional string avatar
  5: optional string about
  6: i64 followCount
  7: i64 followerCount
  8: bool isFollow
  101: optional i64 videoCount
  102: optional i64 likeCount
  103: optional bool isPrivate
  104: optional bool isBlocked
}

// url is the progressive MP4 of the best rung up to 720p. publishTime is when it became visible, createTime when it was uploaded, both in unix seconds.
struct Video {
  1: VideoId id
  2: UserId authorId
  3: string url (shared = "1")
  4: string coverUrl (shared = "1")
  5: i64 likeCount
  6: i64 commentCount
  7: bool isLike
  8: string title (shared = "1")
  9: i64 publishTime
  10: string description (shared = "1")
  101: optional UserBrief author
  102: optional i64 viewCount
  103: optional i64 shareCount
  104: optional i64 starCount
  105: optional bool isStar
  106: optional list<string> tags
  107: optional i64 durationMs
  108: optional i32 width
  109: optional i32 height
  110: optional string hlsUrl (shared = "1")
  111: optional string spriteUrl (shared = "1")
  112: optional string vttUrl (shared = "1")
  113: optional string status (one_of = "uploaded|probing|transcoding|ready|failed")
  114: optional string visibility
  115: optional i64 preloadBytes
  116: optional i64 createTime
  117: optional string error (omit = "unset")     // of a failed one, which only its author sees: a stable token,
  118: optional string message (omit = "unset")   // its text in the caller's language,
  119: optional bool retryable (omit = "unset")   // and whether RetryVideo may help
}

// createTime is "2006-01-02 15:04:05" in UTC.
struct Comment {
  1: CommentId id
  2: UserId userId
  3: VideoId videoId
  4: string content
  5: string createTime
  6: CommentId replyToId
  101: optional UserBrief user
  102: optional i64 likeCount
  103: optional bool isLike
  104: optional i64 replyCount
}

// seq counts the messages of a conversation.
struct Message {
  1: MessageId id
  2: UserId receiveId
  3: UserId sendId
  4: string content
  5: string createTime
  6: bool isRead
  101: optional i64 seq
}

// rtmpUrl is empty for everyone but the host.
struct LiveRoom {
  1: RoomId id
  2: UserId hostId
  3: string title
  4: string coverUrl
  5: string rtmpUrl
  6: string hlsUrl
  7: i64 viewerCount
  8: bool isLive
  9: string createTime
  101: optional string state
  102: optional UserBrief host
  103: optional string flvUrl
  104: optional string wsFlvUrl
  105: optional i64 onlineCount
  106: optional bool isPrivate
}

// mode is scroll, top or bottom.
struct Danmu {
  1: DanmuId id
  2: UserId userId
  3: RoomId liveId
  4: string content
  5: string color
  6: string createTime
  101: optional UserBrief user
  102: optional VideoId videoId
  103: optional i64 atMs
  104: optional string mode
  105: optional i32 fontSize
  106: optional i64 likeCount
  107: optional i64 mergedCount
}
