// Private messages and notifications.
include "common.thrift"

namespace cpp sv.message

struct SendMessageReq {
  1: common.UserId senderId (json = "-")
  2: common.UserId receiverId (must = "1")
  3: string content (must = "1", len = "1..2000")
}

struct SendMessageResp {
  1: common.BaseResp BaseResp
  2: common.MessageId messageId
}

struct GetChatHistoryReq {
  1: common.UserId userId1 (json = "-")
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
  1: common.UserId userId (json = "-")
  2: i32 limit = 20 (range = "1..", cap = "100")
}

struct LatestMessage {
  1: common.User user
  2: common.Message lastMessage
  3: i32 unreadCount
}

struct GetLatestMessagesResp {
  1: common.BaseResp BaseResp
  2: list<LatestMessage> messages
}

struct MarkMessageReadReq {
  1: common.UserId userId (json = "-")
  2: common.MessageId messageId (must = "1")
}

struct MarkMessageReadResp {
  1: common.BaseResp BaseResp
}

struct DeleteMessageReq {
  1: common.UserId userId (json = "-")
  2: common.MessageId messageId (must = "1")
}

struct DeleteMessageResp {
  1: common.BaseResp BaseResp
}

struct GetUnreadCountReq {
  1: common.UserId userId (json = "-")
}

struct GetUnreadCountResp {
  1: common.BaseResp BaseResp
  2: i64 totalUnread
}

struct SystemNotification {
  1: common.NotificationId id
  2: common.UserId userId
  3: string title
  4: string content
  5: i32 type
  6: i64 relatedId
  7: bool isRead
  8: string createTime
}

struct GetNotificationsReq {
  1: common.UserId userId (json = "-")
  2: i32 page = 1 (range = "1..")
  3: i32 pageSize = 10 (range = "1..", cap = "100")
  4: optional i32 type (range = "0..")
}

struct GetNotificationsResp {
  1: common.BaseResp BaseResp
  2: list<SystemNotification> notifications
  3: i32 totalCount
}

struct MarkNotificationReadReq {
  1: common.UserId userId (json = "-")
  2: common.NotificationId notificationId (must = "1")
}

struct MarkNotificationReadResp {
  1: common.BaseResp BaseResp
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
}
