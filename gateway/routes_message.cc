#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

message::MessageApi& messages(Call& call) { return *call.edge.deps.services.message; }

Task<Result<message::SendMessageResp>> send(Call& call, const message::SendMessageReq& in) {
  message::SendMessageReq req = in;
  req.sender_id = call.ctx.caller;
  co_return co_await messages(call).send_message(call.ctx, req);
}

// The next page begins before the last message of this one: its id is both the cursor and what
// `before` takes.
Task<Result<ListPage<Message>>> list(Call& call, const message::GetChatHistoryReq& in) {
  message::GetChatHistoryReq req = in;
  req.user_id1 = call.ctx.caller;
  SV_CO_TRY(auto reply, co_await messages(call).get_chat_history(call.ctx, req));
  co_return ListPage<Message>{.items = std::move(reply.messages),
                              .next_cursor = reply.next_message_id
                                                 ? std::to_string(reply.next_message_id.value)
                                                 : std::string(),
                              .total = {}};
}

Task<Result<message::GetLatestMessagesResp>> conversations(
    Call& call, const message::GetLatestMessagesReq& in) {
  co_return co_await messages(call).get_latest_messages(call.ctx, by_caller(call, in));
}

Task<Result<http::MessageRequestsResp>> requests(Call& call,
                                                 const message::GetLatestMessagesReq& in) {
  message::GetLatestMessagesReq req = by_caller(call, in);
  req.requests = true;
  SV_CO_TRY(auto reply, co_await messages(call).get_latest_messages(call.ctx, req));
  co_return http::MessageRequestsResp{.requests = std::move(reply.messages),
                                      .next_cursor = std::move(reply.next_cursor).value_or("")};
}

Task<Result<>> accept(Call& call, const message::AcceptRequestReq& in) {
  co_return co_await messages(call).accept_request(call.ctx, by_caller(call, in));
}

Task<Result<message::GetUnreadCountResp>> unread(Call& call) {
  co_return co_await messages(call).get_unread_count(call.ctx, {.user_id = call.ctx.caller});
}

Task<Result<>> read(Call& call, const message::MarkConversationReadReq& in) {
  co_return co_await messages(call).mark_conversation_read(call.ctx, by_caller(call, in));
}

Task<Result<>> remove_message(Call& call, const message::DeleteMessageReq& in) {
  co_return co_await messages(call).delete_message(call.ctx, by_caller(call, in));
}

Task<Result<message::GetNotificationsResp>> notifications(Call& call,
                                                          const message::GetNotificationsReq& in) {
  co_return co_await messages(call).get_notifications(call.ctx, by_caller(call, in));
}

Task<Result<>> read_notification(Call& call, const message::MarkNotificationReadReq& in) {
  co_return co_await messages(call).mark_notification_read(call.ctx, by_caller(call, in));
}

Task<Result<message::NotificationSettings>> settings(Call& call) {
  SV_CO_TRY(auto reply, co_await messages(call).get_notification_settings(
                            call.ctx, {.user_id = call.ctx.caller}));
  co_return std::move(reply.settings);
}

Task<Result<>> set_settings(Call& call, const message::SetNotificationSettingsReq& in) {
  co_return co_await messages(call).set_notification_settings(call.ctx, by_caller(call, in));
}

constexpr Route kRoutes[] = {
    post<send>("/api/auth/message/send", Access::required, "Write to someone", RateClass::message),
    get<list>("/api/auth/message/list", Access::required, "A conversation, newest first"),
    get<conversations>("/api/auth/message/conversations", Access::required,
                       "The caller's conversations, newest first"),
    get<unread>("/api/auth/message/unread", Access::required, "How many messages are unread"),
    post<read>("/api/auth/message/read", Access::required,
               "A conversation was read up to a message's number"),
    remove<remove_message>("/api/auth/message", Access::required,
                           "Delete a message on the caller's side only"),
    get<requests>("/api/auth/message/requests", Access::required,
                  "What strangers wrote to the caller"),
    post<accept>("/api/auth/message/request/accept", Access::required,
                 "Make a stranger's request a conversation"),
    get<notifications>("/api/auth/notification/list", Access::required,
                       "The caller's notifications, newest first"),
    post<read_notification>("/api/auth/notification/read", Access::required,
                            "One notification was read, or all were"),
    get<settings>("/api/auth/notification/settings", Access::required,
                  "What makes notifications for the caller"),
    put<set_settings>("/api/auth/notification/settings", Access::required,
                      "Choose what makes notifications"),
};

}  // namespace

std::span<const Route> message_routes() { return kRoutes; }

}  // namespace sv::gateway
