#include "services/interaction/service.h"

#include "services/interaction/local_service.h"
#include "services/parts/events.h"

namespace sv::interaction {
namespace {

// A batch waits for the database most of its time: the next one goes meanwhile where there are
// several writers.
std::size_t at_once(const sql::Database& db) { return std::min<std::size_t>(db.writers(), 2); }

}  // namespace

LocalService::LocalService(const InteractionDeps& deps)
    : state_(deps),
      people_(deps.services, deps.metrics),
      videos_(deps.metrics, "video", "who may see a video"),
      privacy_(deps.metrics, "user", "whether likes are shown"),
      request_keys_("interaction_requests", deps.clock),
      rankings_("interaction_rankings", deps.db, deps.clock),
      edge_writer_("interaction.edges",
                   [this](const Ctx& ctx, std::vector<EdgeChange> rows) {
                     return write_edges(ctx, std::move(rows));
                   },
                   {.writes = at_once(deps.db)}),
      comment_writer_("interaction.comments",
                      [this](const Ctx& ctx, std::vector<NewComment> rows) {
                        return write_comments(ctx, std::move(rows));
                      },
                      {.writes = at_once(deps.db)}) {
  deps.events.group(
      {.name = "interaction.purge",
       .topics = topics<events::VideoChanged, events::UserDeleted>(),
       .db = deps.db,
       .prepare = [this](const std::vector<Event>& events) { return purge(events); }});
}

void LocalService::stop() {
  edge_writer_.stop();
  comment_writer_.stop();
}

Task<Result<UserId>> LocalService::author_of_visible(const Ctx& ctx, UserId viewer, VideoId video,
                                                     Purpose purpose) {
  if (!video) co_return invalid("video_id", "required");
  const video::VideoBriefsReq ask{
      .current_user_id = viewer, .video_ids = {video}, .with_failed = {}, .without_covers = true};
  const auto found = co_await state_.deps.services.video->get_video_briefs(ctx, ask);
  if (!found) co_return videos_.unavailable(found.error().detail);
  const auto brief = found->briefs.find(video);
  if (brief == found->briefs.end()) co_return fail(Errc::not_found, "video_not_found");
  const UserId author = brief->second.author_id;
  if (author == viewer) co_return author;
  SV_CO_TRY(const Person person, co_await people_.look_up_one(ctx, viewer, author, purpose));
  if (person.hidden()) co_return fail(Errc::not_found, "video_not_found");
  co_return author;
}

Task<Result<bool>> LocalService::owns(const Ctx& ctx, UserId user, VideoId video) {
  SV_CO_TRY(const auto counts, co_await state_.counts(ctx, {video}));
  const UserId author = counts.at(video).author;
  co_return author&& author == user;
}

Task<Result<CommentPtr>> LocalService::visible_comment(const Ctx& ctx, UserId viewer, CommentId id,
                                                       Purpose purpose) {
  if (!id) co_return invalid("comment_id", "required");
  SV_CO_TRY(CommentPtr row, co_await state_.living_comment(ctx, id));
  if (!row) co_return fail(Errc::not_found, "comment_not_found");
  const auto author = co_await author_of_visible(ctx, viewer, row->video, purpose);
  if (!author && author.error().code == Errc::not_found)
    co_return fail(Errc::not_found, "comment_not_found");
  if (!author) co_return std::unexpected(author.error());
  if (row->user == viewer) co_return row;
  SV_CO_TRY(const Person writer, co_await people_.look_up_one(ctx, viewer, row->user, purpose));
  if (hides(*author == viewer, writer)) co_return fail(Errc::not_found, "comment_not_found");
  co_return row;
}

std::unique_ptr<InteractionService> make_interaction_service(const InteractionDeps& deps) {
  return std::make_unique<LocalService>(deps);
}

}  // namespace sv::interaction
