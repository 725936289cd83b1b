#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "platform/core/cursor.h"
#include "services/parts/people.h"
#include "services/parts/rankings.h"
#include "services/parts/request_keys.h"
#include "services/video/inboxes.h"
#include "services/video/known_privacy.h"
#include "services/video/media_access.h"
#include "services/video/pipeline.h"
#include "services/video/state.h"
#include "services/video/view_salts.h"
#include "services/video/views.h"

namespace sv::video {

// A page is refilled for what its viewer may not see this many times: who hides nearly everyone
// gets a short page with a cursor.
constexpr int kRefills = 20;

inline std::vector<VideoId> ids_of(const std::vector<Entry>& entries) {
  std::vector<VideoId> ids;
  for (const Entry& e : entries) ids.emplace_back(e.id);
  return ids;
}

// Every method of VideoApi; a topic is a file: service_uploads.cc, service_feed.cc,
// service_edit.cc, service_hot.cc, service_search.cc, service_views.cc, media_access.cc.
class LocalService final : public VideoService {
 public:
  LocalService(VideoDeps deps, VideoOptions options);

  void start() override;
  void stop() override;
  Task<int> run_due_jobs() override;
  Task<Result<>> flush_views() override;
  Task<Result<>> recover() override;

  // uploads
  Task<Result<BeginUploadResp>> begin_upload(const Ctx&, const BeginUploadReq&) override;
  Task<Result<FinishUploadResp>> finish_upload(const Ctx&, const FinishUploadReq&) override;
  Task<Result<>> abort_upload(const Ctx&, const AbortUploadReq&) override;
  Task<Result<UploadVideoResp>> upload_video(const Ctx&, const UploadVideoReq&) override;
  Task<Result<PublishVideoResp>> publish_video(const Ctx&, const PublishVideoReq&) override;
  Task<Result<VideoStatusResp>> get_video_status(const Ctx&, const VideoStatusReq&) override;
  Task<Result<>> retry_video(const Ctx&, const RetryVideoReq&) override;
  // reading
  Task<Result<FeedResp>> get_feed(const Ctx&, const FeedReq&) override;
  Task<Result<VideoDetailResp>> get_video_detail(const Ctx&, const VideoDetailReq&) override;
  Task<Result<BatchVideoInfoResp>> batch_get_video_info(const Ctx&,
                                                        const BatchVideoInfoReq&) override;
  Task<Result<UserVideoListResp>> get_user_video_list(const Ctx&, const UserVideoListReq&) override;
  Task<Result<ListMineResp>> list_mine(const Ctx&, const ListMineReq&) override;
  Task<Result<HotVideoResp>> get_hot_videos(const Ctx&, const HotVideoReq&) override;
  Task<Result<SearchVideoResp>> search_video(const Ctx&, const SearchVideoReq&) override;
  Task<Result<GetUserVideoCountResp>> get_user_video_count(const Ctx&,
                                                           const GetUserVideoCountReq&) override;
  Task<Result<GetTotalVideoCountResp>> get_total_video_count(const Ctx&,
                                                             const GetTotalVideoCountReq&) override;
  Task<Result<UserVideoPartsResp>> get_user_video_parts(const Ctx&,
                                                        const UserVideoPartsReq&) override;
  Task<Result<VideoBriefsResp>> get_video_briefs(const Ctx&, const VideoBriefsReq&) override;
  Task<Result<AuthorizeMediaResp>> authorize_media(const Ctx&, const AuthorizeMediaReq&) override;
  // changing
  Task<Result<>> update_video_info(const Ctx&, const UpdateVideoInfoReq&) override;
  Task<Result<>> delete_video(const Ctx&, const DeleteVideoReq&) override;
  Task<Result<>> not_interested(const Ctx&, const NotInterestedReq&) override;
  // more lists
  Task<Result<VideoPageResp>> get_following_feed(const Ctx&, const FollowingFeedReq&) override;
  Task<Result<VideoPageResp>> get_related_videos(const Ctx&, const RelatedVideoReq&) override;
  Task<Result<VideoPageResp>> get_tag_videos(const Ctx&, const TagVideoReq&) override;
  Task<Result<HotTagResp>> get_hot_tags(const Ctx&, const HotTagReq&) override;
  Task<Result<SearchTagsResp>> search_tags(const Ctx& ctx, const SearchTagsReq& req) override;
  // views
  Task<Result<>> record_view(const Ctx&, const RecordViewReq&) override;
  Task<Result<ViewSaltResp>> get_view_salt(const Ctx&, const ViewSaltReq&) override;
  Task<Result<VideoStatsResp>> get_video_stats(const Ctx&, const VideoStatsReq&) override;

