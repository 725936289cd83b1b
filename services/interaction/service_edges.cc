#include <fmt/format.h>
#include <fmt/ranges.h>

#include "services/interaction/local_service.h"
#include "services/interaction/rules.h"
#include "services/parts/events.h"
#include "services/parts/locks.h"

namespace sv::interaction {
namespace {

// What is there when the batch is written.
struct Known {
  std::unordered_set<UserId> gone;
  std::map<VideoId, VideoCounts> videos;
  std::map<CommentId, CommentPtr> comments;
};

Result<Known> look(State& state, sql::Tx& tx, const std::vector<EdgeChange>& rows) {
  std::vector<std::int64_t> users, videos, comments;
  for (const EdgeChange& row : rows) {
    users.push_back(row.edge.user.value);
    (row.edge.kind == Edge::comment_like ? comments : videos).push_back(row.edge.object);
  }
  Known out;
  SV_TRY(out.gone, state.gone_people(tx, std::move(users)));
  SV_TRY(out.videos, state.videos_now(tx, std::move(videos)));
  if (!comments.empty()) { SV_TRY(out.comments, state.comments_now(tx, std::move(comments))); }
  return out;
}

// What is there may be liked; anything may be taken back.
Result<> admit(const EdgeChange& row, const Known& known) {
  if (!row.on) return {};
  if (known.gone.contains(row.edge.user)) return fail(Errc::unauthenticated);
  if (row.edge.kind == Edge::comment_like) {
    const auto at = known.comments.find(CommentId(row.edge.object));
    if (at == known.comments.end() || at->second->deleted)
      return fail(Errc::not_found, "comment_not_found");
  } else if (const auto at = known.videos.find(VideoId(row.edge.object));
             at != known.videos.end() && at->second.gone) {
    return fail(Errc::not_found, "video_not_found");
  }
  return {};
}

Result<> lock(sql::Tx& tx, const std::vector<EdgeChange>& rows) {
  Locks locks;
  for (const EdgeChange& row : rows) {
    locks.share("person", row.edge.user.value);
    locks.share(row.edge.kind == Edge::comment_like ? "comment" : "video", row.edge.object);
  }
  return locks.take(tx);
}

// The places in `rows` of what may be written, sorted by edge; of several about one edge each goes
// into a turn of its own, for it meets what the one before left.
std::vector<std::vector<std::size_t>> turns(const std::vector<EdgeChange>& rows,
                                            const std::vector<Result<>>& admitted) {
  std::map<EdgeKey, std::vector<std::size_t>> by_edge;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (admitted[i]) by_edge[rows[i].edge].push_back(i);
  std::vector<std::vector<std::size_t>> out;
  for (const auto& [edge, places] : by_edge)
    for (std::size_t turn = 0; turn < places.size(); ++turn) {
      if (out.size() <= turn) out.emplace_back();
      out[turn].push_back(places[turn]);
    }
  return out;
}

// Makes, or unmakes, the edges at these places. Appends to `changed` what was not so already.
Result<> write(sql::Tx& tx, const std::vector<EdgeChange>& rows,
               const std::vector<std::size_t>& places, bool on, std::int64_t now,
               std::vector<Result<>>& outcomes, std::vector<EdgeChange>& changed) {
  std::vector<std::size_t> mine;
  std::vector<sql::Params> params;
  for (std::size_t i : places) {
    const EdgeKey& edge = rows[i].edge;
    if (rows[i].on != on) continue;
    mine.push_back(i);
    if (on) params.push_back({edge.object, edge.kind, edge.user, now});
    else params.push_back({edge.object, edge.kind, edge.user});
  }
  if (mine.empty()) return {};
  SV_TRY(const auto did, tx.execute_each(on ? store::kAddEdge : store::kRemoveEdge, params));
  for (std::size_t n = 0; n < mine.size(); ++n) {
    if (!did[n]) outcomes[mine[n]] = std::unexpected(did[n].error());
    else if (*did[n] > 0) changed.push_back(rows[mine[n]]);
  }
  return {};
}

Changes count(const std::vector<EdgeChange>& changed, const Known& known) {
  Changes out;
  for (const EdgeChange& row : changed) {
    const std::int64_t step = row.on ? 1 : -1;
    out.edges.emplace_back(row.edge, row.on);
    if (row.edge.kind == Edge::comment_like) {
      const CommentId id(row.edge.object);
      out.comments[id].likes += step;
      if (const auto at = known.comments.find(id); at != known.comments.end() && !at->second->root)
        out.rankings.insert(at->second->video);
      continue;
    }
    auto& sum = out.videos[VideoId(row.edge.object)];
    if (row.author) sum.author = row.author;
    (row.edge.kind == Edge::like ? sum.likes : sum.stars) += step;
  }
  return out;
}

// One event a video: who likes it now and did not before.
Result<> tell(EventBus& bus, sql::Tx& tx, const std::vector<EdgeChange>& changed) {
  std::map<VideoId, events::InteractionLiked> liked;
  for (const EdgeChange& row : changed) {
    if (row.edge.kind != Edge::like || !row.on) continue;
    const VideoId video(row.edge.object);
    events::InteractionLiked& of = liked[video];
    of.video = video;
    of.author = row.author;
    of.users.push_back(row.edge.user);
  }
  std::vector<Event> all;
  for (const auto& [video, of] : liked) all.push_back(event_of(video, 0, of));
  return bus.publish(tx, std::move(all));
}

}  // namespace

Task<Result<>> LocalService::change_edge(const Ctx& ctx, EdgeKey edge, bool on) {
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
    SV_CO_TRY(const bool mine, co_await has_edge(ctx, edge));
    if (!mine) co_return std::unexpected(std::move(author.error()));
  }
  co_return co_await edge_writer_.add(
      ctx, {.edge = edge, .author = author.value_or(UserId{}), .on = on});
}

