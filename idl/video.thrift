// Videos: publishing, feed, search, statistics.
include "common.thrift"

namespace cpp sv.video

struct PublishVideoReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: string title (must = "1", len = "1..100")
  3: string videoUrl
  4: string coverUrl
  5: string description (len = "..2000")
}

struct PublishVideoResp {
  1: common.BaseResp BaseResp
  2: common.VideoId videoId
}

struct UserVideoListReq {
  1: common.UserId userId
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct UserVideoListResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i32 totalCount
  101: optional string nextCursor
}

struct FeedReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i64 latestTime (range = "0..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  // Exact position in the feed, from nextCursor; wins over latestTime. A page asked for without it ends on a whole second.
  101: optional string cursor
}

struct FeedResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i64 nextTime
  101: optional string nextCursor
}

struct SearchVideoReq {
  1: string keyword (must = "1", len = "1..100")
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 page = 1 (range = "1..")
  4: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct SearchVideoResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: i32 totalCount
}

struct VideoDetailReq {
  1: common.VideoId videoId (json = "id", must = "1")
  2: common.UserId currentUserId (json = "-", actor = "1")
}

struct VideoDetailResp {
  1: common.BaseResp BaseResp
  2: common.Video video
}

struct BatchVideoInfoReq {
  1: common.UserId currentUserId (json = "-", actor = "1")
  2: list<common.VideoId> videoIds (len = "..200")
}

struct BatchVideoInfoResp {
  1: common.BaseResp BaseResp
  2: map<common.VideoId, common.Video> videos
}

struct DeleteVideoReq {
  1: common.VideoId videoId (json = "id", must = "1")
  2: common.UserId userId (json = "-", actor = "1")
}

struct DeleteVideoResp {
  1: common.BaseResp BaseResp
}

struct UpdateVideoInfoReq {
  1: common.VideoId videoId (json = "id", must = "1")
  2: common.UserId userId (json = "-", actor = "1")
  3: optional string title (len = "1..100")
  4: optional string description (len = "..2000")
  101: optional list<string> tags (len = "..20")
  102: optional string visibility (one_of = "public|unlisted|private")
}

struct UpdateVideoInfoResp {
  1: common.BaseResp BaseResp
}

struct VideoStatsReq {
  1: common.VideoId videoId (json = "id", must = "1")
}

struct VideoStats {
  1: common.VideoId videoId
  2: i64 viewCount
  3: i64 likeCount
  4: i64 commentCount
  5: i64 shareCount
  // Every view beacon, qualified or not: set for the author only.
  101: optional i64 rawViewCount
}

struct VideoStatsResp {
  1: common.BaseResp BaseResp
  2: VideoStats stats
}

struct HotVideoReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 pageSize = 10 (range = "1..", cap = "100")
  101: optional string cursor
}

struct HotVideoResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  101: optional string nextCursor
}

struct UploadVideoReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: binary videoData (json = "-")
  3: binary coverData (json = "-")
  4: string title (must = "1", len = "1..100")
  5: string description (len = "..2000")
}

struct UploadVideoResp {
  1: common.BaseResp BaseResp
  2: string videoUrl
  3: string coverUrl
}

struct GetUserVideoCountReq {
  1: common.UserId userId (must = "1")
}

struct GetUserVideoCountResp {
  1: common.BaseResp BaseResp
  2: i64 count
}

struct GetTotalVideoCountReq {}

struct GetTotalVideoCountResp {
  1: common.BaseResp BaseResp
  2: i64 count
}

// -- Uploads. The caller streams the bytes to objectKey (and a cover to coverKey) between BeginUpload and FinishUpload, which
// checks them: 415 media_unsupported (cover_unsupported) when the first bytes are not a known container, 400 size_invalid when the object
// is not `size` bytes. An upload that never ends is removed. FinishUpload again with the same uploadId answers the same video.
struct BeginUploadReq {
  1: common.UserId userId (json = "-", actor = "1")
}

struct BeginUploadResp {
  1: common.BaseResp BaseResp
  2: i64 uploadId
  3: string objectKey
  4: string coverKey
}

