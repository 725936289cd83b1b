#pragma once

#include <deque>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "platform/adapters/test_database.h"
#include "platform/testing/fakes.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"
#include "platform/testing/ways.h"
#include "services/interaction/fsck.h"
#include "services/interaction/migrations.h"
#include "services/interaction/service.h"

namespace sv::interaction {
using testing::run_task;
using testing::succeeded;
using testing::token_of;
using testing::Way;

inline constexpr UserId kAnn{1}, kBob{2}, kCid{3}, kDan{4};
inline constexpr VideoId kFilm{100}, kClip{101};  // Ann's
inline constexpr VideoId kSong{200};              // Bob's

struct FakeVideos final : video::VideoAbsent {
  std::map<VideoId, UserId> author{{kFilm, kAnn}, {kClip, kAnn}, {kSong, kBob}};
  std::set<VideoId> hidden;  // from everyone but their authors
  bool silent = false;

  bool shows(VideoId id, UserId viewer) const {
    return author.contains(id) && (!hidden.contains(id) || author.at(id) == viewer);
  }
  Task<Result<video::VideoBriefsResp>> get_video_briefs(const Ctx&,
                                                        const video::VideoBriefsReq& req) override {
    if (silent) co_return fail(Errc::deadline_exceeded);
    video::VideoBriefsResp out;
    for (VideoId id : req.video_ids)
      if (shows(id, req.current_user_id)) out.briefs[id] = {.id = id, .author_id = author.at(id)};
    co_return out;
  }
  Task<Result<video::BatchVideoInfoResp>> batch_get_video_info(
      const Ctx&, const video::BatchVideoInfoReq& req) override {
    if (silent) co_return fail(Errc::deadline_exceeded);
    EXPECT_LE(req.video_ids.size(), 200u);
    video::BatchVideoInfoResp out;
    for (VideoId id : req.video_ids)
      if (shows(id, req.current_user_id)) out.videos[id].id = id;
    co_return out;
  }
};

struct FakeUsers final : user::UserAbsent {
  std::set<UserId> gone, closed, show_likes;  // closed: private accounts
  bool silent = false, privacy_silent = false;

  Task<Result<user::UserBriefsResp>> get_user_briefs(const Ctx&,
                                                     const user::UserBriefsReq& req) override {
    if (silent) co_return fail(Errc::deadline_exceeded);
    user::UserBriefsResp out;
    out.private_ids.emplace();
    for (UserId id : req.user_ids) {
      if (gone.contains(id)) continue;
      out.briefs[id] = {.id = id, .username = fmt::format("user{}", id)};
      if (closed.contains(id)) out.private_ids->push_back(id);
    }
    co_return out;
  }
  Task<Result<user::PrivacyOfResp>> get_privacy_of(const Ctx&,
                                                   const user::PrivacyOfReq& req) override {
    if (silent || privacy_silent) co_return fail(Errc::internal);
    user::PrivacyOfResp out;
    for (UserId id : req.user_ids) out.privacy[id].show_likes = show_likes.contains(id);
    co_return out;
  }
};

struct FakeSocial final : social::SocialAbsent {
  std::set<std::pair<UserId, UserId>> follows, blocks, mutes;
  bool silent = false;

  Task<Result<social::SocialPartsResp>> get_social_parts(
      const Ctx&, const social::SocialPartsReq& req) override {
    if (silent) co_return fail(Errc::internal);
    social::SocialPartsResp out;
    for (UserId id : req.user_ids)
      out.parts[id] = {.is_follow = follows.contains({req.user_id, id}),
                       .is_blocked = blocks.contains({req.user_id, id}),
                       .has_blocked = blocks.contains({id, req.user_id}),
                       .is_muted = mutes.contains({req.user_id, id})};
    co_return out;
  }
};

struct FakeMessages final : message::MessageAbsent {
  std::map<MessageId, std::set<UserId>> readers;

  Task<Result<message::MessageSenderResp>> get_message_sender(
      const Ctx&, const message::MessageSenderReq& req) override {
    if (!readers[req.message_id].contains(req.user_id))
      co_return fail(Errc::not_found, "message_not_found");
    co_return message::MessageSenderResp{};
  }
};

// The service on a database of the test's own, alone or as two instances.
class InteractionTest : public ::testing::TestWithParam<Way> {
 protected:
  InteractionTest() {
    services_.video = &videos_;
    services_.user = &users_;
    services_.social = &social_;
    services_.message = &messages_;
    open();
  }

  void open() {
    other_.service.reset();
    other_.db.reset();
    service_.reset();
    db_.reset();
    auto opened =
        testing::open_test_database(folder_ / "interaction.db", {{"interaction", migrations()}});
    ASSERT_TRUE(succeeded(opened));
    db_ = std::move(*opened);
    service_ = make_interaction_service({*db_, clock_, ids_, events_, revision_, services_,
                                         metrics_, testing::memory_age(GetParam())});
    if (GetParam() == Way::two) open_other();
  }
  void open_other() {
    other_.db = std::move(testing::open_test_database(folder_ / "interaction.db", {}).value());
    other_.service =
        make_interaction_service({*other_.db, clock_, ids_, events_, other_.revision, services_,
                                  other_.metrics, testing::memory_age(GetParam())});
    two_.emplace(*service_, *other_.service, clock_);
  }

