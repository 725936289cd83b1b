// Likes, stars, comments, shares.
include "common.thrift"

namespace cpp sv.interaction

struct LikeActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (must = "1")
  3: bool action (json = "-")
}

struct LikeActionResp {
  1: common.BaseResp BaseResp
}

struct LikeVideoListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct LikeVideoListResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i32 totalCount
  101: optional string nextCursor
}

struct StarActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (must = "1")
  3: bool action (json = "-")
}

struct StarActionResp {
  1: common.BaseResp BaseResp
}

struct StarVideoListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct StarVideoListResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i32 totalCount
  101: optional string nextCursor
}

struct CommentActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (must = "1")
  3: string content (must = "1", len = "1..1000")
  4: optional common.CommentId replyToId
}

struct CommentActionResp {
  1: common.BaseResp BaseResp
  2: common.Comment comment
}

struct CommentListReq {
  1: common.VideoId videoId (must = "1")
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
  102: optional string sort (one_of = "new|hot")
  // Replies of this comment instead of top-level comments.
  103: optional common.CommentId replyTo
}

struct CommentListResp {
  1: common.BaseResp BaseResp
  2: list<common.Comment> comments
  3: i32 totalCount
  101: optional string nextCursor
}

// videoId may be 0: a comment knows its video. By its author or the video's.
struct DeleteCommentReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (json = "-")
  3: common.CommentId commentId (json = "id", must = "1")
}

struct DeleteCommentResp {
  1: common.BaseResp BaseResp
}

struct ShareActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (must = "1")
}

struct ShareActionResp {
  1: common.BaseResp BaseResp
}

struct CountReq {
  1: common.VideoId videoId (must = "1")
  101: optional common.UserId currentUserId (json = "-", actor = "1")
}

struct CountResp {
  1: common.BaseResp BaseResp
  2: i64 likeCount
  3: i64 commentCount
  4: i64 starCount
  5: i64 shareCount
}

struct CheckLikeStatusReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (must = "1")
}

struct CheckLikeStatusResp {
  1: common.BaseResp BaseResp
  2: bool isLiked
}

struct CheckStarStatusReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId (must = "1")
}

struct CheckStarStatusResp {
  1: common.BaseResp BaseResp
  2: bool isStarred
}

struct CommentLikeActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.CommentId commentId (must = "1")
  3: bool action (json = "-")
}

struct ReplyListReq {
  1: common.CommentId commentId (must = "1")
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: string cursor
}

struct ReplyListResp {
  1: common.BaseResp BaseResp
  2: list<common.Comment> replies
  3: string nextCursor
  4: i64 total
}

// -- Reports of what breaks the rules. The same person reports the same thing once: again answers the same id.
struct ReportReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: string kind (must = "1", one_of = "video|comment|danmu|user|message|live")
  3: i64 id (must = "1", range = "1..9007199254740991")
  4: string reason (must = "1", len = "1..100")
  5: string detail (len = "..1000")
}

struct ReportResp {
  1: common.BaseResp BaseResp
  2: i64 reportId
}

// status is open or decided; createTime is unix seconds.
struct ReportEntry {
  1: i64 id
  2: common.UserId userId
  3: string kind
  4: i64 subjectId
  5: string reason
  6: string detail
  7: string status
  8: i64 createTime
}

// Newest first for the reporter (userId set), oldest open ones first for moderators (userId 0).
struct ReportListReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 pageSize = 10 (range = "1..", cap = "100")
  3: string cursor
}

struct ReportListResp {
  1: common.BaseResp BaseResp
  2: list<ReportEntry> reports
  3: string nextCursor
}

// -- Parts for other services. They call no other service.
struct VideoInteractionParts {
  1: i64 likeCount
  2: i64 commentCount
  3: i64 starCount
  4: i64 shareCount
  5: bool isLike
  6: bool isStar
}

// One entry for each video asked for. userId 0 asks as a guest.
struct VideoInteractionPartsReq {
  1: common.UserId userId (actor = "1")
  2: list<common.VideoId> videoIds (len = "..200")
}

struct VideoInteractionPartsResp {
  1: common.BaseResp BaseResp
  2: map<common.VideoId, VideoInteractionParts> parts
}

// What a user's videos received.
struct UserInteractionParts {
  1: i64 likesReceived
  2: i64 commentsReceived
}

struct UserInteractionPartsReq {
  1: list<common.UserId> userIds (len = "..200")
}

struct UserInteractionPartsResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, UserInteractionParts> parts
}

service InteractionService {
  LikeActionResp LikeAction(1: LikeActionReq req)
  LikeVideoListResp GetLikeVideoList(1: LikeVideoListReq req)
  StarActionResp StarAction(1: StarActionReq req)
  StarVideoListResp GetStarVideoList(1: StarVideoListReq req)
  CommentActionResp CommentAction(1: CommentActionReq req)
  CommentListResp GetCommentList(1: CommentListReq req)
  DeleteCommentResp DeleteComment(1: DeleteCommentReq req)
  ShareActionResp ShareAction(1: ShareActionReq req)
  CountResp GetCount(1: CountReq req)
  CheckLikeStatusResp CheckLikeStatus(1: CheckLikeStatusReq req)
  CheckStarStatusResp CheckStarStatus(1: CheckStarStatusReq req)
  common.BaseResp CommentLikeAction(1: CommentLikeActionReq req)
  ReplyListResp GetReplyList(1: ReplyListReq req)
  ReportResp Report(1: ReportReq req)
  ReportListResp GetReports(1: ReportListReq req)
  VideoInteractionPartsResp GetVideoInteractionParts(1: VideoInteractionPartsReq req)
  UserInteractionPartsResp GetUserInteractionParts(1: UserInteractionPartsReq req)
}
