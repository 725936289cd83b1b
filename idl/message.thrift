// Private messages and notifications.
include "common.thrift"

namespace cpp sv.message

struct SendMessageReq {
  1: common.UserId senderId (json = "-", actor = "1")
  2: common.UserId receiverId (must = "1")
  3: string content (must = "1", len = "1..2000")
}

struct SendMessageResp {
  1: common.BaseResp BaseResp
  2: common.MessageId messageId
  101: optional i64 seq
}

struct GetChatHistoryReq {
  1: common.UserId userId1 (json = "-", actor = "1")
  2: common.UserId userId2 (json = "other_user_id", must = "1")
  3: common.MessageId lastMessageId (json = "before")
  4: i32 pageSize = 20 (range = "1..", cap = "100")
}

struct GetChatHistoryResp {
  1: common.BaseResp BaseResp
  2: list<common.Message> messages
  3: common.MessageId nextMessageId
}

struct GetLatestMessagesReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 limit = 20 (json = "page_size", range = "1..", cap = "100")
  101: optional string cursor
  // Conversations that strangers began and the user has not accepted, instead of the others.
  102: optional bool requests (json = "-")
}

struct LatestMessage {
  1: common.User user
  2: common.Message lastMessage
  3: i32 unreadCount
}

struct GetLatestMessagesResp {
  1: common.BaseResp BaseResp
  2: list<LatestMessage> messages (json = "conversations")
  101: optional string nextCursor
}

struct MarkMessageReadReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.MessageId messageId (must = "1")
}

struct MarkMessageReadResp {
  1: common.BaseResp BaseResp
}

struct DeleteMessageReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.MessageId messageId (json = "id", must = "1")
}

struct DeleteMessageResp {
  1: common.BaseResp BaseResp
}

struct GetUnreadCountReq {
  1: common.UserId userId (json = "-", actor = "1")
}

// Unread messages of one conversation.
struct UnreadOfUser {
  1: common.UserId userId
  2: i64 count
}

struct GetUnreadCountResp {
  1: common.BaseResp BaseResp
  2: i64 totalUnread (json = "total")
  101: optional list<UnreadOfUser> byUser
}

// type is the number of kind: like 1, comment 2, reply 3, follow 4, follow_request 5, live 6, upload 7,
// upload_failed 8. relatedId is the newest comment, the newest follower, the room or the video.
struct SystemNotification {
  1: common.NotificationId id
  2: common.UserId userId
  3: string title
  4: string content
  5: i32 type
  6: i64 relatedId
  7: bool isRead
  8: string createTime
  // like, comment, reply, follow, follow_request, live, upload or upload_failed.
  101: optional string kind
  // The newest of those who did it, and how many there are.
  102: optional list<common.UserBrief> actors
  103: optional i64 count
  104: optional common.VideoId videoId
}

struct GetNotificationsReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: optional i32 type (range = "0..", json = "-")
  101: optional string cursor
  102: optional string kind (one_of = "like|comment|reply|follow|follow_request|live|upload|upload_failed", json = "type")
}

struct GetNotificationsResp {
  1: common.BaseResp BaseResp
  2: list<SystemNotification> notifications
  3: i32 totalCount (json = "total")
  101: optional string nextCursor
  102: optional i64 unread
}

// One of them, or all.
struct MarkNotificationReadReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.NotificationId notificationId (json = "id")
  101: optional bool all
}

struct MarkNotificationReadResp {
  1: common.BaseResp BaseResp
}

// Everything up to seq in the conversation with that user is read.
struct MarkConversationReadReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.UserId otherUserId (must = "1")
  3: i64 seq (must = "1", range = "1..")
}

struct AcceptRequestReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: common.UserId fromUserId (json = "user_id", must = "1")
}

// What makes notifications for this user. Unset: as it was.
struct NotificationSettings {
  1: optional bool like
  2: optional bool comment
  3: optional bool reply
  4: optional bool follow
  5: optional bool live
  6: optional bool upload
  7: optional bool message
}

struct NotificationSettingsReq {
  1: common.UserId userId (json = "-", actor = "1")
}

struct NotificationSettingsResp {
  1: common.BaseResp BaseResp
  2: NotificationSettings settings
}

struct SetNotificationSettingsReq {
  1: common.UserId userId (json = "-", actor = "1")
  2: optional bool like
  3: optional bool comment
  4: optional bool reply
  5: optional bool follow
  6: optional bool live
  7: optional bool upload
  8: optional bool message
}

// Who wrote a message that the user may read: for those who let it be reported.
struct MessageSenderReq {
  1: common.UserId userId (actor = "1")
  2: common.MessageId messageId
}

struct MessageSenderResp {
  1: common.BaseResp BaseResp
  2: common.UserId senderId
}

service MessageService {
  SendMessageResp SendMessage(1: SendMessageReq req)
  GetChatHistoryResp GetChatHistory(1: GetChatHistoryReq req)
  GetLatestMessagesResp GetLatestMessages(1: GetLatestMessagesReq req)
  MarkMessageReadResp MarkMessageRead(1: MarkMessageReadReq req)
  DeleteMessageResp DeleteMessage(1: DeleteMessageReq req)
  GetUnreadCountResp GetUnreadCount(1: GetUnreadCountReq req)
  GetNotificationsResp GetNotifications(1: GetNotificationsReq req)
  MarkNotificationReadResp MarkNotificationRead(1: MarkNotificationReadReq req)
  common.BaseResp MarkConversationRead(1: MarkConversationReadReq req)
  common.BaseResp AcceptRequest(1: AcceptRequestReq req)
  NotificationSettingsResp GetNotificationSettings(1: NotificationSettingsReq req)
  common.BaseResp SetNotificationSettings(1: SetNotificationSettingsReq req)
  MessageSenderResp GetMessageSender(1: MessageSenderReq req)
}