  InteractionApi& api() { return two_ ? static_cast<InteractionApi&>(two_->client()) : *service_; }

  Result<> like(UserId user, VideoId video, bool on = true) {
    return run_task(api().like_action(ctx_, {.user_id = user, .video_id = video, .action = on}));
  }
  Result<> star(UserId user, VideoId video, bool on = true) {
    return run_task(api().star_action(ctx_, {.user_id = user, .video_id = video, .action = on}));
  }
  Result<> share(UserId user, VideoId video) {
    return run_task(api().share_action(ctx_, {.user_id = user, .video_id = video}));
  }
  Result<> like_comment(UserId user, CommentId comment, bool on = true) {
    return run_task(
        api().comment_like_action(ctx_, {.user_id = user, .comment_id = comment, .action = on}));
  }
  Result<CommentActionResp> try_comment(UserId user, VideoId video, std::string content,
                                        CommentId reply_to = {}, std::string key = {}) {
    Ctx ctx = ctx_;
    ctx.idempotency_key = std::move(key);
    CommentActionReq req{
        .user_id = user, .video_id = video, .content = std::move(content), .reply_to_id = {}};
    if (reply_to) req.reply_to_id = reply_to;
    return run_task(api().comment_action(ctx, req));
  }
  Comment comment(UserId user, VideoId video, std::string content, CommentId reply_to = {}) {
    auto made = try_comment(user, video, std::move(content), reply_to);
    EXPECT_TRUE(succeeded(made));
    clock_.advance(std::chrono::milliseconds(1));
    return made ? made->comment : Comment{};
  }
  Result<> remove_comment(UserId user, CommentId id) {
    return run_task(
        api().delete_comment(ctx_, {.user_id = user, .video_id = {}, .comment_id = id}));
  }
  CountResp counts(VideoId video) {
    auto found = run_task(
        api().get_count(ctx_, {.video_id = video, .current_user_id = videos_.author.at(video)}));
    EXPECT_TRUE(succeeded(found));
    return found.value_or(CountResp{});
  }
  VideoInteractionParts parts(VideoId video, UserId viewer = {}) {
    auto found = run_task(
        api().get_video_interaction_parts(ctx_, {.user_id = viewer, .video_ids = {video}}));
    EXPECT_TRUE(succeeded(found));
    return found ? found->parts[video] : VideoInteractionParts{};
  }
  UserInteractionParts received(UserId user) {
    auto found = run_task(api().get_user_interaction_parts(ctx_, {.user_ids = {user}}));
    EXPECT_TRUE(succeeded(found));
    return found ? found->parts[user] : UserInteractionParts{};
  }
  CommentListResp comments(CommentListReq req) {
    if (!req.video_id) req.video_id = kFilm;
    auto found = run_task(api().get_comment_list(ctx_, req));
    EXPECT_TRUE(succeeded(found));
    return found.value_or(CommentListResp{});
  }
  ReplyListResp replies(CommentId root, UserId viewer = {}, std::int32_t size = 10,
                        std::string cursor = {}) {
    auto found = run_task(api().get_reply_list(ctx_, {.comment_id = root,
                                                      .current_user_id = viewer,
                                                      .page_size = size,
                                                      .cursor = std::move(cursor)}));
    EXPECT_TRUE(succeeded(found));
    return found.value_or(ReplyListResp{});
  }
  Result<> deliver(std::string topic, std::string payload) {
    return events_.deliver({{.id = 1,
                             .topic = std::move(topic),
                             .key = "k",
                             .revision = 1,
                             .payload = std::move(payload),
                             .time_ms = 0}});
  }
  // What was told since the last call, of one topic.
  std::vector<Event> told(std::string_view topic) {
    auto events = events_.take();
    std::erase_if(events, [&](const Event& e) { return e.topic != topic; });
    return events;
  }
  void expect_no_drift() {
    const auto found = run_task(find_drift(*db_));
    ASSERT_TRUE(succeeded(found));
    for (const Drift& d : *found)
      ADD_FAILURE() << d.counter << ": stored " << d.stored << ", counted " << d.counted;
  }

  testing::TempDir folder_;
  testing::ManualClock clock_;
  testing::CountingIds ids_;
  testing::RecordingEvents events_;
  ContentRevision revision_;
  metrics::Registry metrics_;
  FakeVideos videos_;
  FakeUsers users_;
  FakeSocial social_;
  FakeMessages messages_;
  Services services_;
  Ctx ctx_;
  std::unique_ptr<sql::Database> db_;
  std::unique_ptr<InteractionService> service_;
  struct {
    ContentRevision revision;
    metrics::Registry metrics;
    std::unique_ptr<sql::Database> db;
    std::unique_ptr<InteractionService> service;
  } other_;
  std::optional<testing::TwoOf<InteractionApi, InteractionClient, dispatch_interaction>> two_;
};

inline std::vector<std::string> contents(const std::vector<Comment>& comments) {
  std::vector<std::string> out;
  for (const Comment& c : comments) out.push_back(c.content);
  return out;
}

}  // namespace sv::interaction
