// Likes, stars, comments, shares.
include "common.thrift"

namespace cpp sv.interaction

struct LikeActionReq {
  1: common.UserId userId (json = "-")
  2: common.VideoId videoId (must = "1")
  3: bool action (json = "-")
}

struct LikeActionResp {
  1: common.BaseResp BaseResp
}

struct LikeVideoListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct LikeVideoListResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i32 totalCount
}

struct StarActionReq {
  1: common.UserId userId (json = "-")
  2: common.VideoId videoId (must = "1")
  3: bool action (json = "-")
}

struct StarActionResp {
  1: common.BaseResp BaseResp
}

struct StarVideoListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct StarVideoListResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i32 totalCount
}

struct CommentActionReq {
  1: common.UserId userId (json = "-")
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
  2: common.UserId currentUserId (json = "-")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct CommentListResp {
  1: common.BaseResp BaseResp
  2: list<common.Comment> comments
  3: i32 totalCount
}

struct DeleteCommentReq {
  1: common.UserId userId (json = "-")
  2: common.VideoId videoId (must = "1")
  3: common.CommentId commentId (must = "1")
}

struct DeleteCommentResp {
  1: common.BaseResp BaseResp
}

struct ShareActionReq {
  1: common.UserId userId (json = "-")
  2: common.VideoId videoId (must = "1")
}

struct ShareActionResp {
  1: common.BaseResp BaseResp
}

struct CountReq {
  1: common.VideoId videoId (must = "1")
}

struct CountResp {
  1: common.BaseResp BaseResp
  2: i64 likeCount
  3: i64 commentCount
  4: i64 starCount
  5: i64 shareCount
}

struct CheckLikeStatusReq {
  1: common.UserId userId (json = "-")
  2: common.VideoId videoId (must = "1")
}

struct CheckLikeStatusResp {
  1: common.BaseResp BaseResp
  2: bool isLiked
}

struct CheckStarStatusReq {
  1: common.UserId userId (json = "-")
  2: common.VideoId videoId (must = "1")
}

struct CheckStarStatusResp {
  1: common.BaseResp BaseResp
  2: bool isStarred
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
}
