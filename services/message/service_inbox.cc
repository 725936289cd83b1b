#include <limits>

#include "platform/core/cursor.h"
#include "platform/core/time.h"
#include "services/message/local_service.h"
#include "services/message/store.h"

namespace sv::message {
namespace {

constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kBatch = 200;  // of people asked for at once

InboxPage read_inbox(const sql::Rows& rows, UserId user) {
  InboxPage page;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const UserId other(rows.i64(i, 0)), sender(rows.i64(i, 5));
    const UserId receiver = sender == user ? other : user;
    const std::int64_t read = rows.i64(i, receiver.value == rows.i64(i, 8) ? 9 : 10);
    page.entries.push_back({.other = other,
                            .unread = rows.i64(i, 1),
                            .last_ms = rows.i64(i, 2),
                            .last = {.id = MessageId(rows.i64(i, 3)),
                                     .receive_id = receiver,
                                     .send_id = sender,
                                     .content = rows.text(i, 6),
                                     .create_time = format_text_time(rows.i64(i, 7)),
                                     .is_read = read >= rows.i64(i, 4),
                                     .seq = rows.i64(i, 4)}});
  }
  return page;
}

}  // namespace

// In as many calls as batches need; most lists are one.
Task<People> LocalService::people(const Ctx& ctx, UserId viewer, const std::set<UserId>& ids) {
  People out;
  for (auto from = ids.begin(); from != ids.end();) {
    std::vector<UserId> batch;
    for (; from != ids.end() && batch.size() < kBatch; ++from) batch.push_back(*from);
    out.merge(co_await people_.look_up(ctx, viewer, std::move(batch)));
  }
  co_return out;
}

Task<Result<PageCache<InboxPage>::Ptr>> LocalService::inbox_page(const Ctx& ctx, UserId user,
                                                                 List list, std::int64_t last_ms,
                                                                 std::int64_t other,
                                                                 std::int64_t count) {
  const PageKey key{static_cast<std::int64_t>(generations_.of(user.value)),
                    static_cast<std::int64_t>(list),
                    user.value,
                    last_ms,
                    other,
                    count,
                    0};
  if (auto page = inboxes_.find(ctx, key)) co_return page;
  const auto stamp = inboxes_.stamp();
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, store::kLatest,
                                    {user, list == List::requests, last_ms, other, count}));
  auto page = std::make_shared<const InboxPage>(read_inbox(rows, user));
  std::size_t bytes = 0;
  for (const auto& entry : page->entries) bytes += entry.last.content.size();
  if (bytes <= kKeptBytes) inboxes_.put(stamp, key, page);
  co_return page;
}

// One statement a page, another for each time that blocked people emptied it.
Task<Result<GetLatestMessagesResp>> LocalService::get_latest_messages(
    const Ctx& ctx, const GetLatestMessagesReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  const List list = req.requests.value_or(false) ? List::requests : List::inbox;
  const std::string_view route = list == List::requests ? "requests" : "inbox";
  const auto size = page_size(req.limit, 20);
  SV_CO_TRY(const auto cursor, decode_cursor(route, req.cursor.value_or("")));
  Cursor at = cursor.value_or(Cursor{.key = kFar, .id = kFar});

  std::vector<InboxPage::Entry> kept;
  std::vector<UserId> others;
  People people;
  bool more = true;
  for (std::size_t count = size + 1; more && kept.size() <= size; count = kBatch) {
    SV_CO_TRY(const auto page, co_await inbox_page(ctx, req.user_id, list, at.key, at.id,
                                                   static_cast<std::int64_t>(count)));
    more = page->entries.size() == count;
    std::set<UserId> ids;
    for (const auto& entry : page->entries) ids.insert(entry.other);
    people.merge(co_await this->people(ctx, req.user_id, ids));
    for (const auto& entry : page->entries) {
      at = {.key = entry.last_ms, .id = entry.other.value};
      const Person& other = people[entry.other];
      // What someone wrote stays readable when the account is gone; nobody is left whose request
      // could be accepted.
      if (!other.blocked && !(other.gone && list == List::requests)) kept.push_back(entry);
    }
  }
  GetLatestMessagesResp out;
  out.next_cursor.emplace();
  if (kept.size() > size) {
    kept.resize(size);
    out.next_cursor =
        encode_cursor(route, {.key = kept.back().last_ms, .id = kept.back().other.value});
  }
  user::BatchUserInfoReq ask{.current_user_id = req.user_id, .user_ids = {}};
  for (const auto& entry : kept) ask.user_ids.push_back(entry.other);
  FlatMap<UserId, User> users;
  if (!kept.empty())
    if (auto found = co_await deps_.services.user->batch_get_user_info(ctx, ask))
      users = std::move(found->users);
  for (auto& entry : kept) {
    LatestMessage& latest = out.messages.emplace_back();
    latest.user = std::move(users[entry.other]);
    if (!latest.user.id) {  // the account is gone
      latest.user.id = entry.other;
      latest.user.avatar.emplace();
      latest.user.about.emplace();
    }
    latest.last_message = std::move(entry.last);
    latest.unread_count = static_cast<std::int32_t>(
        std::min<std::int64_t>(entry.unread, std::numeric_limits<std::int32_t>::max()));
  }
  co_return out;
}

Task<Result<GetUnreadCountResp>> LocalService::get_unread_count(const Ctx& ctx,
                                                                const GetUnreadCountReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  const PageKey key{static_cast<std::int64_t>(generations_.of(req.user_id.value)),
                    static_cast<std::int64_t>(List::unread), req.user_id.value};
  auto page = unread_.find(ctx, key);
  if (!page) {
    const auto stamp = unread_.stamp();
    SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kUnread, {req.user_id}));
    UnreadPage read;
    for (std::size_t i = 0; i < rows.size(); ++i)
      read.by_user.push_back({.user_id = UserId(rows.i64(i, 0)), .count = rows.i64(i, 1)});
    if (!rows.empty()) read.total = rows.i64(0, 2);
    page = std::make_shared<const UnreadPage>(std::move(read));
    unread_.put(stamp, key, page);
  }
  std::set<UserId> ids;
  for (const UnreadOfUser& u : page->by_user) ids.insert(u.user_id);
  People people = co_await this->people(ctx, req.user_id, ids);
  GetUnreadCountResp out{.total_unread = page->total, .by_user = std::vector<UnreadOfUser>()};
  for (const UnreadOfUser& u : page->by_user) {
    if (people[u.user_id].blocked) out.total_unread -= u.count;
    else out.by_user->push_back(u);
  }
  co_return out;
}

Task<Result<>> LocalService::accept_request(const Ctx& ctx, const AcceptRequestReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(const Person from,
            co_await people_.look_up_one(ctx, req.user_id, req.from_user_id, Purpose::write));
  if (from.blocked || from.gone) co_return fail(Errc::not_found, "message_request_not_found");
  co_return co_await deps_.db.write(
      ctx,
      [this, req](sql::Tx& tx) -> Result<> {
        SV_CHECK(lock_conversation(tx, Pair(req.user_id, req.from_user_id)));
        SV_TRY(const std::int64_t accepted,
               tx.execute(store::kAccept, {req.user_id, req.from_user_id}));
        if (accepted == 0) {
          SV_TRY(const sql::Rows side, tx.query(store::kSide, {req.user_id, req.from_user_id}));
          if (side.empty()) return fail(Errc::not_found, "message_request_not_found");
        }
        tx.on_commit([this, user = req.user_id] { generations_.bump(user.value); });
        return {};
      },
      sql::Isolation::read_committed);
}

}  // namespace sv::message
