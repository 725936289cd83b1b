#include "platform/core/log.h"
#include "services/message/local_service.h"
#include "services/message/store.h"

namespace sv::message {
namespace {

// What an event is worth telling, and to whom.
void append_notices(const Event& event, const EventFacts& e, std::vector<Notice>& out) {
  if (event.topic == "social.followed") {
    out.push_back(
        {.user = e.target, .kind = Kind::follow, .related = e.user.value, .actors = {e.user}});
  } else if (event.topic == "social.follow_requested") {
    out.push_back({.user = e.target,
                   .kind = Kind::follow_request,
                   .related = e.user.value,
                   .actors = {e.user}});
  } else if (event.topic == "interaction.liked") {
    out.push_back({.user = e.author,
                   .kind = Kind::like,
                   .object = e.video.value,
                   .video = e.video,
                   .related = e.video.value,
                   .actors = e.users});
  } else if (event.topic == "interaction.commented") {
    // Who is answered hears of that and not of the comment as well.
    if (e.reply_to_user)
      out.push_back({.user = e.reply_to_user,
                     .kind = Kind::reply,
                     .object = e.reply_to.value,
                     .video = e.video,
                     .related = e.comment.value,
                     .actors = {e.user},
                     .fact = e.comment.value});
    if (e.author != e.reply_to_user)
      out.push_back({.user = e.author,
                     .kind = Kind::comment,
                     .object = e.video.value,
                     .video = e.video,
                     .related = e.comment.value,
                     .actors = {e.user},
                     .fact = e.comment.value});
  } else if (event.topic == "video.changed" && e.status == "ready") {
    out.push_back({.user = e.author_id,
                   .kind = Kind::upload,
                   .object = e.id.value,
                   .video = e.id,
                   .related = e.id.value,
                   .actors = {UserId(0)}});
  } else if (event.topic == "video.changed" && e.status == "failed" && e.was != "failed") {
    // Another failure after a retry is told again.
    out.push_back({.user = e.author_id,
                   .kind = Kind::upload_failed,
                   .object = e.id.value,
                   .video = e.id,
                   .related = e.id.value,
                   .actors = {UserId(0)},
                   .fact = event.revision});
  }
}

// A notification across a block could not be taken back: its event waits.
Result<> check_known(const People& people) {
  for (const auto& [id, person] : people) {
    if (person.privacy != Heard::now) return fail(Errc::unavailable, "user_unavailable");
    if (person.ties != Heard::now) return fail(Errc::unavailable, "social_unavailable");
  }
  return {};
}

}  // namespace

Task<Result<>> LocalService::consume(const std::vector<Event>& events) {
  std::vector<Notice> notices;
  for (const Event& event : events) {
    if (event.topic == "user.deleted") {
      SV_CO_CHECK(co_await tell(std::exchange(notices, {})));
      SV_CO_CHECK(co_await purge(UserId(event.key_id())));
      continue;
    }
    const auto facts = read_json<EventFacts>(event.payload);
    if (!facts) {
      // It would come back for ever and hold up all that follow.
      log::error("message", "an event cannot be read",
                 {{"topic", event.topic}, {"key", event.key}, {"error", facts.error().token}});
      continue;
    }
    if (event.topic == "social.blocked") {
      SV_CO_CHECK(co_await tell(std::exchange(notices, {})));
      SV_CO_CHECK(co_await forget_acts(facts->target, facts->user));
      SV_CO_CHECK(co_await forget_acts(facts->user, facts->target));
      continue;
    }
    const std::size_t before = notices.size();
    append_notices(event, *facts, notices);
    for (std::size_t i = before; i < notices.size(); ++i) notices[i].time_ms = event.time_ms;
    if (event.topic == "social.followed")
      SV_CO_CHECK(co_await accept_followed(facts->user, facts->target));
  }
  co_return co_await tell(std::move(notices));
}

// In one transaction, and not before those who know answer, after what makes some of it unwanted:
// one's own acts, and those of the gone, the blocked and the muted.
Task<Result<>> LocalService::tell(std::vector<Notice> notices) {
  const Ctx ctx;
  std::map<UserId, std::set<UserId>> asked;
  for (const Notice& n : notices) {
    auto& ids = asked[n.user];
    ids.insert(n.user);
    ids.insert(n.actors.begin(), n.actors.end());
  }
  std::map<UserId, People> known;
  std::vector<std::int64_t> users;
  for (const auto& [user, ids] : asked) {
    if (!user) continue;
    known[user] = co_await people(ctx, user, ids);
    SV_CO_CHECK(check_known(known[user]));
    if (!known[user][user].gone) users.push_back(user.value);
  }
  for (Notice& n : notices) {
    People& look = known[n.user];
    std::erase_if(n.actors, [&](UserId id) {
      return id && (id == n.user || look[id].gone || look[id].blocked || look[id].muted);
    });
    if (look[n.user].gone) n.actors.clear();
  }
  std::erase_if(notices, [](const Notice& n) { return !n.user || n.actors.empty(); });
  if (notices.empty()) co_return Result<>{};
  co_return co_await deps_.db.write(
      ctx, [this, notices = std::move(notices), users = std::move(users)](sql::Tx& tx) -> Result<> {
        SV_TRY(const sql::Rows rows, tx.query(store::kSettingsOf, {users}));
        std::map<UserId, std::int64_t> off;
        for (std::size_t i = 0; i < rows.size(); ++i) off[UserId(rows.i64(i, 0))] = rows.i64(i, 1);
        for (const Notice& n : notices) SV_CHECK(notices_.add(tx, n, off[n.user]));
        return {};
      });
}

// Who follows a stranger has answered the request.
Task<Result<>> LocalService::accept_followed(UserId user, UserId followed) {
  const Ctx ctx;
  co_return co_await deps_.db.write(ctx, [this, user, followed](sql::Tx& tx) -> Result<> {
    SV_TRY(const std::int64_t accepted, tx.execute(store::kAccept, {user, followed}));
    if (accepted > 0) tx.on_commit([this, user] { generations_.bump(user.value); });
    return {};
  });
}

// In pieces, so that no other writer waits for someone who liked everything.
Task<Result<>> LocalService::forget_acts(UserId actor, UserId user) {
  const Ctx ctx;
  for (bool more = true; more;) {
    SV_CO_TRY(more, co_await deps_.db.write(ctx, [this, actor, user](sql::Tx& tx) {
      return notices_.forget_some(tx, actor, user);
    }));
  }
  co_return Result<>{};
}

// The user's side of every conversation goes; the other one stays, and when both are gone so do the
// messages.
Task<Result<>> LocalService::purge(UserId user) {
  if (!user) co_return Result<>{};
  const Ctx ctx;
  SV_CO_CHECK(
      co_await deps_.db.write(ctx, [this, user](sql::Tx& tx) { return gone_.add(tx, user); }));
  for (bool more = true; more;) {
    SV_CO_TRY(more, co_await deps_.db.write(ctx, [this, user](sql::Tx& tx) -> Result<bool> {
      SV_TRY(const sql::Rows sides, tx.query(store::kSomeSides, {user}));
      for (std::size_t i = 0; i < sides.size(); ++i) {
        const UserId other(sides.i64(i, 0));
        const Pair pair(user, other);
        SV_CHECK(tx.execute(store::kDropSide, {user, other}));
        SV_TRY(const sql::Rows kept, tx.query(store::kSide, {other, user}));
        if (kept.empty()) {
          SV_CHECK(tx.execute(store::kDropMessages, {pair.low, pair.high}));
          SV_CHECK(tx.execute(store::kDropConversation, {pair.low, pair.high}));
        }
        conversation_changed(tx, pair);
      }
      return !sides.empty();
    }));
  }
  SV_CO_CHECK(co_await deps_.db.write(ctx, [this, user](sql::Tx& tx) -> Result<> {
    SV_CHECK(notices_.forget_user(tx, user));
    SV_CHECK(tx.execute(store::kDropKeys, {user}));
    return {};
  }));
  co_return co_await forget_acts(user, UserId(0));
}

}  // namespace sv::message