Task<Result<>> LocalService::like_action(const Ctx& ctx, const LikeActionReq& req) {
  const EdgeKey edge{.kind = Edge::like, .user = req.user_id, .object = req.video_id.value};
  co_return co_await change_edge(ctx, edge, req.action);
}

Task<Result<>> LocalService::star_action(const Ctx& ctx, const StarActionReq& req) {
  const EdgeKey edge{.kind = Edge::star, .user = req.user_id, .object = req.video_id.value};
  co_return co_await change_edge(ctx, edge, req.action);
}

Task<Result<>> LocalService::comment_like_action(const Ctx& ctx, const CommentLikeActionReq& req) {
  const EdgeKey edge{
      .kind = Edge::comment_like, .user = req.user_id, .object = req.comment_id.value};
  co_return co_await change_edge(ctx, edge, req.action);
}

Task<Result<std::vector<Result<>>>> LocalService::write_edges(const Ctx& ctx,
                                                              std::vector<EdgeChange> rows) {
  co_return co_await state_.deps.db.write(
      ctx, [this, rows = std::move(rows)](sql::Tx& tx) { return write_edges_tx(tx, rows); },
      sql::Isolation::read_committed);
}

Result<std::vector<Result<>>> LocalService::write_edges_tx(sql::Tx& tx,
                                                           const std::vector<EdgeChange>& rows) {
  const std::int64_t now = state_.now();
  SV_CHECK(lock(tx, rows));
  SV_TRY(const Known known, look(state_, tx, rows));
  std::vector<Result<>> outcomes;
  for (const EdgeChange& row : rows) outcomes.push_back(admit(row, known));
  std::vector<EdgeChange> changed;
  for (const auto& places : turns(rows, outcomes))
    for (const bool on : {true, false})
      SV_CHECK(write(tx, rows, places, on, now, outcomes, changed));
  SV_CHECK(tell(state_.deps.events, tx, changed));
  SV_CHECK(state_.apply(tx, count(changed, known)));
  return outcomes;
}

Task<Result<bool>> LocalService::has_edge(const Ctx& ctx, EdgeKey edge) {
  SV_CO_TRY(const auto found, co_await state_.edges_of(ctx, edge.user, {edge.kind}, {edge.object}));
  co_return !found.empty();
}

