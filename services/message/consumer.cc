#include <algorithm>
#include <map>
#include <tuple>

#include "services/message/local_service.h"
#include "services/message/store.h"
#include "services/parts/events.h"
#include "services/parts/locks.h"

namespace sv::message {
namespace {

// What an event is worth telling, and to whom.
void append_notices(const events::SocialFollowed& e, std::vector<Notice>& out) {
  out.push_back({.user = e.target,
                 .kind = Kind::follow,
                 .acts = {{.actor = e.user, .related = e.user.value}}});
}

void append_notices(const events::SocialFollowRequested& e, std::vector<Notice>& out) {
  out.push_back({.user = e.target,
                 .kind = Kind::follow_request,
                 .acts = {{.actor = e.user, .related = e.user.value}}});
}

void append_notices(const events::InteractionLiked& e, std::vector<Notice>& out) {
  Notice& n = out.emplace_back(
      Notice{.user = e.author, .kind = Kind::like, .object = e.video.value, .video = e.video});
  for (UserId user : e.users) n.acts.push_back({.actor = user, .related = e.video.value});
}

// Who is answered hears of that and not of the comment as well.
void append_notices(const events::InteractionCommented& e, std::vector<Notice>& out) {
  const Act act{.actor = e.user, .related = e.comment.value, .fact = e.comment.value};
  if (e.reply_to_user)
    out.push_back({.user = e.reply_to_user,
                   .kind = Kind::reply,
                   .object = e.reply_to.value,
                   .video = e.video,
                   .acts = {act}});
  if (e.author != e.reply_to_user)
    out.push_back({.user = e.author,
                   .kind = Kind::comment,
                   .object = e.video.value,
                   .video = e.video,
                   .acts = {act}});
}

// Another failure after a retry is told again.
void append_notices(const events::VideoChanged& e, std::int64_t revision,
                    std::vector<Notice>& out) {
  const bool failed = e.status == "failed" && e.was != "failed";
  if (e.status != "ready" && !failed) return;
  out.push_back({.user = e.author_id,
                 .kind = failed ? Kind::upload_failed : Kind::upload,
                 .object = e.id.value,
                 .video = e.id,
                 .acts = {{.related = e.id.value, .fact = failed ? revision : 0}}});
}

template <class T>
Result<> append_as(const Event& event, std::vector<Notice>& out) {
  SV_TRY(const auto what, read_event<T>(event));
  if constexpr (std::is_same_v<T, events::VideoChanged>) append_notices(what, event.revision, out);
  else append_notices(what, out);
  return {};
}

Result<> append_of(const Event& event, std::vector<Notice>& out) {
  if (is<events::SocialFollowed>(event)) return append_as<events::SocialFollowed>(event, out);
  if (is<events::SocialFollowRequested>(event))
    return append_as<events::SocialFollowRequested>(event, out);
  if (is<events::InteractionLiked>(event)) return append_as<events::InteractionLiked>(event, out);
  if (is<events::InteractionCommented>(event))
    return append_as<events::InteractionCommented>(event, out);
  return append_as<events::VideoChanged>(event, out);
}

// One for each group, so that a hundred comments on a video cost its author's group one change.
std::vector<Notice> by_group(std::vector<Notice> notices) {
  std::map<std::tuple<UserId, Kind, std::int64_t>, std::size_t> places;
  std::vector<Notice> out;
  for (Notice& n : notices) {
    const auto [at, first] = places.try_emplace({n.user, n.kind, n.object}, out.size());
    if (first) out.push_back(std::move(n));
    else std::ranges::move(n.acts, std::back_inserter(out[at->second].acts));
  }
  return out;
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

// What events add up to.
struct LocalService::News {
  std::vector<Notice> notices;
  std::vector<std::pair<UserId, UserId>> followed;  // who now follows whom
  std::vector<std::int64_t> users;                  // who hears of something
};

// What removes a great deal goes in steps, and alone, so that it happens between what came before
// it and what comes after.
Task<Result<Effect>> LocalService::consume(const std::vector<Event>& events) {
  const auto alone = std::ranges::find_if(events, [](const Event& event) {
    return is<events::UserDeleted>(event) || is<events::SocialBlocked>(event);
  });
  if (alone == events.begin()) co_return co_await take_alone(events[0]);
  News news;
  for (const Event& event : std::ranges::subrange(events.begin(), alone)) {
    if (is<events::SocialFollowed>(event)) {
      SV_CO_TRY(const auto e, read_event<events::SocialFollowed>(event));
      news.followed.emplace_back(e.user, e.target);
    }
    const std::size_t before = news.notices.size();
    SV_CO_CHECK(append_of(event, news.notices));
    for (std::size_t i = before; i < news.notices.size(); ++i)
      for (Act& act : news.notices[i].acts) act.time_ms = event.time_ms;
  }
  SV_CO_CHECK(co_await keep_wanted(news));
  co_return Effect{.apply = [this, news = std::move(news)](sql::Tx& tx) { return tell(tx, news); },
                   .events = static_cast<std::size_t>(alone - events.begin())};
}

Task<Result<Effect>> LocalService::take_alone(const Event& event) {
  if (is<events::UserDeleted>(event)) {
    SV_CO_TRY(const auto e, read_event<events::UserDeleted>(event));
    SV_CO_CHECK(co_await purge(e.id));
  } else {
    SV_CO_TRY(const auto e, read_event<events::SocialBlocked>(event));
    SV_CO_CHECK(co_await forget_acts(e.target, e.user));
    SV_CO_CHECK(co_await forget_acts(e.user, e.target));
  }
  co_return Effect{.apply = {}, .events = 1};
}

// Not before those who know answer, after what makes some of it unwanted: one's own acts, and those
// of the gone, the blocked and the muted.
Task<Result<>> LocalService::keep_wanted(News& news) {
  std::map<UserId, std::set<UserId>> asked;
  for (const Notice& n : news.notices) {
    auto& ids = asked[n.user];
    ids.insert(n.user);
    for (const Act& act : n.acts) ids.insert(act.actor);
  }
  std::map<UserId, People> known;
  for (const auto& [user, ids] : asked) {
    if (!user) continue;
    known[user] = co_await people(Ctx{}, user, ids);
    SV_CO_CHECK(check_known(known[user]));
    if (!known[user][user].gone) news.users.push_back(user.value);
  }
  for (Notice& n : news.notices) {
    People& look = known[n.user];
    std::erase_if(n.acts, [&](const Act& act) {
      const UserId id = act.actor;
      return id && (id == n.user || look[id].gone || look[id].blocked || look[id].muted);
    });
    if (look[n.user].gone) n.acts.clear();
  }
  std::erase_if(news.notices, [](const Notice& n) { return !n.user || n.acts.empty(); });
  news.notices = by_group(std::move(news.notices));
  co_return Result<>{};
}

Result<> LocalService::tell(sql::Tx& tx, const News& news) {
  // Who follows a stranger has answered the request.
  for (const auto& [user, followed] : news.followed) {
    SV_CHECK(lock_conversation(tx, Pair(user, followed)));
    SV_TRY(const std::int64_t accepted, tx.execute(store::kAccept, {user, followed}));
    if (accepted > 0) tx.on_commit([this, user] { generations_.bump(user.value); });
  }
  if (news.notices.empty()) return {};
  SV_TRY(const sql::Rows rows, tx.query(store::kSettingsOf, {news.users}));
  std::map<UserId, std::int64_t> off;
  for (std::size_t i = 0; i < rows.size(); ++i) off[UserId(rows.i64(i, 0))] = rows.i64(i, 1);
  for (const Notice& n : news.notices) SV_CHECK(notices_.add(tx, n, off[n.user]));
  return {};
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
  SV_CO_CHECK(co_await deps_.db.write(ctx, [this, user](sql::Tx& tx) -> Result<> {
    Locks locks;
    locks.exclude("person", user.value);  // who writes to them checks that they are not gone
    SV_CHECK(locks.take(tx));
    return gone_.add(tx, user);
  }));
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
