#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/core/batch_writer.h"
#include "services/interaction/state.h"
#include "services/parts/people.h"
#include "services/parts/request_keys.h"

namespace sv::interaction {

// A comment as callers see it.
Comment shown(const CommentRow& row, UserBrief author, bool is_like);

// Rows of the batch writers.
struct EdgeChange {
  EdgeKey edge;
  UserId author;  // of the object: a video's goes into the first row of its counters
  bool on = false;
};
struct NewComment {
  Ctx ctx;  // for its idempotency key
  CommentId id;
  VideoId video;
  UserId user, author;
  CommentId reply_to, root;  // 0: top level
  std::string content;
};

// The service itself; others see InteractionService (service.h). A topic is a file.
class LocalService final : public InteractionService {
 public:
  explicit LocalService(const InteractionDeps& deps);
  ~LocalService() override { stop(); }
  void stop() override;

  // service_edges.cc
  Task<Result<>> like_action(const Ctx& ctx, const LikeActionReq& req) override;
  Task<Result<>> star_action(const Ctx& ctx, const StarActionReq& req) override;
  Task<Result<>> comment_like_action(const Ctx& ctx, const CommentLikeActionReq& req) override;
  Task<Result<>> share_action(const Ctx& ctx, const ShareActionReq& req) override;
  Task<Result<CountResp>> get_count(const Ctx& ctx, const CountReq& req) override;
  Task<Result<CheckLikeStatusResp>> check_like_status(const Ctx& ctx,
                                                      const CheckLikeStatusReq& req) override;
  Task<Result<CheckStarStatusResp>> check_star_status(const Ctx& ctx,
                                                      const CheckStarStatusReq& req) override;
  Task<Result<VideoInteractionPartsResp>> get_video_interaction_parts(
      const Ctx& ctx, const VideoInteractionPartsReq& req) override;
  Task<Result<UserInteractionPartsResp>> get_user_interaction_parts(
      const Ctx& ctx, const UserInteractionPartsReq& req) override;
  // service_lists.cc
  Task<Result<LikeVideoListResp>> get_like_video_list(const Ctx& ctx,
                                                      const LikeVideoListReq& req) override;
  Task<Result<StarVideoListResp>> get_star_video_list(const Ctx& ctx,
                                                      const StarVideoListReq& req) override;
  // service_comments.cc
  Task<Result<CommentActionResp>> comment_action(const Ctx& ctx,
                                                 const CommentActionReq& req) override;
  Task<Result<>> delete_comment(const Ctx& ctx, const DeleteCommentReq& req) override;
  // service_threads.cc
  Task<Result<CommentListResp>> get_comment_list(const Ctx& ctx,
                                                 const CommentListReq& req) override;
  Task<Result<ReplyListResp>> get_reply_list(const Ctx& ctx, const ReplyListReq& req) override;
  // service_reports.cc
  Task<Result<ReportResp>> report(const Ctx& ctx, const ReportReq& req) override;
  Task<Result<ReportListResp>> get_reports(const Ctx& ctx, const ReportListReq& req) override;

 private:
  // service.cc: whose video it is. 404 video_not_found when `viewer` may not see it, or it does not
  // exist; 503 while those who know that are silent.
  Task<Result<UserId>> author_of_visible(const Ctx& ctx, UserId viewer, VideoId video,
                                         Purpose purpose = Purpose::read);
  // 404 comment_not_found unless `viewer` may see the comment and its video.
  Task<Result<bool>> owns(const Ctx& ctx, UserId user, VideoId video);  // of a video with counters
  // Whose comments are in no list for this viewer; of the viewer's own video, private accounts are.
  static bool hides(bool own_video, const Person& person) {
    return own_video ? person.gone || person.blocked : person.hidden();
  }
  Task<Result<CommentPtr>> visible_comment(const Ctx& ctx, UserId viewer, CommentId id,
                                           Purpose purpose = Purpose::read);

  // service_edges.cc
  Task<Result<>> change_edge(const Ctx& ctx, EdgeKey edge, bool on);
  Task<Result<std::vector<Result<>>>> write_edges(const Ctx& ctx, std::vector<EdgeChange> rows);
  Result<std::vector<Result<>>> write_edges_tx(sql::Tx& tx, const std::vector<EdgeChange>& rows);
  Task<Result<bool>> has_edge(const Ctx& ctx, EdgeKey edge);
  Result<> share_tx(sql::Tx& tx, const Ctx& ctx, const ShareActionReq& req, UserId author);

  // service_lists.cc
  struct VideoPage {
    std::vector<Video> videos;
    std::string next_cursor;
    std::int64_t total = 0;
  };
  struct VideoPageReq {
    Edge kind{};
    UserId owner{}, viewer{};
    std::int32_t page = 1, page_size = 10;
    std::string cursor;
  };
  Task<Result<VideoPage>> videos_of(const Ctx& ctx, VideoPageReq req);

  // service_comments.cc
  Task<Result<std::vector<Result<CommentPtr>>>> write_comments(const Ctx& ctx,
                                                               std::vector<NewComment> rows);
  Result<std::vector<Result<CommentPtr>>> write_comments_tx(sql::Tx& tx,
                                                            const std::vector<NewComment>& rows);
  // False: it is deleted already. Counts follow; replies below a deleted comment are in no list any
  // more.
  // How many were there still. At READ COMMITTED.
  Result<std::size_t> delete_comments_tx(sql::Tx& tx, const std::vector<CommentPtr>& rows);
  Result<bool> delete_comment_tx(sql::Tx& tx, CommentId id);

  // service_threads.cc
  struct Listing {
    ThreadKey thread;
    RankingPtr ranking;  // instead of the thread, when set
    std::string_view route;
    bool own = false;  // below the viewer's video
  };
  struct CommentPage {
    std::vector<Comment> comments;
    std::string next_cursor;
  };
  Task<Result<std::vector<Entry>>> entries(const Ctx& ctx, const Listing& list, Entry after,
                                           std::size_t count);
  Task<Result<CommentPage>> page_of(const Ctx& ctx, UserId viewer, const Listing& list, Entry after,
                                    std::size_t skip, std::size_t size);
  Task<Result<std::vector<Comment>>> compose(const Ctx& ctx, UserId viewer,
                                             std::vector<CommentPtr> rows, const People& people);
  Task<Result<CommentPage>> hot_comments(const Ctx& ctx, const CommentListReq& req, bool own,
                                         std::size_t size);

  // service_reports.cc
  Result<ReportResp> report_tx(sql::Tx& tx, const Ctx& ctx, const ReportReq& req);

  // purge.cc: consumer of video.changed and user.deleted.
  Task<Result<Effect>> purge(std::vector<Event> events);
  Task<Result<>> purge_video(VideoId video, UserId author);
  Task<Result<>> purge_user(UserId user);

  State state_;
  const PeopleParts people_;
  const Peer videos_, privacy_;
  const RequestKeys request_keys_;
  const Rankings rankings_;
  BatchWriter<EdgeChange, void> edge_writer_;
  BatchWriter<NewComment, CommentPtr> comment_writer_;
};

}  // namespace sv::interaction
