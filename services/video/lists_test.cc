#include "services/video/inboxes.h"
#include "services/video/test_world.h"

namespace sv::video {
namespace {

class Lists : public VideoWorld {
 protected:
  std::vector<std::string> titles(const std::vector<Video>& videos) {
    std::vector<std::string> out;
    for (const auto& v : videos) out.push_back(v.title);
    return out;
  }
  std::vector<std::string> following(UserId user, int size = 20) {
    auto page = run(api().get_following_feed(ctx_, {.user_id = user, .page_size = size}));
    EXPECT_TRUE(testing::succeeded(page));
    return page ? titles(page->videos) : std::vector<std::string>{};
  }
  Video later(UserId user, const std::string& title, UploadOptions o = {}) {
    clock_.advance(std::chrono::seconds(1));
    return published(user, title, o);
  }
};
using Titles = std::vector<std::string>;

SV_BOTH_WAYS(Lists);

TEST_P(Lists, TheFollowingFeedHoldsOldAndNewVideosOfThoseWhomOneFollowsNow) {
  published(kAnn, "old");
  later(kCy, "foreign");
  EXPECT_EQ(following(kBob), Titles{});
  social_.set(social_.follows, kBob, kAnn);
  EXPECT_EQ(following(kBob), (Titles{"old"}));
  later(kAnn, "new");
  EXPECT_TRUE(eventually([&] { return following(kBob) == Titles{"new", "old"}; }));
  social_.set(social_.follows, kBob, kCy);
  EXPECT_EQ(following(kBob), (Titles{"new", "foreign", "old"}));
  social_.set(social_.follows, kBob, kAnn, false);
  EXPECT_EQ(following(kBob), (Titles{"foreign"}));
}

TEST_P(Lists, VideosOfLargeAuthorsAreMergedWhenTheFeedIsRead) {
  social_.more_followers = Inboxes::kLarge;
  social_.set(social_.follows, kBob, kAnn);
  EXPECT_EQ(following(kBob), Titles{});
  later(kAnn, "one");
  later(kAnn, "two");
  EXPECT_TRUE(eventually([&] { return following(kBob) == Titles{"two", "one"}; }));
  EXPECT_EQ(run(db_->query(Ctx{}, "SELECT count(*) FROM video_inbox"))->i64(0, 0), 0);
}

TEST_P(Lists, AReaderWhoWasAwayMissesNothing) {
  social_.set(social_.follows, kBob, kAnn);
  published(kAnn, "one");
  EXPECT_EQ(following(kBob), (Titles{"one"}));
  clock_.advance(std::chrono::hours(24 * 30));
  later(kAnn, "two");  // pushed to nobody
  EXPECT_EQ(following(kBob), (Titles{"two", "one"}));
}

TEST_P(Lists, TheFollowingFeedPagesByCursor) {
  social_.set(social_.follows, kBob, kAnn);
  for (int i = 0; i < 7; ++i) published(kAnn, fmt::format("v{}", i));  // all in one moment
  std::set<VideoId> seen;
  FollowingFeedReq req{.user_id = kBob, .page_size = 3};
  for (int page = 0; page < 3; ++page) {
    auto reply = run(api().get_following_feed(ctx_, req)).value();
    EXPECT_EQ(reply.next_cursor.empty(), page == 2);
    for (const auto& v : reply.videos) EXPECT_TRUE(seen.insert(v.id).second);
    req.cursor = reply.next_cursor;
  }
  EXPECT_EQ(seen.size(), 7u);
}

TEST_P(Lists, WhatAViewerMayNotSeeLeavesNoGapInAnyList) {
  for (int i = 0; i < 6; ++i)
    later(i % 2 == 0 ? kAnn : kCy, fmt::format("v{}", i), {.tags = {"t"}});
  auto seen = [&](UserId viewer) {
    return titles(feed({.user_id = viewer, .page_size = 3}).videos);
  };
  EXPECT_EQ(seen(kBob), (Titles{"v5", "v4", "v3"}));
  social_.set(social_.mutes, kBob, kCy);
  EXPECT_EQ(seen(kBob), (Titles{"v4", "v2", "v0"}));
  EXPECT_EQ(seen(kAnn), (Titles{"v5", "v4", "v3"}));
  social_.set(social_.mutes, kBob, kCy, false);
  social_.set(social_.blocks, kAnn, kBob);  // either way
  EXPECT_EQ(seen(kBob), (Titles{"v5", "v3", "v1"}));
  EXPECT_EQ(
      titles(run(api().get_tag_videos(ctx_, {.tag = "t", .current_user_id = kBob, .page_size = 3}))
                 ->videos),
      (Titles{"v5", "v3", "v1"}));
  EXPECT_EQ(run(api().get_hot_videos(ctx_, {.user_id = kBob, .page_size = 10}))->videos.size(), 3u);
  EXPECT_EQ(run(api().get_user_video_list(ctx_, {.user_id = kAnn, .current_user_id = kBob}))
                .error()
                .token,
            "user_not_found");
  social_.set(social_.blocks, kAnn, kBob, false);
  users_.closed = {kCy};
  EXPECT_EQ(seen(kBob), (Titles{"v4", "v2", "v0"}));
  EXPECT_EQ(seen(kCy).front(), "v5");  // one's own
  EXPECT_EQ(seen(UserId{}), (Titles{"v4", "v2", "v0"}));
  social_.set(social_.follows, kBob, kCy);
  EXPECT_EQ(seen(kBob), (Titles{"v5", "v4", "v3"}));
  users_.gone = {kCy};
  EXPECT_EQ(seen(kBob), (Titles{"v4", "v2", "v0"}));
}

TEST_P(Lists, AVideoOfSomeoneWhoIsHiddenIsNotFound) {
  auto v = published(kAnn, "one");
  auto token = [&](UserId viewer) {
    auto reply = run(api().get_video_detail(ctx_, {.video_id = v.id, .current_user_id = viewer}));
    return reply ? std::string() : reply.error().token;
  };
  EXPECT_EQ(token(kBob), "");
  social_.set(social_.mutes, kBob, kAnn);  // opened on purpose
  EXPECT_EQ(token(kBob), "");
  social_.set(social_.blocks, kAnn, kBob);
  EXPECT_EQ(token(kBob), "video_not_found");
  EXPECT_EQ(token(kCy), "");
}

TEST_P(Lists, NotInterestedHidesAVideoOrAnAuthorFromOnesFeeds) {
  auto one = later(kAnn, "one");
  later(kAnn, "two");
  later(kCy, "three");
  EXPECT_EQ(run(api().not_interested(ctx_, {.user_id = kBob})).error().field, "video_id");
  ASSERT_TRUE(
      testing::succeeded(run(api().not_interested(ctx_, {.user_id = kBob, .video_id = one.id}))));
  EXPECT_EQ(titles(feed({.user_id = kBob}).videos), (Titles{"three", "two"}));
  ASSERT_TRUE(
      testing::succeeded(run(api().not_interested(ctx_, {.user_id = kBob, .author_id = kAnn}))));
  EXPECT_EQ(titles(feed({.user_id = kBob}).videos), (Titles{"three"}));
  EXPECT_EQ(feed({.user_id = kCy}).videos.size(), 3u);
  EXPECT_TRUE(run(api().get_video_detail(ctx_, {.video_id = one.id, .current_user_id = kBob})));
  close();
  open();
  EXPECT_EQ(titles(feed({.user_id = kBob}).videos), (Titles{"three"}));
}

TEST_P(Lists, TagsFollowWhatIsListed) {
  auto v = later(kAnn, "one", {.tags = {"Cats", "dogs"}});
  later(kAnn, "two", {.tags = {"cats"}});
  later(kAnn, "secret", {.visibility = "private", .tags = {"cats"}});
  auto tagged = [&](const std::string& tag) {
    return titles(run(api().get_tag_videos(ctx_, {.tag = tag}))->videos);
  };
  auto search = [&](std::string word, int page = 1) {
    const auto found =
        run(api().search_tags(ctx_, {.keyword = std::move(word), .page = page, .page_size = 1}));
    EXPECT_TRUE(testing::succeeded(found));
    return std::pair(found->tags, found->total);
  };
  auto hot = [&] { return run(api().get_hot_tags(ctx_, {}))->tags; };
  EXPECT_EQ(tagged("CATS"), (Titles{"two", "one"}));
  EXPECT_EQ(tagged("#dogs"), (Titles{"one"}));
  ASSERT_EQ(hot().size(), 2u);
  EXPECT_EQ(hot()[0].tag, "cats");
  EXPECT_EQ(hot()[0].video_count, 2);
  const TagCount cats{.tag = "cats", .video_count = 2}, dogs{.tag = "dogs", .video_count = 1};
  EXPECT_EQ(search("S"), std::pair(std::vector{cats}, std::int64_t{2})) << "most used first";
  EXPECT_EQ(search("s", 2), std::pair(std::vector{dogs}, std::int64_t{2}));
  EXPECT_EQ(search("#Dog"), std::pair(std::vector{dogs}, std::int64_t{1}));
  EXPECT_EQ(search("%").second, 0) << "no wildcard";
  EXPECT_EQ(run(api().search_tags(ctx_, {.keyword = "#"})).error().token, "keyword_required");
  ASSERT_TRUE(testing::succeeded(run(api().update_video_info(
      ctx_, {.video_id = v.id, .user_id = kAnn, .tags = std::vector<std::string>{"birds"}}))));
  EXPECT_EQ(tagged("cats"), (Titles{"two"}));
  EXPECT_EQ(tagged("birds"), (Titles{"one"}));
  ASSERT_TRUE(
      testing::succeeded(run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kAnn}))));
  EXPECT_EQ(tagged("birds"), Titles{});
  EXPECT_EQ(hot().size(), 1u);
  EXPECT_EQ(search("birds").second, 0);
}