struct FinishUploadReq {
  1: i64 uploadId (must = "1")
  2: common.UserId userId (json = "-", actor = "1")
  3: string title (must = "1", len = "1..100")
  4: optional string description (len = "..2000")
  5: optional list<string> tags (len = "..20")
  6: optional string visibility (one_of = "public|unlisted|private")
  7: i64 size (json = "-")
  8: string sha256 (json = "-")
  9: optional string coverKey (json = "-")
}

struct FinishUploadResp {
  1: common.BaseResp BaseResp
  2: common.Video video
}

// Unknown or finished ids succeed: there is nothing left to abort.
struct AbortUploadReq {
  1: i64 uploadId
  2: common.UserId userId (json = "-", actor = "1")
}

struct AbortUploadResp {
  1: common.BaseResp BaseResp
}

// -- Processing, for the author only. status is uploaded, probing, transcoding, ready or failed; stage is probe, cover, first, sprite, ladder or done.
struct Rendition {
  1: string name
  2: i32 width
  3: i32 height
  4: i64 bitrate
  5: i64 bytes
  6: string state (one_of = "queued|ready|failed")
  7: string url
}

struct VideoStatusReq {
  1: common.VideoId videoId (json = "id", must = "1")
  2: common.UserId currentUserId (json = "-", actor = "1")
}

struct VideoStatusResp {
  1: common.BaseResp BaseResp
  2: common.VideoId id
  3: string status
  4: string stage
  5: i32 progress
  6: optional string error
  7: optional bool retryable
  8: list<Rendition> renditions
  9: string hlsUrl
  10: string spriteUrl
  11: string vttUrl
  12: optional string message   // the text of `error`, in the caller's language
}

// A failed video, or a ready one whose ladder gave up. 409 not_retryable when there is nothing to do again.
struct RetryVideoReq {
  1: common.VideoId videoId (json = "id", must = "1")
  2: common.UserId userId (json = "-", actor = "1")
}

struct RetryVideoResp {
  1: common.BaseResp BaseResp
}

// -- The caller's own videos of every status and visibility, newest upload first.
struct ListMineReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: string cursor
  3: i32 pageSize = 10 (range = "1..", cap = "100")
}

struct ListMineResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: string nextCursor
  4: i64 total
}

// A view beacon. viewerKey names a guest: base64url of HMAC-SHA256(salt, address "\n" user agent), so that neither leaves the gateway;
// for a user it is ignored. Counted within a second.
struct RecordViewReq {
  1: common.VideoId videoId (must = "1")
  2: string viewerKey (json = "-")
  3: i64 watchedMs (range = "0..")
  4: common.UserId userId (json = "-", actor = "1")
}

struct RecordViewResp {
  1: common.BaseResp BaseResp
}

// The salt of the view window that runs, for leftMs more. Whoever asks forgets it then, as its owner does.
struct ViewSaltReq {}

struct ViewSaltResp {
  1: common.BaseResp BaseResp
  2: string salt
  3: i64 leftMs
}

// What a media path ("/media/<video>/<rev>/<file>", decoded, without query) stands for; 404 when it stands for nothing (any more).
// isPublic false: serve only with a valid signature of signedPrefix, and as private. Answers may be kept for a second.
struct AuthorizeMediaReq {
  1: string path
}

struct AuthorizeMediaResp {
  1: common.BaseResp BaseResp
  2: string objectKey
  3: bool isPublic
  4: string contentType
  5: string signedPrefix
}

// -- More lists.
struct FollowingFeedReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 pageSize = 10 (range = "1..", cap = "100")
  3: string cursor
}

// By shared tags, then by the same author.
struct RelatedVideoReq {
  1: common.VideoId videoId (json = "id", must = "1")
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: string cursor
}

struct TagVideoReq {
  1: string tag (must = "1", len = "1..50")
  2: common.UserId currentUserId (json = "-", actor = "1")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: string cursor
}

struct VideoPageResp {
  1: common.BaseResp BaseResp
  2: list<common.Video> videos
  3: string nextCursor
}

