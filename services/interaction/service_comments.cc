#include <fmt/format.h>

#include "services/interaction/interactions.h"
#include "services/interaction/rules.h"

namespace sv::interaction {
namespace {

Event commented_event(const CommentRow& row, UserId author, UserId reply_to_user,
                      std::int64_t now) {
  return {
      .id = 0,
      .topic = "interaction.commented",
      .key = fmt::format("{}", row.video),
      .revision = 0,
      .payload = fmt::format(
          R"({{"comment":{},"video":{},"author":{},"user":{},"replyTo":{},"replyToUser":{},"rootId":{}}})",
          row.id, row.video, author, row.user, row.reply_to, reply_to_user, row.root),
      .time_ms = now};
}

// What an idempotency key stands for.
std::string body_of(VideoId video, CommentId reply_to, std::string_view content) {
  return fmt::format("{} {} {}", video, reply_to, content);
}

}  // namespace

Task<Result<CommentActionResp>> Interactions::comment_action(const Ctx& ctx,
                                                             const CommentActionReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(std::string content, clean_comment(req.content));
  SV_CO_TRY(const UserId author,
            co_await author_of_visible(ctx, req.user_id, req.video_id, Purpose::write));
  const CommentId reply_to = req.reply_to_id.value_or(CommentId{});
  if (reply_to) {
    SV_CO_TRY(const CommentPtr target,
              co_await visible_comment(ctx, req.user_id, reply_to, Purpose::write));
    if (target->video != req.video_id) co_return fail(Errc::not_found, "comment_not_found");
  }
  NewComment row{.ctx = ctx,
                 .id = CommentId(state_.deps.ids.next()),
                 .video = req.video_id,
                 .user = req.user_id,
                 .author = author,
                 .reply_to = reply_to,
                 .content = std::move(content)};
  SV_CO_TRY(const CommentPtr made, co_await comment_writer_.add(std::move(row)));
  if (made->deleted)
    co_return fail(Errc::not_found,
                   "comment_not_found");  // since the first answer to this idempotency key
  People self = co_await people_.look_up(ctx, req.user_id, {req.user_id});
  SV_CO_TRY(const bool liked, made->likes == 0 ? Result<bool>(false)
                                               : co_await has_edge({Edge::comment_like, req.user_id,
                                                                    made->id.value}));
  co_return CommentActionResp{.comment = shown(*made, self[req.user_id].brief, liked)};
}

Task<Result<std::vector<Result<CommentPtr>>>> Interactions::write_comments(
    std::vector<NewComment> rows) {
  co_return co_await state_.deps.db.write(
      Ctx{}, [this, rows = std::move(rows)](sql::Tx& tx) { return write_comments_tx(tx, rows); });
}

Result<std::vector<Result<CommentPtr>>> Interactions::write_comments_tx(
    sql::Tx& tx, const std::vector<NewComment>& rows) {
  const std::int64_t now = state_.now();
  std::vector<std::int64_t> users, videos, targets;
  for (const NewComment& row : rows) {
    users.push_back(row.user.value);
    videos.push_back(row.video.value);
    if (row.reply_to) targets.push_back(row.reply_to.value);
  }
  SV_TRY(const auto gone, state_.gone_people(tx, std::move(users)));
  SV_TRY(const auto known_videos, state_.videos_now(tx, std::move(videos)));
  std::map<CommentId, CommentPtr> above;  // what is answered, and the roots of that
  if (!targets.empty()) {
    SV_TRY(above, state_.comments_now(tx, std::move(targets)));
    std::vector<std::int64_t> roots;
    for (const auto& [id, comment] : above)
      if (comment->root) roots.push_back(comment->root.value);
    SV_TRY(auto found, state_.comments_now(tx, std::move(roots)));
    above.merge(found);
  }
  const auto alive = [&](CommentId id) {
    const auto at = above.find(id);
    return at != above.end() && !at->second->deleted;
  };

  std::map<CommentId, CommentPtr>
      fresh;  // made here, not in the table yet: a twin under the same key may stand behind
  std::vector<Result<CommentPtr>> outcomes;
  std::vector<sql::Params> inserts;
  std::vector<Event> events;
  Changes changes;
  for (const NewComment& row : rows) {
    const std::string body = body_of(row.video, row.reply_to, row.content);
    auto before = request_keys_.find(tx, row.ctx, row.user, "comment", body);
    if (!before && before.error().code != Errc::unprocessable)
      return std::unexpected(std::move(before.error()));
    if (!before) {
      outcomes.push_back(std::unexpected(std::move(before.error())));
      continue;
    }
    if (*before) {
      if (const auto twin = fresh.find(CommentId(**before)); twin != fresh.end()) {
        outcomes.push_back(twin->second);
        continue;
      }
      SV_TRY(const auto found, state_.comments_now(tx, {**before}));
      if (found.empty()) outcomes.push_back(fail(Errc::not_found, "comment_not_found"));
      else outcomes.push_back(found.begin()->second);
      continue;
    }
    if (gone.contains(row.user)) {
      outcomes.push_back(fail(Errc::unauthenticated));
      continue;
    }
    if (const auto at = known_videos.find(row.video); at != known_videos.end() && at->second.gone) {
      outcomes.push_back(fail(Errc::not_found, "video_not_found"));
      continue;
    }
    CommentRow made{.id = row.id,
                    .video = row.video,
                    .user = row.user,
                    .reply_to = row.reply_to,
                    .content = row.content,
                    .created_ms = now};
    UserId reply_to_user{};
    if (row.reply_to) {
      const CommentPtr target = alive(row.reply_to) ? above.at(row.reply_to) : nullptr;
      if (!target || (target->root && !alive(target->root))) {
        outcomes.push_back(fail(Errc::not_found, "comment_not_found"));
        continue;
      }
      made.root = target->root ? target->root : target->id;
      reply_to_user = target->user;
      ++changes.comments[made.root].replies;
    }
    inserts.push_back(sql::Params{made.id, made.video, made.user, made.root, made.reply_to,
                                  row.content, made.created_ms,
                                  made.root ? 0 : heat(made.created_ms, 0, 0)});
    SV_CHECK(request_keys_.remember(tx, row.ctx, row.user, "comment", body, made.id.value));
    auto& sum = changes.videos[row.video];
    sum.author = row.author;
    ++sum.comments;
    changes.threads.insert({.video = row.video, .root = made.root});
    changes.rankings.insert(row.video);
    events.push_back(commented_event(made, row.author, reply_to_user, now));
    const auto comment = std::make_shared<const CommentRow>(std::move(made));
    fresh.emplace(comment->id, comment);
    outcomes.push_back(comment);
  }
  SV_CHECK(tx.execute_many(store::kInsertComment, inserts));
  for (Event& event : events) SV_CHECK(state_.deps.events.publish(tx, std::move(event)));
  SV_CHECK(state_.apply(tx, std::move(changes)));
  return outcomes;
}

// By whoever wrote it, or whose video it is below. Others learn that there is such a comment only
// when they may see it.
Task<Result<>> Interactions::delete_comment(const Ctx& ctx, const DeleteCommentReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  if (!req.comment_id) co_return invalid("id", "required");
  SV_CO_TRY(const CommentPtr row, co_await state_.living_comment(req.comment_id));
  if (!row || (req.video_id && req.video_id != row->video))
    co_return fail(Errc::not_found, "comment_not_found");
  if (row->user != req.user_id) {
    SV_CO_TRY(const bool own, co_await owns(req.user_id, row->video));
    if (!own) {
      SV_CO_CHECK(co_await visible_comment(ctx, req.user_id, row->id));
      co_return fail(Errc::forbidden, "not_owner");
    }
  }
  SV_CO_TRY(const bool deleted,
            co_await state_.deps.db.write(
                ctx, [this, id = row->id](sql::Tx& tx) { return delete_comment_tx(tx, id); }));
  if (!deleted) co_return fail(Errc::not_found, "comment_not_found");
  co_return Result<>{};
}

Result<bool> Interactions::delete_comment_tx(sql::Tx& tx, CommentId id) {
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
