#pragma once

#include <set>
#include <vector>

#include "services/message/notices.h"
#include "services/message/pages.h"
#include "services/message/rules.h"
#include "services/message/service.h"
#include "services/parts/gone_people.h"
#include "services/parts/people.h"
#include "services/parts/request_keys.h"

namespace sv::message {

// Rows of kHistory, newest first.
struct HistoryPage {
  std::vector<Message> messages;
  bool more = false;
};

// Rows of kLatest, newest first.
struct InboxPage {
  struct Entry {
    UserId other;
    std::int64_t unread = 0, last_ms = 0;
    Message last;
  };
  std::vector<Entry> entries;
};

struct UnreadPage {
  std::vector<UnreadOfUser> by_user;
  std::int64_t total = 0;  // also of those beyond by_user
};

struct NoticeRow {
  NotificationId id;
  Kind kind{};
  VideoId video{};
  std::int64_t related = 0;
  std::vector<UserId> actors{};
  std::int64_t count = 0;
  bool is_read = false;
  std::int64_t time_ms = 0;
};

struct NoticePage {
  std::vector<NoticeRow> rows;
};

// What the first page of a list says beside its rows.
struct NoticeTotals {
  std::int64_t total = 0, unread = 0;
  std::vector<NoticeRow> newest_unread;  // some of which the user may not see now
};

// The service itself; others see MessageApi (service.h).
class LocalService final : public MessageApi {
 public:
  LocalService(const MessageDeps& deps, const MessageOptions& options);

  // service_chat.cc
  Task<Result<SendMessageResp>> send_message(const Ctx& ctx, const SendMessageReq& req) override;
  Task<Result<GetChatHistoryResp>> get_chat_history(const Ctx& ctx,
                                                    const GetChatHistoryReq& req) override;
  Task<Result<>> mark_conversation_read(const Ctx& ctx,
                                        const MarkConversationReadReq& req) override;
  Task<Result<>> mark_message_read(const Ctx& ctx, const MarkMessageReadReq& req) override;
  Task<Result<MessageSenderResp>> get_message_sender(const Ctx& ctx,
                                                     const MessageSenderReq& req) override;
  Task<Result<>> delete_message(const Ctx& ctx, const DeleteMessageReq& req) override;

  // service_inbox.cc
  Task<Result<GetLatestMessagesResp>> get_latest_messages(const Ctx& ctx,
                                                          const GetLatestMessagesReq& req) override;
  Task<Result<GetUnreadCountResp>> get_unread_count(const Ctx& ctx,
                                                    const GetUnreadCountReq& req) override;
  Task<Result<>> accept_request(const Ctx& ctx, const AcceptRequestReq& req) override;

  // service_notifications.cc
  Task<Result<GetNotificationsResp>> get_notifications(const Ctx& ctx,
                                                       const GetNotificationsReq& req) override;
  Task<Result<>> mark_notification_read(const Ctx& ctx,
                                        const MarkNotificationReadReq& req) override;
  Task<Result<NotificationSettingsResp>> get_notification_settings(
      const Ctx& ctx, const NotificationSettingsReq& req) override;
  Task<Result<>> set_notification_settings(const Ctx& ctx,
                                           const SetNotificationSettingsReq& req) override;

 private:
  // The lists that pages are of, as a part of their keys.
  enum class List : std::int64_t { history, inbox, requests, unread, notices, totals };

  // service_chat.cc: what the other services say of a message before it is written.
  struct Standing {
    bool followed = false;       // the receiver follows the sender
    bool followed_only = false;  // and wants nobody else's messages
    std::optional<Error> refusal;
  };
  Task<Result<Standing>> standing(const Ctx& ctx, UserId sender, UserId receiver);
  Result<SendMessageResp> write_message(sql::Tx& tx, const Ctx& ctx, const SendMessageReq& req,
                                        const Standing& standing);
  Result<> read_up_to(sql::Tx& tx, UserId user, UserId other, std::int64_t seq);
  Result<> delete_tx(sql::Tx& tx, const DeleteMessageReq& req);
  Result<> count_unread(sql::Tx& tx, Pair pair, UserId user, UserId other, std::int64_t upto);
  // A change of the conversation that both may see: read, sent or deleted.
  Result<> lock_conversation(sql::Tx& tx, Pair pair);
  void conversation_changed(sql::Tx& tx, Pair pair);

  // service_inbox.cc
  Task<Result<PageCache<InboxPage>::Ptr>> inbox_page(const Ctx& ctx, UserId user, List list,
                                                     std::int64_t last_ms, std::int64_t other,
                                                     std::int64_t count);
  Task<People> people(const Ctx& ctx, UserId viewer, const std::set<UserId>& ids);

  // service_notifications.cc
  struct Sight;
  Task<> look(const Ctx& ctx, UserId user, const std::vector<NoticeRow>& rows, Sight& sight);
  Task<Result<PageCache<NoticePage>::Ptr>> notice_page(const Ctx& ctx, UserId user,
                                                       std::int64_t kind, std::int64_t time_ms,
                                                       std::int64_t id, std::int64_t count,
                                                       std::int64_t offset);
  Task<Result<PageCache<NoticeTotals>::Ptr>> notice_totals(const Ctx& ctx, UserId user,
                                                           std::int64_t kind);

  // consumer.cc
  struct News;
  Task<Result<Effect>> consume(const std::vector<Event>& events);
  Task<Result<Effect>> take_alone(const Event& event);
  Task<Result<>> keep_wanted(News& news);
  Result<> tell(sql::Tx& tx, const News& news);
  Task<Result<>> forget_acts(UserId actor, UserId user);
  Task<Result<>> purge(UserId user);

  const MessageDeps deps_;
  const MessageOptions options_;
  const PeopleParts people_;
  const Peer users_, ties_, privacy_;
  const RequestKeys keys_;
  const GonePeople gone_{"message_gone"};
  Generations generations_;
  const Notices notices_;
  PageCache<HistoryPage> histories_{deps_.memory()};
  PageCache<InboxPage> inboxes_{deps_.memory()};
  PageCache<UnreadPage> unread_{deps_.memory()};
  PageCache<NoticePage> notice_pages_{deps_.memory()};
  PageCache<NoticeTotals> notice_totals_{deps_.memory()};
};

}  // namespace sv::message