Task<Result<>> LocalService::share_action(const Ctx& ctx, const ShareActionReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(const UserId author,
            co_await author_of_visible(ctx, req.user_id, req.video_id, Purpose::write));
  co_return co_await state_.deps.db.write(
      ctx, [this, ctx, req, author](sql::Tx& tx) { return share_tx(tx, ctx, req, author); },
      sql::Isolation::read_committed);
}

Result<> LocalService::share_tx(sql::Tx& tx, const Ctx& ctx, const ShareActionReq& req,
                                UserId author) {
  Locks locks;
  locks.share("person", req.user_id.value);
  locks.share("video", req.video_id.value);
  SV_CHECK(locks.take(tx));
  const std::int64_t id = req.video_id.value;
  SV_TRY(const auto before,
         request_keys_.claim(tx, "share", {{ctx, req.user_id, std::to_string(id), id}}));
  if (!before[0]) return std::unexpected(before[0].error());
  if (*before[0]) return {};
  SV_TRY(const auto gone, state_.gone_people(tx, {req.user_id.value}));
  SV_TRY(const auto known, state_.videos_now(tx, {req.video_id.value}));
  if (!gone.empty()) return fail(Errc::unauthenticated);
  if (!known.empty() && known.begin()->second.gone) return fail(Errc::not_found, "video_not_found");
  SV_TRY(const std::int64_t counted,
         tx.execute(store::kShare, {req.user_id, req.video_id, state_.now()}));
  if (counted == 0) return {};
  Changes changes;
  changes.videos[req.video_id] = {.author = author, .shares = 1};
  return state_.apply(tx, std::move(changes));
}

Task<Result<CountResp>> LocalService::get_count(const Ctx& ctx, const CountReq& req) {
  SV_CO_CHECK(
      co_await author_of_visible(ctx, req.current_user_id.value_or(UserId{}), req.video_id));
  SV_CO_TRY(const auto found, co_await state_.counts(ctx, {req.video_id}));
  const VideoCounts& c = found.at(req.video_id);
  co_return CountResp{.like_count = c.likes,
                      .comment_count = c.comments,
                      .star_count = c.stars,
                      .share_count = c.shares};
}

Task<Result<CheckLikeStatusResp>> LocalService::check_like_status(const Ctx& ctx,
                                                                  const CheckLikeStatusReq& req) {
  SV_CO_CHECK(co_await author_of_visible(ctx, req.user_id, req.video_id));
  SV_CO_TRY(const bool on,
            co_await has_edge(
                ctx, {.kind = Edge::like, .user = req.user_id, .object = req.video_id.value}));
  co_return CheckLikeStatusResp{.is_liked = on};
}

Task<Result<CheckStarStatusResp>> LocalService::check_star_status(const Ctx& ctx,
                                                                  const CheckStarStatusReq& req) {
  SV_CO_CHECK(co_await author_of_visible(ctx, req.user_id, req.video_id));
  SV_CO_TRY(const bool on,
            co_await has_edge(
                ctx, {.kind = Edge::star, .user = req.user_id, .object = req.video_id.value}));
  co_return CheckStarStatusResp{.is_starred = on};
}

Task<Result<VideoInteractionPartsResp>> LocalService::get_video_interaction_parts(
    const Ctx& ctx, const VideoInteractionPartsReq& req) {
  if (req.video_ids.size() > kMaxBatch) co_return invalid("video_ids", "too_long");
  std::vector<std::int64_t> objects;
  for (VideoId id : req.video_ids) objects.push_back(id.value);
  SV_CO_TRY(const auto counts, co_await state_.counts(ctx, req.video_ids));
  SV_CO_TRY(const auto mine, co_await state_.edges_of(ctx, req.user_id, {Edge::like, Edge::star},
                                                      std::move(objects)));
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

Task<Result<UserInteractionPartsResp>> LocalService::get_user_interaction_parts(
    const Ctx& ctx, const UserInteractionPartsReq& req) {
  if (req.user_ids.size() > kMaxBatch) co_return invalid("user_ids", "too_long");
  SV_CO_TRY(const auto found, co_await state_.received(ctx, req.user_ids));
  UserInteractionPartsResp out;
  for (const auto& [id, c] : found)
    out.parts[id] = {.likes_received = c.likes, .comments_received = c.comments};
  co_return out;
}

}  // namespace sv::interaction