 private:
  struct Upload {
    std::int64_t id = 0;
    UserId user;
    std::string title, description;
    std::vector<std::string> tags;
    Visibility visibility = Visibility::everyone;
    std::int64_t size = 0;
    std::string sha256;
    bool cover = false;
  };
  Task<Result<VideoPtr>> publish(const Ctx& ctx, Upload upload);
  Result<VideoId> publish_tx(sql::Tx& tx, const Upload& upload);
  Task<Result<>> check_head(std::string key, bool cover);
  Task<Result<>> discard(std::int64_t upload, UserId user);

  // Whole entities in the order of `rows`, null ones left out, as `viewer` may see them: without
  // those of people who are hidden from them and, in `feed`s, without what they do not want to see
  // (muted authors, not_interested).
  enum class Kind : unsigned char { opened, feed };
  Task<std::vector<Video>> compose(const Ctx& ctx, UserId viewer, std::vector<VideoPtr> rows,
                                   Kind kind = Kind::opened);
  // One signature for all of them, none when anyone may fetch them.
  Links links(const VideoRow& row, bool open) const;
  // Before a change: 403 not_owner when the video is another's that `user` may see, 404 when not.
  Task<Result<>> check_owner(const Ctx& ctx, UserId user, VideoId id);
  Result<> delete_tx(sql::Tx& tx, VideoId id);
  // Listed, by someone whose account is not private; user_unavailable while that is not known.
  Task<Result<bool>> open_to_all(const Ctx& ctx, const VideoRow& row);
  // video_not_found when the row's author is hidden from the viewer.
  Task<Result<>> may_see_author(const Ctx& ctx, UserId viewer, const VideoRow& row,
                                Purpose purpose = Purpose::read);

  // What a user said not_interested to, the latest. Null when it cannot be read: a feed is shown
  // all the same.
  struct Unwanted {
    std::set<VideoId> videos;
    std::set<UserId> authors;
    bool has(const VideoRow& row) const {
      return videos.contains(row.id) || authors.contains(row.author);
    }
  };
  Task<std::shared_ptr<const Unwanted>> unwanted_by(const Ctx& ctx, UserId user);
  Result<> add_unwanted(sql::Tx& tx, const NotInterestedReq& req);

  // Fills `out` with `size` videos for a feed, from entries that `next(after, count)` reads in
  // order; returns where the next page begins.
  template <class Next>
  Task<Result<std::string>> fill(const Ctx& ctx, UserId viewer, std::string_view route,
                                 std::optional<Cursor> cursor, std::size_t size,
                                 std::vector<Video>& out, Next next);
  Task<Result<std::vector<Entry>>> followed_entries(const Ctx& ctx, UserId user,
                                                    std::vector<std::int64_t> large, Entry after,
                                                    std::size_t count);

  Task<Result<std::vector<Entry>>> author_entries(const Ctx& ctx, UserId author, Entry after,
                                                  std::size_t count);
  Task<Result<std::vector<VideoId>>> related_to(const Ctx& ctx, const VideoRow& row);

  Task<Result<std::vector<VideoPtr>>> listed(const Ctx& ctx, std::vector<VideoId> ids);
  Task<Result<std::vector<VideoPtr>>> found(const Ctx& ctx, UserId viewer,
                                            const std::vector<std::int64_t>& hits);
  Task<Result<std::vector<Entry>>> feed_entries(const Ctx& ctx, Entry after, std::size_t count);

  Task<Result<RankingPtr>> current_ranking(const Ctx& ctx);
  // What was told of a video's likes, comments and shares, in views.
  struct Engagement {
    std::int64_t weight = 0, time_ms = 0;
  };
  // Consumer of interaction.counted.
  Task<Result<Effect>> hear_counts(const std::vector<Event>& events);
  Result<> warm(sql::Tx& tx, const std::map<VideoId, Engagement>& told);

  Task<Result<Effect>> purge_accounts(
      const std::vector<Event>& events);  // consumer of user.deleted
  Task<Result<Effect>> index_events(std::vector<Event> events);
  Task<Result<>> index_rows(std::map<std::int64_t, std::int64_t> revisions);
  Task<Result<>> fill_index();  // goes on where an earlier one ended

  void subscribe(std::string name, std::vector<std::string> topics, EventBus::Prepare prepare);

  State state_;
  ViewBuffer views_;
  ViewSalts salts_;
  KnownPrivacy privacy_;
  Pipeline pipeline_;
  const PeopleParts people_;
  const RequestKeys keys_;
  const Rankings rankings_;
  metrics::Counter& absent_counts_;
  ObjectCache<UserId, std::shared_ptr<const Unwanted>> unwanted_{state_.deps.memory()};
  Inboxes inboxes_;
  TaskGroup group_;
  std::mutex ranking_mutex_;
  RankingPtr ranking_;
  std::uint64_t ranked_ = 0;  // State::ranked when it was made
};

}  // namespace sv::video
