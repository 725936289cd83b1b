#include <fmt/format.h>
#include <fmt/ranges.h>

#include "services/interaction/interactions.h"
#include "services/interaction/rules.h"

namespace sv::interaction {
namespace {

Event liked_event(VideoId video, UserId author, const std::vector<std::int64_t>& users,
                  std::int64_t now) {
  return {.id = 0,
          .topic = "interaction.liked",
          .key = fmt::format("{}", video),
          .revision = 0,
          .payload = fmt::format(R"({{"video":{},"author":{},"users":[{}]}})", video, author,
                                 fmt::join(users, ",")),
          .time_ms = now};
}

}  // namespace

Task<Result<>> Interactions::change_edge(const Ctx& ctx, EdgeKey edge, bool on) {
  if (!edge.user) co_return fail(Errc::unauthenticated);
  Result<UserId> author;
  if (edge.kind == Edge::comment_like) {
    auto row = co_await visible_comment(ctx, edge.user, CommentId(edge.object), Purpose::write);
    if (row) author = (*row)->user;
    else author = std::unexpected(std::move(row.error()));
  } else {
    author = co_await author_of_visible(ctx, edge.user, VideoId(edge.object), Purpose::write);
  }
  if (!author) {
    if (on) co_return std::unexpected(std::move(author.error()));
    // What one did oneself one may undo, though it was hidden meanwhile or nobody can tell.
    SV_CO_TRY(const bool mine, co_await has_edge(edge));
    if (!mine) co_return std::unexpected(std::move(author.error()));
  }
  co_return co_await edge_writer_.add(
      {.edge = edge, .author = author.value_or(UserId{}), .on = on});
}

Task<Result<>> Interactions::like_action(const Ctx& ctx, const LikeActionReq& req) {
  const EdgeKey edge{.kind = Edge::like, .user = req.user_id, .object = req.video_id.value};
  co_return co_await change_edge(ctx, edge, req.action);
}

Task<Result<>> Interactions::star_action(const Ctx& ctx, const StarActionReq& req) {
  const EdgeKey edge{.kind = Edge::star, .user = req.user_id, .object = req.video_id.value};
  co_return co_await change_edge(ctx, edge, req.action);
}

Task<Result<>> Interactions::comment_like_action(const Ctx& ctx, const CommentLikeActionReq& req) {
  const EdgeKey edge{
      .kind = Edge::comment_like, .user = req.user_id, .object = req.comment_id.value};
  co_return co_await change_edge(ctx, edge, req.action);
}

Task<Result<std::vector<Result<>>>> Interactions::write_edges(std::vector<EdgeChange> rows) {
  co_return co_await state_.deps.db.write(
      Ctx{}, [this, rows = std::move(rows)](sql::Tx& tx) { return write_edges_tx(tx, rows); });
}

Result<std::vector<Result<>>> Interactions::write_edges_tx(sql::Tx& tx,
                                                           const std::vector<EdgeChange>& rows) {
  const std::int64_t now = state_.now();
  std::vector<std::int64_t> users, videos, comments;
  for (const EdgeChange& row : rows) {
    users.push_back(row.edge.user.value);
    (row.edge.kind == Edge::comment_like ? comments : videos).push_back(row.edge.object);
  }
  SV_TRY(const auto gone, state_.gone_people(tx, std::move(users)));
  SV_TRY(const auto known_videos, state_.videos_now(tx, std::move(videos)));
  std::map<CommentId, CommentPtr> known_comments;
  if (!comments.empty()) { SV_TRY(known_comments, state_.comments_now(tx, std::move(comments))); }

  std::vector<Result<>> outcomes;
  Changes changes;
  std::map<VideoId, std::vector<std::int64_t>> liked_by;
  for (const EdgeChange& row : rows) {
    outcomes.emplace_back();
    if (row.on && gone.contains(row.edge.user)) {
      outcomes.back() = fail(Errc::unauthenticated);
      continue;
    }
    const bool on_comment = row.edge.kind == Edge::comment_like;
    if (on_comment) {
      const auto at = known_comments.find(CommentId(row.edge.object));
      if (row.on && (at == known_comments.end() || at->second->deleted)) {
        outcomes.back() = fail(Errc::not_found, "comment_not_found");
        continue;
      }
    } else if (const auto at = known_videos.find(VideoId(row.edge.object));
               row.on && at != known_videos.end() && at->second.gone) {
      outcomes.back() = fail(Errc::not_found, "video_not_found");
      continue;
    }
    SV_TRY(
        const std::int64_t changed,
        row.on
            ? tx.execute(store::kAddEdge, {row.edge.object, num(row.edge.kind), row.edge.user, now})
            : tx.execute(store::kRemoveEdge, {row.edge.object, num(row.edge.kind), row.edge.user}));
    if (changed == 0) continue;
    changes.edges.emplace_back(row.edge, row.on);
    const std::int64_t step = row.on ? 1 : -1;
    if (on_comment) {
      changes.comments[CommentId(row.edge.object)].likes += step;
      continue;
    }
    auto& sum = changes.videos[VideoId(row.edge.object)];
    if (row.author) sum.author = row.author;
    (row.edge.kind == Edge::like ? sum.likes : sum.stars) += step;
    if (row.edge.kind == Edge::like && row.on)
      liked_by[VideoId(row.edge.object)].push_back(row.edge.user.value);
  }
  for (const auto& [id, sum] : changes.comments)
    if (const auto at = known_comments.find(id); at != known_comments.end() && !at->second->root)
      changes.rankings.insert(at->second->video);
  for (const auto& [video, by] : liked_by)
    SV_CHECK(
        state_.deps.events.publish(tx, liked_event(video, changes.videos[video].author, by, now)));
  SV_CHECK(state_.apply(tx, std::move(changes)));
  return outcomes;
}

Task<Result<bool>> Interactions::has_edge(EdgeKey edge) {
  SV_CO_TRY(const auto found, co_await state_.edges_of(edge.user, {edge.kind}, {edge.object}));
  co_return !found.empty();
}

Task<Result<>> Interactions::share_action(const Ctx& ctx, const ShareActionReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(const UserId author,
            co_await author_of_visible(ctx, req.user_id, req.video_id, Purpose::write));
  co_return co_await state_.deps.db.write(
      ctx, [this, ctx, author, user = req.user_id, video = req.video_id](sql::Tx& tx) -> Result<> {
        const std::string body = std::to_string(video.value);
        SV_TRY(const auto before, request_keys_.find(tx, ctx, user, "share", body));
        if (before) return {};
        SV_TRY(const auto gone, state_.gone_people(tx, {user.value}));
        SV_TRY(const auto known, state_.videos_now(tx, {video.value}));
        if (!gone.empty()) return fail(Errc::unauthenticated);
        if (!known.empty() && known.begin()->second.gone)
          return fail(Errc::not_found, "video_not_found");
        SV_TRY(const std::int64_t counted, tx.execute(store::kShare, {user, video, state_.now()}));
        SV_CHECK(request_keys_.remember(tx, ctx, user, "share", body, video.value));
        if (counted == 0) return {};
        Changes changes;
        changes.videos[video] = {.author = author, .shares = 1};
        return state_.apply(tx, std::move(changes));
      });
}

Task<Result<CountResp>> Interactions::get_count(const Ctx& ctx, const CountReq& req) {
  SV_CO_CHECK(
      co_await author_of_visible(ctx, req.current_user_id.value_or(UserId{}), req.video_id));
  SV_CO_TRY(const auto found, co_await state_.counts({req.video_id}));
  const VideoCounts& c = found.at(req.video_id);
  co_return CountResp{.like_count = c.likes,
                      .comment_count = c.comments,
                      .star_count = c.stars,
                      .share_count = c.shares};
}

Task<Result<CheckLikeStatusResp>> Interactions::check_like_status(const Ctx& ctx,
                                                                  const CheckLikeStatusReq& req) {
  SV_CO_CHECK(co_await author_of_visible(ctx, req.user_id, req.video_id));
  SV_CO_TRY(
      const bool on,
      co_await has_edge({.kind = Edge::like, .user = req.user_id, .object = req.video_id.value}));
  co_return CheckLikeStatusResp{.is_liked = on};
}

Task<Result<CheckStarStatusResp>> Interactions::check_star_status(const Ctx& ctx,
                                                                  const CheckStarStatusReq& req) {
  SV_CO_CHECK(co_await author_of_visible(ctx, req.user_id, req.video_id));
  SV_CO_TRY(
      const bool on,
      co_await has_edge({.kind = Edge::star, .user = req.user_id, .object = req.video_id.value}));
  co_return CheckStarStatusResp{.is_starred = on};
}

Task<Result<VideoInteractionPartsResp>> Interactions::get_video_interaction_parts(
    const Ctx&, const VideoInteractionPartsReq& req) {
  if (req.video_ids.size() > kMaxBatch) co_return invalid("video_ids", "too_long");
  std::vector<std::int64_t> objects;
  for (VideoId id : req.video_ids) objects.push_back(id.value);
  SV_CO_TRY(const auto counts, co_await state_.counts(req.video_ids));
  SV_CO_TRY(const auto mine,
            co_await state_.edges_of(req.user_id, {Edge::like, Edge::star}, std::move(objects)));
  VideoInteractionPartsResp out;
  for (const auto& [id, c] : counts)
    out.parts[id] = {.like_count = c.likes,
                     .comment_count = c.comments,
                     .star_count = c.stars,
                     .share_count = c.shares,
                     .is_like = mine.contains({Edge::like, id.value}),
                     .is_star = mine.contains({Edge::star, id.value})};
  co_return out;
}

Task<Result<UserInteractionPartsResp>> Interactions::get_user_interaction_parts(
    const Ctx&, const UserInteractionPartsReq& req) {
  if (req.user_ids.size() > kMaxBatch) co_return invalid("user_ids", "too_long");
  SV_CO_TRY(const auto found, co_await state_.received(req.user_ids));
  UserInteractionPartsResp out;
  for (const auto& [id, c] : found)
    out.parts[id] = {.likes_received = c.likes, .comments_received = c.comments};
  co_return out;
}

}  // namespace sv::interaction
