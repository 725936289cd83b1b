#include "services/message/test_world.h"

namespace sv::message {
namespace {

constexpr VideoId kFilm{900}, kSong{901};

struct NotificationTest : MessageTest {
  void SetUp() override {
    MessageTest::SetUp();
    videos.titles = {{kFilm, "film"}, {kSong, "song"}};
  }
  std::vector<std::string> contents(UserId of, std::string kind = {}, Lang lang = Lang::en) {
    std::vector<std::string> out;
    auto found = notices(of, std::move(kind), lang);
    EXPECT_TRUE(succeeded(found));
    for (const auto& n : found->notifications) out.push_back(n.content);
    return out;
  }
  Result<> mark(UserId who, NotificationId id) {
    return run_task(api().mark_notification_read({}, {.user_id = who, .notification_id = id}));
  }
  Result<> mark_all(UserId who) {
    return run_task(
        api().mark_notification_read({}, {.user_id = who, .notification_id = {}, .all = true}));
  }
  Result<> set(SetNotificationSettingsReq req) {
    return run_task(api().set_notification_settings({}, req));
  }
};
SV_BOTH_WAYS(NotificationTest);
using Texts = std::vector<std::string>;

TEST_P(NotificationTest, LikesAreOneGroupWithItsNewestActors) {
  likes({kBob}, kFilm, kAnn);
  auto found = notices(kAnn);
  ASSERT_TRUE(succeeded(found));
  ASSERT_EQ(found->notifications.size(), 1u);
  EXPECT_EQ(found->notifications[0].title, "bob赞了你的视频");
  EXPECT_EQ(found->notifications[0].content, "bob赞了你的视频《film》");
  likes({kCy, kDan}, kFilm, kAnn);
  likes({kEve}, kFilm, kAnn);
  likes({kBob}, kFilm, kAnn);
  found = notices(kAnn);
  ASSERT_EQ(found->notifications.size(), 1u);
  const SystemNotification& n = found->notifications[0];
  EXPECT_EQ(n.user_id, kAnn);
  EXPECT_EQ(n.type, 1);
  EXPECT_EQ(n.kind, "like");
  EXPECT_EQ(n.count, 4);
  EXPECT_EQ(n.related_id, kFilm.value);
  EXPECT_EQ(n.video_id, kFilm);
  EXPECT_FALSE(n.is_read);
  ASSERT_EQ(n.actors->size(), 3u);
  EXPECT_EQ(n.actors->at(0).username, "eve");
  EXPECT_EQ(n.actors->at(1).username, "dan");
  EXPECT_EQ(n.actors->at(2).username, "cy");
  EXPECT_EQ(n.title, "4人赞了你的视频");
  EXPECT_EQ(n.content, "eve、dan、cy等4人赞了你的视频《film》");
  EXPECT_EQ(n.create_time, "2026-01-01 00:00:03");
  const auto english = notices(kAnn, {}, Lang::en)->notifications[0];
  EXPECT_EQ(english.title, "4 people liked your video");
  EXPECT_EQ(english.content, "eve, dan, cy and 1 other liked your video “film”");
  EXPECT_EQ(found->total_count, 1);
  EXPECT_EQ(found->unread, 1);
  EXPECT_TRUE(notices(kBob)->notifications.empty());
}

TEST_P(NotificationTest, OneOwnDeedsAreNoNews) {
  likes({kAnn}, kFilm, kAnn);
  comments(1, kAnn, kFilm, kAnn);
  comments(2, kAnn, kFilm, kAnn, 1, kAnn);
  follows(kAnn, kAnn);
  EXPECT_EQ(contents(kAnn), Texts{});
}

TEST_P(NotificationTest, AReadGroupIsClosedAndTheNextStartsAnother) {
  likes({kBob}, kFilm, kAnn);
  const auto first = notices(kAnn)->notifications[0].id;
  ASSERT_TRUE(succeeded(mark(kAnn, first)));
  ASSERT_TRUE(succeeded(mark(kAnn, first))) << "reading twice";
  EXPECT_EQ(notices(kAnn)->unread, 0);
  likes({kBob}, kFilm, kAnn);
  EXPECT_EQ(notices(kAnn)->unread, 0) << "who liked again has been told of";
  likes({kCy}, kFilm, kAnn);
  const auto found = notices(kAnn);
  ASSERT_EQ(found->notifications.size(), 2u);
  EXPECT_EQ(found->unread, 1);
  EXPECT_EQ(found->notifications[0].count, 1);
  EXPECT_FALSE(found->notifications[0].is_read);
  EXPECT_TRUE(found->notifications[1].is_read);
  EXPECT_EQ(token_of(mark(kBob, first)), "notification_not_found");
  EXPECT_EQ(token_of(mark(kAnn, NotificationId(5))), "notification_not_found");
  EXPECT_EQ(token_of(mark(kAnn, NotificationId(0))), "id_required");
}

TEST_P(NotificationTest, ReadingAllClearsEveryKind) {
  likes({kBob}, kFilm, kAnn);
  follows(kCy, kAnn);
  EXPECT_EQ(notices(kAnn)->unread, 2);
  EXPECT_EQ(notices(kAnn, "like")->unread, 1);
  likes({kBob}, kSong, kCy);
  ASSERT_TRUE(succeeded(mark_all(kAnn)));
  EXPECT_EQ(notices(kAnn)->unread, 0);
  EXPECT_EQ(notices(kAnn)->total_count, 2);
  EXPECT_EQ(notices(kCy)->unread, 1);
}

TEST_P(NotificationTest, ACommentTellsTheAuthorAndAReplyTheOneWhoIsAnswered) {
  comments(10, kBob, kFilm, kAnn);
  comments(11, kCy, kFilm, kAnn, 10, kBob);
  EXPECT_EQ(contents(kAnn), Texts{"cy and bob commented on your video “film”"});
  EXPECT_EQ(contents(kBob), Texts{"cy replied to your comment on “film”"});
  const auto reply = notices(kBob)->notifications[0];
  EXPECT_EQ(reply.kind, "reply");
  EXPECT_EQ(reply.related_id, 11);
  EXPECT_EQ(reply.video_id, kFilm);
  comments(12, kAnn, kFilm, kAnn, 10, kBob);
  EXPECT_EQ(contents(kBob), Texts{"ann and cy replied to your comment on “film”"});
  comments(13, kDan, kFilm, kAnn, 12, kAnn);
  EXPECT_EQ(contents(kAnn, "comment"), Texts{"cy and bob commented on your video “film”"})
      << "a reply to the author is not a comment as well";
  EXPECT_EQ(contents(kAnn, "reply"), Texts{"dan replied to your comment on “film”"});
  comments(14, kBob, kFilm, kAnn);
  EXPECT_EQ(notices(kAnn, "comment")->notifications[0].count, 2)
      << "two comments of one person are one person";
  EXPECT_EQ(notices(kAnn, "comment")->notifications[0].actors->at(0).id, kBob);
  EXPECT_EQ(notices(kAnn, "comment")->notifications[0].related_id, 14);
  ASSERT_TRUE(succeeded(mark_all(kAnn)));
  comments(15, kBob, kFilm, kAnn);
  EXPECT_EQ(notices(kAnn, "comment")->unread, 1) << "but a later one is news";
}

// As many as come at once change their group once, and what was told before is no news among them.
TEST_P(NotificationTest, CommentsThatComeTogetherAreToldAsIfOneByOne) {
  comments(10, kBob, kFilm, kAnn);
  happen(std::vector{comment(10, kBob, kFilm, kAnn), comment(11, kCy, kFilm, kAnn),
                     comment(12, kBob, kFilm, kAnn), comment(13, kDan, kFilm, kAnn),
                     comment(11, kCy, kFilm, kAnn), comment(14, kAnn, kFilm, kAnn),
                     comment(15, kCy, kFilm, kAnn, 10, kBob)});
  const auto told = notices(kAnn, "comment");
  ASSERT_EQ(told->notifications.size(), 1U);
  const SystemNotification& n = told->notifications[0];
  EXPECT_EQ(n.count, 3);
  EXPECT_EQ(n.related_id, 15) << "the newest that was news";
  EXPECT_EQ(n.actors->at(0).id, kCy);
  EXPECT_EQ(n.actors->at(1).id, kDan);
  EXPECT_EQ(n.actors->at(2).id, kBob);
  EXPECT_EQ(notices(kBob, "reply")->notifications.at(0).related_id, 15);
  EXPECT_EQ(rows("message_facts"), 6);
}

TEST_P(NotificationTest, FollowsAndTheirRequestsAreKindsOfTheirOwn) {
  follows(kBob, kAnn, "social.follow_requested");
  follows(kBob, kAnn);
  follows(kCy, kAnn);
  EXPECT_EQ(contents(kAnn, "follow_request"), Texts{"bob asked to follow you"});
  EXPECT_EQ(contents(kAnn, "follow"), Texts{"cy and bob followed you"});
  EXPECT_EQ(notices(kAnn, "follow")->notifications[0].related_id, kCy.value);
  EXPECT_EQ(token_of(notices(kAnn, "poke")), "type_invalid");
  const auto by_number =
      run_task(api().get_notifications({}, {.user_id = kAnn, .page_size = 10, .type = 4}));
  EXPECT_EQ(by_number->notifications.size(), 1u) << "Go's numbers work too";
  EXPECT_EQ(token_of(run_task(api().get_notifications({}, {.user_id = kAnn, .type = 99}))),
            "type_invalid");
}

TEST_P(NotificationTest, AVideoIsReadyOnce) {
  const auto changed = [&](std::string status) {
    happen(event("video.changed", UserId(kFilm.value),
                 fmt::format(R"({{"id":900,"authorId":1,"status":"{}"}})", status)));
  };
  changed("transcoding");
  EXPECT_EQ(contents(kAnn), Texts{});
  changed("ready");
  EXPECT_EQ(contents(kAnn), Texts{"Your video “film” is ready"});
  EXPECT_EQ(notices(kAnn)->notifications[0].count, 0);
  EXPECT_EQ(notices(kAnn)->unread, 1);
  ASSERT_TRUE(succeeded(mark_all(kAnn)));
  changed("ready");
  EXPECT_EQ(notices(kAnn)->total_count, 1);
  EXPECT_EQ(notices(kAnn)->unread, 0);
}

TEST_P(NotificationTest, AVideoThatFailsIsToldToItsAuthorEachTimeItFails) {
  std::int64_t revision = 0;
  const auto changed = [&](std::string status, std::string was) {
    Event e =
        event("video.changed", UserId(kFilm.value),
              fmt::format(R"({{"id":900,"authorId":1,"status":"{}","was":"{}"}})", status, was));
    e.revision = ++revision;
    happen(e);
  };
  changed("failed", "probing");
  changed("failed", "failed");  // its title was changed
  EXPECT_EQ(contents(kAnn), Texts{"Your video “film” could not be processed"});
  EXPECT_EQ(contents(kAnn, "upload_failed", Lang::zh), Texts{"视频《film》处理失败"});
  EXPECT_EQ(notices(kAnn)->unread, 1);
  ASSERT_TRUE(succeeded(mark_all(kAnn)));
  changed("transcoding", "failed");  // retried
  EXPECT_EQ(notices(kAnn)->unread, 0);
  changed("failed", "transcoding");
  EXPECT_EQ(notices(kAnn)->unread, 1);
  EXPECT_EQ(notices(kAnn)->total_count, 2);
}

TEST_P(NotificationTest, WhatIsSwitchedOffIsNotToldLaterEither) {
  const auto shown = run_task(api().get_notification_settings({}, {.user_id = kAnn}))->settings;
  for (auto on : {shown.like, shown.comment, shown.reply, shown.follow, shown.live, shown.upload,
                  shown.message})
    EXPECT_EQ(on, true);
  ASSERT_TRUE(succeeded(set({.user_id = kAnn, .like = false, .follow = false})));
  ASSERT_TRUE(succeeded(set({.user_id = kAnn, .comment = true, .message = false})));
  const auto after = run_task(api().get_notification_settings({}, {.user_id = kAnn}))->settings;
  EXPECT_EQ(after.like, false);
  EXPECT_EQ(after.comment, true);
  EXPECT_EQ(after.follow, false);
  EXPECT_EQ(after.upload, true);
  EXPECT_EQ(after.message, false);
  likes({kBob}, kFilm, kAnn);
  follows(kBob, kAnn);
  follows(kBob, kAnn, "social.follow_requested");
  comments(1, kBob, kFilm, kAnn);
  EXPECT_EQ(contents(kAnn), Texts{"bob commented on your video “film”"});
  ASSERT_TRUE(succeeded(set({.user_id = kAnn, .like = true})));
  likes({kBob, kCy}, kFilm, kAnn);
  EXPECT_EQ(contents(kAnn, "like"), Texts{"cy liked your video “film”"});
  likes({kBob}, kSong, kCy);
  EXPECT_EQ(contents(kCy).size(), 1u) << "settings are one's own";
}

TEST_P(NotificationTest, TheBlockedTheMutedAndTheGoneMakeNone) {
  social.blocks = {{kAnn, kBob}, {kCy, kAnn}};
  social.mutes = {{kAnn, kDan}};
  users.gone = {UserId(9)};
  likes({kBob, kCy, kDan, UserId(9), kEve}, kFilm, kAnn);
  follows(kDan, kAnn);
  EXPECT_EQ(contents(kAnn), Texts{"eve liked your video “film”"});
  EXPECT_EQ(rows("message_facts"), 1);
  social.mutes.clear();
  EXPECT_EQ(contents(kAnn).size(), 1u);
}

TEST_P(NotificationTest, AMuteTakesEffectAtTheNextRequest) {
  likes({kBob, kCy}, kFilm, kAnn);
  likes({kBob}, kSong, kAnn);
  EXPECT_EQ(notices(kAnn)->unread, 2);
  social.mutes = {{kAnn, kBob}};
  EXPECT_EQ(contents(kAnn), Texts{"cy liked your video “film”"});
  EXPECT_EQ(notices(kAnn)->unread, 1);
  EXPECT_EQ(notices(kAnn)->notifications[0].count, 1);
}

TEST_P(NotificationTest, ABlockRemovesTheActsOfBoth) {
  likes({kCy, kDan, kEve, kBob}, kFilm, kAnn);
  follows(kBob, kAnn);
  likes({kAnn}, kSong, kBob);
  likes({kAnn}, kSong, kCy);
  happen(event("social.blocked", kAnn, R"({"user":1,"target":2})"));
  EXPECT_EQ(contents(kAnn), Texts{"eve, dan and cy liked your video “film”"})
      << "the shown ones are made anew";
  EXPECT_EQ(notices(kAnn)->notifications[0].count, 3);
  EXPECT_EQ(contents(kBob), Texts{});
  EXPECT_EQ(contents(kCy).size(), 1u);
}

TEST_P(NotificationTest, ADeletedUserIsForgotten) {
  likes({kBob, kCy}, kFilm, kAnn);
  comments(1, kBob, kFilm, kAnn);
  comments(2, kBob, kFilm, kAnn);
  likes({kAnn}, kSong, kBob);
  ASSERT_TRUE(succeeded(set({.user_id = kBob, .like = false})));
  users.gone.insert(kBob);
  EXPECT_EQ(contents(kAnn), Texts{"cy liked your video “film”"}) << "before the event has come";
  EXPECT_EQ(notices(kAnn)->unread, 1);
  happen(event("user.deleted", kBob, R"({"id":2})"));
  EXPECT_EQ(contents(kAnn), Texts{"cy liked your video “film”"});
  EXPECT_EQ(notices(kAnn)->total_count, 1);
  EXPECT_EQ(rows("message_facts"), 1);
  EXPECT_EQ(rows("message_notifications"), 1);
  EXPECT_EQ(rows("message_settings"), 0);
}

TEST_P(NotificationTest, SomeoneWhoLikedEverythingIsForgottenInPieces) {
  for (int i = 0; i < 450; ++i) likes({kBob}, VideoId(2000 + i), UserId(100 + i % 7));
  EXPECT_EQ(rows("message_facts"), 450);
  happen(event("user.deleted", kBob, R"({"id":2})"));
  EXPECT_EQ(rows("message_facts"), 0);
  EXPECT_EQ(rows("message_notifications"), 0);
}

TEST_P(NotificationTest, ManyCommentsOfADeletedUserAreOnePersonOfTheGroup) {
  for (int i = 0; i < 250; ++i) comments(5000 + i, kBob, kFilm, kAnn);
  comments(6000, kCy, kFilm, kAnn);
  EXPECT_EQ(notices(kAnn)->notifications[0].count, 2);
  happen(event("user.deleted", kBob, R"({"id":2})"));
  ASSERT_EQ(contents(kAnn), Texts{"cy commented on your video “film”"});
  EXPECT_EQ(notices(kAnn)->notifications[0].count, 1);
}

TEST_P(NotificationTest, NothingIsKeptForThoseWhoAreGone) {
  users.gone = {kAnn};
  likes({kBob}, kFilm, kAnn);
  EXPECT_EQ(rows("message_facts"), 0);
}

TEST_P(NotificationTest, ADeletedVideoTakesItsNewsAlong) {
  likes({kBob}, kFilm, kAnn);
  likes({kBob}, kSong, kAnn);
  videos.titles.erase(kFilm);
  EXPECT_EQ(contents(kAnn), Texts{"bob liked your video “song”"});
  EXPECT_EQ(notices(kAnn)->unread, 1);
  videos.down = true;
  EXPECT_EQ(contents(kAnn), (Texts{"bob liked your video", "bob liked your video"}))
      << "an owner that is down hides nothing";
}

TEST_P(NotificationTest, PagesJoinAndAreFullThoughMuchIsHidden) {
  for (int i = 0; i < 40; ++i) {
    videos.titles[VideoId(100 + i)] = std::to_string(i);
    likes({i % 4 == 0 ? kCy : kBob}, VideoId(100 + i), kAnn);
  }
  social.mutes = {{kAnn, kCy}};
  for (int size : {1, 7, 30, 100}) {
    std::set<NotificationId> seen;
    std::size_t total = 0;
    std::string cursor;
    do {
      const auto page = notices(kAnn, {}, Lang::zh, size, cursor);
      ASSERT_TRUE(succeeded(page));
      cursor = *page->next_cursor;
      if (!cursor.empty()) EXPECT_EQ(page->notifications.size(), static_cast<std::size_t>(size));
      for (const auto& n : page->notifications) seen.insert(n.id);
      total += page->notifications.size();
    } while (!cursor.empty());
    EXPECT_EQ(total, 30u) << size;
    EXPECT_EQ(seen.size(), 30u);
  }
  social.mutes.clear();
  EXPECT_EQ(notices(kAnn, {}, Lang::zh, 10, {}, 4)->notifications.size(), 10u) << "pages by number";
  EXPECT_EQ(notices(kAnn, {}, Lang::zh, 10, {}, 5)->notifications.size(), 0u);
  EXPECT_EQ(
      token_of(notices(kAnn, "like", Lang::zh, 10, *notices(kAnn, {}, Lang::zh, 10)->next_cursor)),
      "cursor_invalid");
}

TEST_P(NotificationTest, AWarmListAsksTheDatabaseNothing) {
  for (int i = 0; i < 30; ++i) {
    videos.titles[VideoId(100 + i)] = std::to_string(i);
    likes({kBob, kCy}, VideoId(100 + i), kAnn);
  }
  const auto cost = [&] {
    const auto before = db->statements();
    EXPECT_EQ(notices(kAnn)->notifications.size(), 20u);
    return db->statements() - before;
  };
  EXPECT_LE(cost(), 4u);
  EXPECT_EQ(cost(), 0u);
  likes({kDan}, kFilm, kAnn);
  EXPECT_EQ(notices(kAnn)->notifications[0].video_id, kFilm);
}

TEST_P(NotificationTest, AnEventThatCannotBeReadIsAnError) {
  for (const char* topic : {"interaction.liked", "social.followed", "social.blocked"})
    EXPECT_EQ(token_of(events.deliver({event(topic, kAnn, "{")})), "event_invalid") << topic;
  EXPECT_EQ(rows("message_notifications"), 0);
}

// In one batch: who blocks after he was followed takes the follower's acts away.
TEST_P(NotificationTest, WhatComesTogetherHappensInOrder) {
  const std::string payload = R"({"user":2,"target":1})";
  ASSERT_TRUE(succeeded(events.deliver({event("social.followed", kAnn, payload),
                                        event("social.blocked", kBob, payload),
                                        event("social.follow_requested", kAnn, payload)})));
  EXPECT_EQ(notices(kAnn)->notifications.size(), 1u);
}

TEST_P(NotificationTest, AnEventWaitsForThoseWhoKnowWhomItMayReach) {
  const std::vector<Event> follow{
      event("social.followed", kAnn, fmt::format(R"({{"user":{},"target":{}}})", kBob, kAnn))};
  social.down = true;
  EXPECT_FALSE(events.deliver(follow)) << "it comes again";
  social.down = false;
  users.down = true;
  EXPECT_FALSE(events.deliver(follow));
  users.down = false;
  EXPECT_EQ(rows("message_notifications"), 0);
  EXPECT_TRUE(succeeded(events.deliver(follow)));
  EXPECT_EQ(notices(kAnn)->notifications.size(), 1u);
}

}  // namespace
}  // namespace sv::message