TEST_P(Lists, RelatedVideosShareTagsThenTheAuthor) {
  auto v = later(kAnn, "one", {.tags = {"a", "b"}});
  later(kAnn, "same author");
  later(kCy, "shares one", {.tags = {"a", "z"}});
  later(kCy, "shares two", {.tags = {"b", "a"}});
  later(kCy, "nothing", {.tags = {"z"}});
  RelatedVideoReq req{.video_id = v.id, .page_size = 2};
  auto first = run(api().get_related_videos(ctx_, req)).value();
  EXPECT_EQ(titles(first.videos), (Titles{"shares two", "shares one"}));
  req.cursor = first.next_cursor;
  auto second = run(api().get_related_videos(ctx_, req)).value();
  EXPECT_EQ(titles(second.videos), (Titles{"same author"}));
  EXPECT_EQ(second.next_cursor, "");
}

TEST_P(Lists, ADeletedAccountTakesItsVideosAndItsListsAlong) {
  auto v = published(kAnn, "one", {.tags = {"t"}});
  social_.set(social_.follows, kAnn, kBob);
  following(kAnn);
  ASSERT_TRUE(testing::succeeded(run(db_->write(ctx_, [this](sql::Tx& tx) {
    return events_->publish(tx, {{.id = 0,
                                  .topic = "user.deleted",
                                  .key = std::to_string(kAnn.value),
                                  .revision = 1,
                                  .payload = fmt::format(R"({{"id":{}}})", kAnn),
                                  .time_ms = 0}});
  }))));
  EXPECT_TRUE(eventually([&] {
    return run(db_->query(Ctx{}, "SELECT count(*) FROM video_readers"))->i64(0, 0) == 0;
  }));
  EXPECT_EQ(
      run(api().get_video_detail(ctx_, {.video_id = v.id, .current_user_id = kBob})).error().token,
      "video_not_found");
  EXPECT_TRUE(feed().videos.empty());
  run(service_->run_due_jobs());
  EXPECT_TRUE(stored().empty());
  EXPECT_TRUE(findings().empty());
  // What was under way when the account went comes too late.
  EXPECT_EQ(testing::token_of(upload(kAnn, "late", mp4("late"))), "invalid_token");
  EXPECT_EQ(
      testing::token_of(run(api().not_interested(ctx_, {.user_id = kAnn, .author_id = kBob}))),
      "invalid_token");
  EXPECT_EQ(testing::token_of(run(api().get_following_feed(ctx_, {.user_id = kAnn}))),
            "invalid_token");
  for (const char* table : {"video_readers", "video_unwanted", "video_videos WHERE status <> 9"})
    EXPECT_EQ(run(db_->query(Ctx{}, fmt::format("SELECT count(*) FROM {}", table)))->i64(0, 0), 0)
        << table;
}

TEST_P(Lists, FilesOfAPrivateAccountNeedALinkThatWasGivenToWhoMayWatch) {
  auto v = published(kAnn, "one");
  auto open = [&] { return run(api().authorize_media(ctx_, {.path = path_of(v.url)}))->is_public; };
  EXPECT_TRUE(open());
  EXPECT_FALSE(v.url->contains("sig="));
  users_.closed = {kAnn};
  EXPECT_FALSE(open());
  social_.set(social_.follows, kBob, kAnn);
  auto seen = run(api().get_video_detail(ctx_, {.video_id = v.id, .current_user_id = kBob}));
  ASSERT_TRUE(testing::succeeded(seen));
  EXPECT_TRUE(seen->video.url->contains("sig=")) << seen->video.url;
  EXPECT_TRUE(seen->video.cover_url->contains("sig=")) << seen->video.cover_url;
}

}  // namespace
}  // namespace sv::video
