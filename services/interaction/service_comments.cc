#include <fmt/format.h>

#include "services/interaction/local_service.h"
#include "services/interaction/rules.h"
#include "services/parts/events.h"
#include "services/parts/locks.h"

namespace sv::interaction {
namespace {

constexpr std::string_view kMethod = "comment";

// What an idempotency key stands for.
std::string body_of(const NewComment& row) {
  return fmt::format("{} {} {}", row.video, row.reply_to, row.content);
}

// A comment of this batch, not in the table yet.
struct Made {
  CommentPtr row;
  UserId author;         // of the video
  UserId reply_to_user;  // 0: it answers nobody
};

// What is there when the batch is written.
struct Known {
  std::unordered_set<UserId> gone;
  std::map<VideoId, VideoCounts> videos;
  std::map<CommentId, CommentPtr> comments;  // what is answered, and the roots of that

  CommentPtr alive(CommentId id) const {
    const auto at = comments.find(id);
    return at != comments.end() && !at->second->deleted ? at->second : nullptr;
  }
};

Result<Known> look(State& state, sql::Tx& tx, const std::vector<NewComment>& rows) {
  std::vector<std::int64_t> users, videos, targets, roots;
  for (const NewComment& row : rows) {
    users.push_back(row.user.value);
    videos.push_back(row.video.value);
    if (row.reply_to) targets.push_back(row.reply_to.value);
  }
  Known out;
  SV_TRY(out.gone, state.gone_people(tx, std::move(users)));
  SV_TRY(out.videos, state.videos_now(tx, std::move(videos)));
  if (targets.empty()) return out;
  SV_TRY(out.comments, state.comments_now(tx, std::move(targets)));
  for (const auto& [id, comment] : out.comments)
    if (comment->root) roots.push_back(comment->root.value);
  SV_TRY(auto above, state.comments_now(tx, std::move(roots)));
  out.comments.merge(above);
  return out;
}

Result<> lock(sql::Tx& tx, const std::vector<NewComment>& rows) {
  Locks locks;
  for (const NewComment& row : rows) {
    locks.share("person", row.user.value);
    locks.share("video", row.video.value);
    if (row.reply_to) locks.share("comment", row.reply_to.value);
    if (row.root) locks.share("comment", row.root.value);
  }
  return locks.take(tx);
}

std::vector<RequestKeys::Request> requests(const std::vector<NewComment>& rows) {
  std::vector<RequestKeys::Request> out;
  for (const NewComment& row : rows) out.push_back({row.ctx, row.user, body_of(row), row.id.value});
  return out;
}

// What the same request made before, perhaps in this batch; null: nothing.
Result<Result<CommentPtr>> made_before(State& state, sql::Tx& tx, const RequestKeys::Before& before,
                                       const std::vector<Made>& made) {
  if (!before) return Result<CommentPtr>(std::unexpected(before.error()));
  if (!*before) return Result<CommentPtr>(nullptr);
  for (const Made& twin : made)
    if (twin.row->id.value == **before) return Result<CommentPtr>(twin.row);
  SV_TRY(const auto found, state.comments_now(tx, {**before}));
  if (found.empty()) return Result<CommentPtr>(fail(Errc::not_found, "comment_not_found"));
  return Result<CommentPtr>(found.begin()->second);
}

// What `row` becomes, unless something that it needs is gone.
Result<Made> admit(const NewComment& row, const Known& known, std::int64_t now) {
  if (known.gone.contains(row.user)) return fail(Errc::unauthenticated);
  if (const auto at = known.videos.find(row.video); at != known.videos.end() && at->second.gone)
    return fail(Errc::not_found, "video_not_found");
  CommentRow made{.id = row.id,
                  .video = row.video,
                  .user = row.user,
                  .reply_to = row.reply_to,
                  .content = row.content,
                  .created_ms = now};
  UserId reply_to_user{};
  if (row.reply_to) {
    const CommentPtr target = known.alive(row.reply_to);
    if (!target || (target->root && !known.alive(target->root)))
      return fail(Errc::not_found, "comment_not_found");
    made.root = target->root ? target->root : target->id;
    reply_to_user = target->user;
  }
  return Made{.row = std::make_shared<const CommentRow>(std::move(made)),
              .author = row.author,
              .reply_to_user = reply_to_user};
}

Result<> insert(sql::Tx& tx, const std::vector<Made>& all) {
  std::vector<sql::Params> inserts;
  for (const Made& made : all) {
    const CommentRow& row = *made.row;
    inserts.push_back({row.id, row.video, row.user, row.root, row.reply_to, row.content,
                       row.created_ms, row.root ? 0 : heat(row.created_ms, 0, 0)});
  }
  SV_CHECK(tx.execute_many(store::kInsertComment, inserts));
  return {};
}

Changes count(const std::vector<Made>& all) {
  Changes out;
  for (const Made& made : all) {
    const CommentRow& row = *made.row;
    auto& sum = out.videos[row.video];
    sum.author = made.author;
    ++sum.comments;
    if (row.root) ++out.comments[row.root].replies;
    out.threads.insert({.video = row.video, .root = row.root});
    out.rankings.insert(row.video);
  }
  return out;
}

Result<> tell(EventBus& bus, sql::Tx& tx, const std::vector<Made>& all) {
  std::vector<Event> told;
  for (const Made& made : all) {
    const CommentRow& row = *made.row;
    told.push_back(event_of(row.video, 0,
                            events::InteractionCommented{.comment = row.id,
                                                         .video = row.video,
                                                         .author = made.author,
                                                         .user = row.user,
                                                         .reply_to = row.reply_to,
                                                         .reply_to_user = made.reply_to_user,
                                                         .root_id = row.root}));
  }
  return bus.publish(tx, std::move(told));
}

}  // namespace

Task<Result<CommentActionResp>> LocalService::comment_action(const Ctx& ctx,
                                                             const CommentActionReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(std::string content, clean_comment(req.content));
  SV_CO_TRY(const UserId author,
            co_await author_of_visible(ctx, req.user_id, req.video_id, Purpose::write));
  const CommentId reply_to = req.reply_to_id.value_or(CommentId{});
  CommentId root{};
  if (reply_to) {
    SV_CO_TRY(const CommentPtr target,
              co_await visible_comment(ctx, req.user_id, reply_to, Purpose::write));
    root = target->root ? target->root : target->id;
    if (target->video != req.video_id) co_return fail(Errc::not_found, "comment_not_found");
  }
  NewComment row{.ctx = ctx,
                 .id = CommentId(state_.deps.ids.next()),
                 .video = req.video_id,
                 .user = req.user_id,
                 .author = author,
                 .reply_to = reply_to,
                 .root = root,
                 .content = std::move(content)};
  SV_CO_TRY(const CommentPtr made, co_await comment_writer_.add(ctx, std::move(row)));
  if (made->deleted)
    co_return fail(Errc::not_found,
                   "comment_not_found");  // since the first answer to this idempotency key
  People self = co_await people_.look_up(ctx, req.user_id, {req.user_id});
  SV_CO_TRY(const bool liked,
            made->likes == 0
                ? Result<bool>(false)
                : co_await has_edge(ctx, {Edge::comment_like, req.user_id, made->id.value}));
  co_return CommentActionResp{.comment = shown(*made, self[req.user_id].brief, liked)};
}

Task<Result<std::vector<Result<CommentPtr>>>> LocalService::write_comments(
    const Ctx& ctx, std::vector<NewComment> rows) {
  co_return co_await state_.deps.db.write(
      ctx, [this, rows = std::move(rows)](sql::Tx& tx) { return write_comments_tx(tx, rows); },
      sql::Isolation::read_committed);
}

Result<std::vector<Result<CommentPtr>>> LocalService::write_comments_tx(
    sql::Tx& tx, const std::vector<NewComment>& rows) {
  const std::int64_t now = state_.now();
  SV_CHECK(lock(tx, rows));
  SV_TRY(const Known known, look(state_, tx, rows));
  SV_TRY(const auto before, request_keys_.claim(tx, kMethod, requests(rows)));
  std::vector<Result<CommentPtr>> outcomes;
  std::vector<Made> made;
  std::vector<NewComment> refused;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SV_TRY(Result<CommentPtr> outcome, made_before(state_, tx, before[i], made));
    if (outcome && !*outcome) {
      auto fresh = admit(rows[i], known, now);
      outcome = fresh ? Result<CommentPtr>(fresh->row) : std::unexpected(fresh.error());
      if (fresh) made.push_back(std::move(*fresh));
      else refused.push_back(rows[i]);
    }
    outcomes.push_back(std::move(outcome));
  }
  SV_CHECK(request_keys_.give_back(tx, kMethod, requests(refused)));
  SV_CHECK(insert(tx, made));
  SV_CHECK(tell(state_.deps.events, tx, made));
  SV_CHECK(state_.apply(tx, count(made)));
  return outcomes;
}

