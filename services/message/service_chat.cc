#include <limits>

#include "platform/core/cursor.h"
#include "platform/core/time.h"
#include "services/message/local_service.h"
#include "services/message/store.h"
#include "services/parts/locks.h"

namespace sv::message {
namespace {

constexpr std::int64_t kFarSeq = std::numeric_limits<std::int64_t>::max();

struct Place {
  Pair pair;
  std::int64_t seq = 0;
  UserId sender;
  bool hidden = false;
  UserId other(UserId user) const { return user == pair.low ? pair.high : pair.low; }
};

// Of a row of kMessage; nullopt: there is none for this user.
std::optional<Place> read_place(const sql::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return Place{.pair = Pair(UserId(rows.i64(0, 0)), UserId(rows.i64(0, 1))),
               .seq = rows.i64(0, 2),
               .sender = UserId(rows.i64(0, 3)),
               .hidden = rows.boolean(0, 4)};
}

HistoryPage read_history(const sql::Rows& rows, Pair pair, std::int64_t size) {
  HistoryPage page;
  page.more = static_cast<std::int64_t>(rows.size()) > size;
  for (std::size_t i = 0; i < rows.size() - (page.more ? 1 : 0); ++i) {
    const UserId sender(rows.i64(i, 2));
    const bool from_low = sender == pair.low;
    page.messages.push_back({.id = MessageId(rows.i64(i, 0)),
                             .receive_id = from_low ? pair.high : pair.low,
                             .send_id = sender,
                             .content = rows.text(i, 3),
                             .create_time = format_text_time(rows.i64(i, 4)),
                             .is_read = rows.i64(i, from_low ? 6 : 5) >= rows.i64(i, 1),
                             .seq = rows.i64(i, 1)});
  }
  return page;
}

}  // namespace

// Sending fails when the owners of these answers do: a message that reached someone who had blocked
// its sender could not be taken back.
Task<Result<LocalService::Standing>> LocalService::standing(const Ctx& ctx, UserId sender,
                                                            UserId receiver) {
  Standing out;
  const user::UserBriefsReq who{.user_ids = {receiver}, .caller_id = sender};
  SV_CO_TRY(const auto briefs,
            users_.need(ctx, co_await deps_.services.user->get_user_briefs(ctx, who)));
  if (briefs && !briefs->briefs.contains(receiver)) {
    out.refusal = fail(Errc::not_found, "user_not_found").error();
    co_return out;
  }
  const social::SocialPartsReq ask{.user_id = sender, .user_ids = {receiver}, .with_counts = false};
  SV_CO_TRY(auto parts,
            ties_.need(ctx, co_await deps_.services.social->get_social_parts(ctx, ask)));
  const social::SocialParts tie = parts ? parts->parts[receiver] : social::SocialParts{};
  out.followed = tie.is_followed_by;
  // Who was blocked reads what others read who may not write: not that it was blocked.
  if (tie.is_blocked || tie.has_blocked) out.refusal = fail(Errc::forbidden, "not_allowed").error();
  SV_CO_TRY(auto privacy, privacy_.need(ctx, co_await deps_.services.user->get_privacy_of(
                                                 ctx, {.user_ids = {receiver}})));
  if (!privacy) co_return out;
  const std::string& from = privacy->privacy[receiver].message_from;
  if (from == "none") out.refusal = fail(Errc::forbidden, "not_allowed").error();
  out.followed_only = from == "followed";
  co_return out;
}

Task<Result<SendMessageResp>> LocalService::send_message(const Ctx& ctx,
                                                         const SendMessageReq& req) {
  if (!req.sender_id) co_return fail(Errc::unauthenticated);
  if (!req.receiver_id) co_return invalid("receiver_id", "required");
  if (req.receiver_id == req.sender_id) co_return fail(Errc::rejected, "cannot_message_self");
  SV_CO_CHECK(check_content(req.content));
  SV_CO_TRY(const Standing allowed, co_await standing(ctx, req.sender_id, req.receiver_id));
  co_return co_await deps_.db.write(
      ctx, [this, ctx, req, allowed](sql::Tx& tx) { return write_message(tx, ctx, req, allowed); },
      sql::Isolation::read_committed);
}

// One after the other, whichever instance: a conversation's numbers have no gap, and many who write
// into one would undo each other's works all the time.
Result<> LocalService::lock_conversation(sql::Tx& tx, Pair pair) {
  Locks locks;
  locks.share("person", pair.low.value);
  locks.share("person", pair.high.value);
  SV_CHECK(locks.take(tx));
  const auto high = static_cast<std::uint64_t>(pair.high.value);
  const auto mixed = static_cast<std::uint64_t>(pair.low.value) ^ high << 32 ^ high >> 32;
  return tx.lock("conversation", static_cast<std::int64_t>(mixed), sql::LockMode::exclusive);
}

Result<SendMessageResp> LocalService::write_message(sql::Tx& tx, const Ctx& ctx,
                                                    const SendMessageReq& req,
                                                    const Standing& standing) {
  const Pair pair(req.sender_id, req.receiver_id);
  SV_CHECK(lock_conversation(tx, pair));
  const std::int64_t id = deps_.ids.next(), now = deps_.clock.now_ms();
  SV_TRY(const auto claims,
         keys_.claim(tx, "send",
                     {{ctx, req.sender_id,
                       fmt::format("{}\n{}", req.receiver_id.value, req.content), id}}));
  SV_TRY(const auto before, claims.front());
  if (before) {
    SV_TRY(const sql::Rows sent, tx.query(store::kMessage, {*before, req.sender_id}));
    return SendMessageResp{.message_id = MessageId(*before),
                           .seq = sent.empty() ? 0 : sent.i64(0, 2)};
  }
  if (standing.refusal) return std::unexpected(*standing.refusal);
  SV_CHECK(gone_.check(tx, req.sender_id, req.receiver_id));
  SV_TRY(const sql::Rows side, tx.query(store::kSide, {req.receiver_id, req.sender_id}));
  const bool answered = !side.empty() && side.boolean(0, 0);
  if (standing.followed_only && !standing.followed && !answered)
    return fail(Errc::forbidden, "not_allowed");
  const bool request = !standing.followed && (side.empty() || side.boolean(0, 1));

  SV_TRY(const sql::Rows next, tx.query(store::kNextSeq, {pair.low, pair.high}));
  const std::int64_t seq = next.i64(0, 0);
  // Before it is accepted, all that a request's conversation holds is the stranger's.
  if (request && options_.before_accept > 0 && seq > options_.before_accept)
    return fail(Errc::forbidden, "request_pending");
  SV_CHECK(tx.execute(store::kAddMessage,
                      {id, pair.low, pair.high, seq, req.sender_id, req.content, now}));
  SV_CHECK(tx.execute(store::kReceived, {req.receiver_id, req.sender_id, request, id, now}));
  SV_CHECK(tx.execute(store::kWrote, {req.sender_id, req.receiver_id, id, now}));
  conversation_changed(tx, pair);
  return SendMessageResp{.message_id = MessageId(id), .seq = seq};
}

void LocalService::conversation_changed(sql::Tx& tx, Pair pair) {
  tx.on_commit([this, pair] {
    generations_.bump(pair.low.value, pair.high.value);
    generations_.bump(pair.low.value);
    generations_.bump(pair.high.value);
  });
}

// At most two statements: where `before` is, and the page.
Task<Result<GetChatHistoryResp>> LocalService::get_chat_history(const Ctx& ctx,
                                                                const GetChatHistoryReq& req) {
  if (!req.user_id1) co_return fail(Errc::unauthenticated);
  if (!req.user_id2) co_return invalid("other_user_id", "required");
  GetChatHistoryResp out;
  if (req.user_id1 == req.user_id2) co_return out;
  const Pair pair(req.user_id1, req.user_id2);
  const auto size = static_cast<std::int64_t>(page_size(req.page_size, 20));
  const PageKey key{static_cast<std::int64_t>(generations_.of(pair.low.value, pair.high.value)),
                    static_cast<std::int64_t>(List::history),
                    req.user_id1.value,
                    req.user_id2.value,
                    req.last_message_id.value,
                    size,
                    0};
  auto page = histories_.find(ctx, key);
  if (!page) {
    const auto stamp = histories_.stamp();
    std::int64_t from = kFarSeq;
    if (req.last_message_id) {
      SV_CO_TRY(const sql::Rows rows,
                co_await deps_.db.query(ctx, store::kMessage, {req.last_message_id, req.user_id1}));
      const auto place = read_place(rows);
      if (!place || place->other(req.user_id1) != req.user_id2)
        co_return fail(Errc::not_found, "message_not_found");
      from = place->seq;
    }
    SV_CO_TRY(const sql::Rows rows,
              co_await deps_.db.query(ctx, store::kHistory,
                                      {pair.low, pair.high, from, req.user_id1, size + 1}));
    page = std::make_shared<const HistoryPage>(read_history(rows, pair, size));
    std::size_t bytes = 0;
    for (const Message& m : page->messages) bytes += m.content.size();
    if (bytes <= kKeptBytes) histories_.put(stamp, key, page);
  }
  out.messages = page->messages;
  if (page->more) out.next_message_id = page->messages.back().id;
  co_return out;
}

// A number beyond the last is the last; one before what was read changes nothing.
Result<> LocalService::read_up_to(sql::Tx& tx, UserId user, UserId other, std::int64_t seq) {
  const Pair pair(user, other);
  SV_CHECK(lock_conversation(tx, pair));
  SV_TRY(const sql::Rows at, tx.query(store::kReadSeq, {pair.low, pair.high, user}));
  if (at.empty()) return fail(Errc::not_found, "conversation_not_found");
  const std::int64_t last = at.i64(0, 0), upto = std::min(seq, last);
  if (upto <= at.i64(0, 1)) return {};
  SV_CHECK(tx.execute(store::kSetReadSeq, {pair.low, pair.high, user, upto}));
  if (upto < last) SV_CHECK(count_unread(tx, pair, user, other, upto));
  else SV_CHECK(tx.execute(store::kSetUnread, {user, other, 0}));
  conversation_changed(tx, pair);
  return {};
}

Task<Result<>> LocalService::mark_conversation_read(const Ctx& ctx,
                                                    const MarkConversationReadReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  if (!req.other_user_id || req.other_user_id == req.user_id)
    co_return fail(Errc::not_found, "conversation_not_found");
  if (req.seq < 1) co_return invalid("seq", "out_of_range");
  co_return co_await deps_.db.write(
      ctx,
      [this, req](sql::Tx& tx) { return read_up_to(tx, req.user_id, req.other_user_id, req.seq); },
      sql::Isolation::read_committed);
}

Task<Result<>> LocalService::mark_message_read(const Ctx& ctx, const MarkMessageReadReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  co_return co_await deps_.db.write(
      ctx,
      [this, req](sql::Tx& tx) -> Result<> {
        SV_TRY(const sql::Rows rows, tx.query(store::kMessage, {req.message_id, req.user_id}));
        const auto place = read_place(rows);
        if (!place || place->hidden) return fail(Errc::not_found, "message_not_found");
        return read_up_to(tx, req.user_id, place->other(req.user_id), place->seq);
      },
      sql::Isolation::read_committed);
}

Task<Result<MessageSenderResp>> LocalService::get_message_sender(const Ctx& ctx,
                                                                 const MessageSenderReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, store::kMessage, {req.message_id, req.user_id}));
  const auto place = read_place(rows);
  if (!place || place->hidden) co_return fail(Errc::not_found, "message_not_found");
  co_return MessageSenderResp{.sender_id = place->sender};
}

