// Live rooms and gifts.
include "common.thrift"

namespace cpp sv.live

struct CreateLiveRoomReq {
  1: common.UserId hostId (json = "-", actor = "1")
  2: string title (must = "1", len = "1..100")
  3: string coverUrl (len = "..500")
  4: optional string description (len = "..2000")
}

struct CreateLiveRoomResp {
  1: common.BaseResp BaseResp
  2: common.LiveRoom room
}

struct StartLiveReq {
  1: common.UserId hostId (json = "-", actor = "1")
  2: common.RoomId roomId (must = "1")
  3: string rtmpUrl
}

struct StartLiveResp {
  1: common.BaseResp BaseResp
}

struct StopLiveReq {
  1: common.UserId hostId (json = "-", actor = "1")
  2: common.RoomId roomId (must = "1")
}

struct StopLiveResp {
  1: common.BaseResp BaseResp
}

struct GetLiveRoomsReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: optional bool followingOnly
}

struct GetLiveRoomsResp {
  1: common.BaseResp BaseResp
  2: list<common.LiveRoom> rooms
  3: i32 totalCount
}

struct GetLiveRoomDetailReq {
  1: common.RoomId roomId (must = "1")
  2: common.UserId userId (json = "-", actor = "1")
}

struct GetLiveRoomDetailResp {
  1: common.BaseResp BaseResp
  2: common.LiveRoom room
  3: i64 onlineCount
}

struct JoinLiveRoomReq {
  1: common.RoomId roomId (must = "1")
  2: common.UserId userId (json = "-", actor = "1")
}

struct JoinLiveRoomResp {
  1: common.BaseResp BaseResp
  2: string hlsUrl
  3: list<string> chatHistory
}

struct LeaveLiveRoomReq {
  1: common.RoomId roomId (must = "1")
  2: common.UserId userId (json = "-", actor = "1")
}

struct LeaveLiveRoomResp {
  1: common.BaseResp BaseResp
}

struct Gift {
  1: common.GiftId id
  2: string name
  3: i64 price
  4: string iconUrl
  5: string animationUrl
}

struct SendGiftReq {
  1: common.UserId senderId (json = "-", actor = "1")
  2: common.RoomId roomId (must = "1")
  3: common.GiftId giftId (must = "1")
  4: i32 count (must = "1", range = "1..9999")
}

struct SendGiftResp {
  1: common.BaseResp BaseResp
  2: i64 totalPrice
}

struct GetGiftListResp {
  1: common.BaseResp BaseResp
  2: list<Gift> gifts
}

struct SetRoomAdminReq {
  1: common.UserId hostId (json = "-", actor = "1")
  2: common.RoomId roomId (must = "1")
  3: common.UserId targetUserId (json = "user_id", must = "1")
  4: bool action (json = "on")
}

struct SetRoomAdminResp {
  1: common.BaseResp BaseResp
}

struct RecordLiveReq {
  1: common.UserId hostId (json = "-", actor = "1")
  2: common.RoomId roomId (must = "1")
  3: bool action (json = "on")
}

struct RecordLiveResp {
  1: common.BaseResp BaseResp
  2: optional string videoUrl
}

service LiveService {
  CreateLiveRoomResp CreateLiveRoom(1: CreateLiveRoomReq req)
  StartLiveResp StartLive(1: StartLiveReq req)
  StopLiveResp StopLive(1: StopLiveReq req)
  GetLiveRoomsResp GetLiveRooms(1: GetLiveRoomsReq req)
  GetLiveRoomDetailResp GetLiveRoomDetail(1: GetLiveRoomDetailReq req)
  JoinLiveRoomResp JoinLiveRoom(1: JoinLiveRoomReq req)
  LeaveLiveRoomResp LeaveLiveRoom(1: LeaveLiveRoomReq req)
  SendGiftResp SendGift(1: SendGiftReq req)
  GetGiftListResp GetGiftList()
  SetRoomAdminResp SetRoomAdmin(1: SetRoomAdminReq req)
  RecordLiveResp RecordLive(1: RecordLiveReq req)
}