// By whoever wrote it, or whose video it is below. Others learn that there is such a comment only
// when they may see it.
Task<Result<>> LocalService::delete_comment(const Ctx& ctx, const DeleteCommentReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  if (!req.comment_id) co_return invalid("id", "required");
  SV_CO_TRY(const CommentPtr row, co_await state_.living_comment(ctx, req.comment_id));
  if (!row || (req.video_id && req.video_id != row->video))
    co_return fail(Errc::not_found, "comment_not_found");
  if (row->user != req.user_id) {
    SV_CO_TRY(const bool own, co_await owns(ctx, req.user_id, row->video));
    if (!own) {
      SV_CO_CHECK(co_await visible_comment(ctx, req.user_id, row->id));
      co_return fail(Errc::forbidden, "not_owner");
    }
  }
  SV_CO_TRY(const std::size_t deleted,
            co_await state_.deps.db.write(
                ctx, [this, row](sql::Tx& tx) { return delete_comments_tx(tx, {row}); },
                sql::Isolation::read_committed));
  if (deleted == 0) co_return fail(Errc::not_found, "comment_not_found");
  co_return Result<>{};
}

Result<std::size_t> LocalService::delete_comments_tx(sql::Tx& tx,
                                                     const std::vector<CommentPtr>& rows) {
  Locks locks;
  for (const CommentPtr& row : rows) {
    locks.exclude("comment", row->id.value);  // who likes or answers it checks that it is there
    if (row->root) locks.share("comment", row->root.value);
  }
  SV_CHECK(locks.take(tx));
  std::size_t deleted = 0;
  for (const CommentPtr& row : rows) {
    SV_TRY(const bool was_there, delete_comment_tx(tx, row->id));
    deleted += was_there;
  }
  return deleted;
}

Result<bool> LocalService::delete_comment_tx(sql::Tx& tx, CommentId id) {
  SV_TRY(const auto found, state_.comments_now(tx, {id.value}));
  if (found.empty() || found.begin()->second->deleted) return false;
  const CommentRow& row = *found.begin()->second;
  bool counted = true;  // replies stopped to count when their root was deleted
  if (row.root) {
    SV_TRY(const auto root, state_.comments_now(tx, {row.root.value}));
    counted = !root.empty() && !root.begin()->second->deleted;
  }
  SV_CHECK(tx.execute(store::kDeleteComment, {id}));
  Changes changes;
  changes.comments[id] = {};
  changes.threads.insert({.video = row.video, .root = row.root});
  changes.rankings.insert(row.video);
  if (counted) {
    changes.videos[row.video].comments = -(1 + (row.root ? 0 : row.replies));
    if (row.root) changes.comments[row.root].replies = -1;
  }
  SV_CHECK(state_.apply(tx, std::move(changes)));
  return true;
}

}  // namespace sv::interaction