Task<Result<>> LocalService::delete_message(const Ctx& ctx, const DeleteMessageReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  co_return co_await deps_.db.write(
      ctx, [this, req](sql::Tx& tx) { return delete_tx(tx, req); }, sql::Isolation::read_committed);
}

Result<> LocalService::delete_tx(sql::Tx& tx, const DeleteMessageReq& req) {
  SV_TRY(const sql::Rows rows, tx.query(store::kMessage, {req.message_id, req.user_id}));
  const auto place = read_place(rows);
  if (!place || place->hidden) return fail(Errc::not_found, "message_not_found");
  const Pair pair = place->pair;
  const UserId other = place->other(req.user_id);
  SV_CHECK(lock_conversation(tx, pair));
  SV_CHECK(tx.execute(store::kHide, {req.message_id, req.user_id}));
  SV_TRY(const sql::Rows side, tx.query(store::kSide, {req.user_id, other}));
  if (!side.empty() && side.i64(0, 2) == req.message_id.value) {
    SV_TRY(const sql::Rows newest,
           tx.query(store::kNewestShown, {pair.low, pair.high, req.user_id}));
    const bool none = newest.empty();
    SV_CHECK(tx.execute(store::kSetLast, {req.user_id, other, none ? 0 : newest.i64(0, 0),
                                          none ? 0 : newest.i64(0, 1)}));
  }
  SV_TRY(const sql::Rows read, tx.query(store::kReadSeq, {pair.low, pair.high, req.user_id}));
  const std::int64_t upto = read.i64(0, 1);
  if (place->sender == other && place->seq > upto)
    SV_CHECK(count_unread(tx, pair, req.user_id, other, upto));
  conversation_changed(tx, pair);
  return {};
}

Result<> LocalService::count_unread(sql::Tx& tx, Pair pair, UserId user, UserId other,
                                    std::int64_t upto) {
  SV_TRY(const sql::Rows left, tx.query(store::kCountUnread, {pair.low, pair.high, user, upto}));
  SV_CHECK(tx.execute(store::kSetUnread, {user, other, left.i64(0, 0)}));
  return {};
}

}  // namespace sv::message
