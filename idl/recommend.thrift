// Recommendations and what they learn from.
include "common.thrift"

namespace cpp sv.recommend

struct GetRecommendVideosReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 pageSize = 10 (range = "1..", cap = "100")
  3: optional i64 offset
}

struct GetRecommendVideosResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i64 nextOffset
}

struct GetRecommendUsersReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 count = 10 (range = "1..", cap = "100")
}

struct GetRecommendUsersResp {
  1: common.BaseResp BaseResp
  2: list<common.User> users
}

struct UserActionReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i64 itemId (must = "1")
  3: string itemType (must = "1", one_of = "video|user|tag")
  4: string actionType (json = "action", must = "1")
  5: optional i32 duration
  6: optional double score
  7: string timestamp (json = "-")
}

struct UserActionResp {
  1: common.BaseResp BaseResp
}

struct GetHotTagsReq {
  1: i32 count = 10 (range = "1..", cap = "100")
}

struct TagInfo {
  1: string tagName
  2: i64 videoCount
  3: i64 viewCount
}

struct GetHotTagsResp {
  1: common.BaseResp BaseResp
  2: list<TagInfo> tags
}

struct GetTagVideosReq {
  1: string tag (must = "1", len = "1..50")
  2: common.UserId userId (json = "-", actor = "1")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct GetTagVideosResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
}

struct GetPersonalizedFeedReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 pageSize = 10 (range = "1..", cap = "100")
  3: optional common.VideoId lastVideoId
}

struct GetPersonalizedFeedResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: common.VideoId nextLastVideoId
}

service RecommendService {
  GetRecommendVideosResp GetRecommendVideos(1: GetRecommendVideosReq req)
  GetRecommendUsersResp GetRecommendUsers(1: GetRecommendUsersReq req)
  UserActionResp RecordUserAction(1: UserActionReq req)
  GetHotTagsResp GetHotTags(1: GetHotTagsReq req)
  GetTagVideosResp GetTagVideos(1: GetTagVideosReq req)
  GetPersonalizedFeedResp GetPersonalizedFeed(1: GetPersonalizedFeedReq req)
}
