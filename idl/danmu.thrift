// Danmu: comments that fly over a picture.
include "common.thrift"

namespace cpp sv.danmu

struct SendDanmuReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.RoomId liveId
  3: string content (must = "1", len = "1..100")
  4: optional string color (pattern = "#[0-9A-Fa-f]{6}")
  5: optional i32 fontSize (range = "10..72")
  6: optional i32 position (range = "0..2")
}

struct SendDanmuResp {
  1: common.BaseResp BaseResp
  2: common.DanmuId danmuId
}

struct GetDanmuHistoryReq {
  1: common.RoomId liveId
  2: i64 startTime (json = "start", range = "0..")
  3: i64 endTime (json = "end", range = "0..")
  4: i32 limit = 100 (range = "1..", cap = "100")
}

struct GetDanmuHistoryResp {
  1: common.BaseResp BaseResp
  2: list<common.Danmu> danmus
}

struct DanmuFilter {
  1: common.UserId userId
  2: common.RoomId liveId
  3: list<string> keywords (len = "..100")
  4: bool hideAnonymous
  5: bool hideLowLevel
}

struct SetDanmuFilterReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.RoomId liveId (must = "1")
  3: DanmuFilter filter
}

struct SetDanmuFilterResp {
  1: common.BaseResp BaseResp
}

struct GetDanmuFilterReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.RoomId liveId (must = "1")
}

struct GetDanmuFilterResp {
  1: common.BaseResp BaseResp
  2: DanmuFilter filter
}

struct DanmuStats {
  1: common.RoomId liveId
  2: i64 totalDanmuCount
  3: i64 activeUserCount
  4: i64 peakDanmuPerMinute
  5: map<string, i64> wordCloud
}

struct GetDanmuStatsReq {
  1: common.RoomId liveId (must = "1")
}

struct GetDanmuStatsResp {
  1: common.BaseResp BaseResp
  2: DanmuStats stats
}

struct ManageDanmuReq {
  1: common.UserId managerId (json = "-", actor = "1")
  2: common.RoomId liveId (must = "1")
  3: common.DanmuId danmuId (must = "1")
  4: i32 action (json = "-")
}

struct ManageDanmuResp {
  1: common.BaseResp BaseResp
}

struct LikeDanmuReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.DanmuId danmuId (must = "1")
}

struct LikeDanmuResp {
  1: common.BaseResp BaseResp
  2: i64 likeCount
}

service DanmuService {
  SendDanmuResp SendDanmu(1: SendDanmuReq req)
  GetDanmuHistoryResp GetDanmuHistory(1: GetDanmuHistoryReq req)
  SetDanmuFilterResp SetDanmuFilter(1: SetDanmuFilterReq req)
  GetDanmuFilterResp GetDanmuFilter(1: GetDanmuFilterReq req)
  GetDanmuStatsResp GetDanmuStats(1: GetDanmuStatsReq req)
  ManageDanmuResp ManageDanmu(1: ManageDanmuReq req)
  LikeDanmuResp LikeDanmu(1: LikeDanmuReq req)
}