struct HotTagReq {
  1: i32 pageSize = 10 (range = "1..", cap = "100")
}

// videoCount counts the listed videos that carry it.
struct TagCount {
  1: string tag
  2: i64 videoCount
}

struct HotTagResp {
  1: common.BaseResp BaseResp
  2: list<TagCount> tags
  3: string nextCursor
}

struct SearchTagsReq {
  1: string keyword
  2: i32 page = 1
  3: i32 pageSize = 10
}

struct SearchTagsResp {
  1: common.BaseResp BaseResp
  2: list<TagCount> tags
  3: i64 total
}

// The caller does not see this video, or anything of this author, in feeds any more.
struct NotInterestedReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.VideoId videoId
  3: common.UserId authorId
  4: string reason (len = "..200")
}

// -- Parts for other services. They call no other service.
struct UserVideoParts {
  1: i64 videoCount
}

struct UserVideoPartsReq {
  1: list<common.UserId> userIds (len = "..200")
}

struct UserVideoPartsResp {
  1: common.BaseResp BaseResp
  2: map<common.UserId, UserVideoParts> parts
}

// Videos that currentUserId may watch; the others are left out.
struct VideoBrief {
  1: common.VideoId id
  2: common.UserId authorId
  3: string title
  4: string coverUrl
  5: i64 durationMs
}

struct VideoBriefsReq {
  1: common.UserId currentUserId (json = "-", actor = "1")
  2: list<common.VideoId> videoIds (len = "..200")
  3: optional bool withFailed  // the caller's own, too
  4: optional bool withoutCovers
}

struct VideoBriefsResp {
  1: common.BaseResp BaseResp
  2: map<common.VideoId, VideoBrief> briefs
}

service VideoService {
  PublishVideoResp PublishVideo(1: PublishVideoReq req)
  UserVideoListResp GetUserVideoList(1: UserVideoListReq req)
  FeedResp GetFeed(1: FeedReq req)
  SearchVideoResp SearchVideo(1: SearchVideoReq req)
  VideoDetailResp GetVideoDetail(1: VideoDetailReq req)
  BatchVideoInfoResp BatchGetVideoInfo(1: BatchVideoInfoReq req)
  DeleteVideoResp DeleteVideo(1: DeleteVideoReq req)
  UpdateVideoInfoResp UpdateVideoInfo(1: UpdateVideoInfoReq req)
  VideoStatsResp GetVideoStats(1: VideoStatsReq req)
  HotVideoResp GetHotVideos(1: HotVideoReq req)
  UploadVideoResp UploadVideo(1: UploadVideoReq req)
  GetUserVideoCountResp GetUserVideoCount(1: GetUserVideoCountReq req)
  GetTotalVideoCountResp GetTotalVideoCount(1: GetTotalVideoCountReq req)

  BeginUploadResp BeginUpload(1: BeginUploadReq req)
  FinishUploadResp FinishUpload(1: FinishUploadReq req)
  AbortUploadResp AbortUpload(1: AbortUploadReq req)
  VideoStatusResp GetVideoStatus(1: VideoStatusReq req)
  RetryVideoResp RetryVideo(1: RetryVideoReq req)
  ListMineResp ListMine(1: ListMineReq req)
  RecordViewResp RecordView(1: RecordViewReq req)
  AuthorizeMediaResp AuthorizeMedia(1: AuthorizeMediaReq req)
  UserVideoPartsResp GetUserVideoParts(1: UserVideoPartsReq req)
  VideoBriefsResp GetVideoBriefs(1: VideoBriefsReq req)
  VideoPageResp GetFollowingFeed(1: FollowingFeedReq req)
  VideoPageResp GetRelatedVideos(1: RelatedVideoReq req)
  VideoPageResp GetTagVideos(1: TagVideoReq req)
  HotTagResp GetHotTags(1: HotTagReq req)
  SearchTagsResp SearchTags(1: SearchTagsReq req)
  common.BaseResp NotInterested(1: NotInterestedReq req)
  ViewSaltResp GetViewSalt(1: ViewSaltReq req)
}
