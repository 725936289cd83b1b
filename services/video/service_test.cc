#include "services/video/test_world.h"

namespace sv::video {
namespace {

class Reading : public VideoWorld {
 protected:
  // Ready at once: all share the bytes of the first.
  Video quick(UserId user, const std::string& title, const std::string& visibility = "public") {
    return published(user, title, {.visibility = visibility, .sha256 = "same"});
  }
  std::vector<std::int64_t> ids(const std::vector<Video>& videos) {
    std::vector<std::int64_t> out;
    for (const auto& v : videos) out.push_back(v.id.value);
    return out;
  }
};

SV_BOTH_WAYS(Reading);

// Of what one instance keeps for itself, or of one moment.
class ReadingAlone : public Reading {};
SV_ONE_WAY(ReadingAlone);

TEST_P(ReadingAlone, CursorsReachEveryVideoOnceAlsoWhenTimesAreEqual) {
  for (int i = 0; i < 23; ++i) {
    quick(kAnn, fmt::format("v{}", i));
    if (i % 5 == 4) clock_.advance(std::chrono::milliseconds(300));
  }
  std::vector<std::int64_t> seen;
  FeedReq req{.page_size = 7};
  auto page = feed({.latest_time = 0, .page_size = 7, .cursor = std::nullopt});
  EXPECT_EQ(page.videos.size(), 23u);  // one page without a cursor ends on a whole second
  EXPECT_EQ(page.next_cursor, "");
  req.latest_time = 0;
  // The strict walk: start from a cursor made beyond the newest.
  quick(kAnn, "newest");
  clock_.advance(std::chrono::seconds(2));
  auto newest = quick(kAnn, "newer");
  req.page_size = 1;
  page = feed(req);
  ASSERT_EQ(ids(page.videos), (std::vector{newest.id.value}));
  req.page_size = 7;
  req.cursor = page.next_cursor;
  while (!req.cursor->empty()) {
    page = feed(req);
    EXPECT_LE(page.videos.size(), 7u);
    for (auto id : ids(page.videos)) seen.push_back(id);
    req.cursor = page.next_cursor;
  }
  EXPECT_EQ(seen.size(), 24u);
  EXPECT_TRUE(std::ranges::is_sorted(seen, std::greater<>()));
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), seen.size());
  req.cursor = "nonsense";
  EXPECT_EQ(run(api().get_feed(ctx_, req)).error().token, "cursor_invalid");
}

TEST_P(ReadingAlone, LatestTimeIsStrictAndSkipsNoTies) {
  for (int s = 0; s < 3; ++s) {
    for (int i = 0; i < 3; ++i) quick(kAnn, fmt::format("{} {}", s, i));
    clock_.advance(std::chrono::seconds(1));
  }
  auto first = feed({.latest_time = 0, .page_size = 2, .cursor = std::nullopt});
  EXPECT_EQ(first.videos.size(), 3u);
  auto second = feed({.latest_time = first.next_time, .page_size = 2, .cursor = std::nullopt});
  EXPECT_EQ(second.videos.size(), 3u);
  EXPECT_LT(second.videos[0].publish_time, first.next_time);
  auto third = feed({.latest_time = second.next_time, .page_size = 2, .cursor = std::nullopt});
  EXPECT_EQ(third.videos.size(), 3u);
  EXPECT_TRUE(feed({.latest_time = third.next_time, .page_size = 2, .cursor = std::nullopt})
                  .videos.empty());
}

TEST_P(ReadingAlone, AWarmPageAsksTheDatabaseNothingAndAColdOneLittle) {
  for (int i = 0; i < 30; ++i) quick(kAnn, fmt::format("v{}", i));
  close();
  open();
  events_->stop();  // the index reads from the same database
  auto before = db_->statements();
  ASSERT_EQ(feed().videos.size(), 30u);  // all in one second
  EXPECT_LE(db_->statements() - before, 4u);
  before = db_->statements();
  feed();
  EXPECT_EQ(db_->statements() - before, 0u);
}

TEST_P(Reading, AChangeShowsAtTheNextRequest) {
  auto v = quick(kAnn, "old title");
  feed();
  auto revision = revision_.value();
  ASSERT_TRUE(testing::succeeded(
      run(api().update_video_info(ctx_, {.video_id = v.id,
                                         .user_id = kAnn,
                                         .title = "new title",
                                         .tags = std::vector<std::string>{"x"}}))));
  EXPECT_EQ(feed().videos.at(0).title, "new title");
  EXPECT_EQ(feed().videos.at(0).tags, (std::vector<std::string>{"x"}));
  EXPECT_GT(revision_.value(), revision);
  ASSERT_TRUE(
      testing::succeeded(run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kAnn}))));
  EXPECT_TRUE(feed().videos.empty());
}

TEST_P(Reading, WhoMayOnlySeeAVideoIsToldThatItIsNotTheirs) {
  auto v = quick(kAnn, "ann's");
  const auto refusals = [&](UserId user) {
    return std::set{
        testing::token_of(run(
            api().update_video_info(ctx_, {.video_id = v.id, .user_id = user, .title = "mine"}))),
        testing::token_of(run(api().delete_video(ctx_, {.video_id = v.id, .user_id = user}))),
        testing::token_of(run(api().retry_video(ctx_, {.video_id = v.id, .user_id = user})))};
  };
  const std::set<std::string> not_theirs{"not_owner"}, unknown{"video_not_found"};
  EXPECT_EQ(refusals(kBob), not_theirs);
  const auto refused = run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kBob}));
  EXPECT_EQ(refused.error().code, Errc::forbidden);
  users_.closed = {kAnn};
  EXPECT_EQ(refusals(kBob), unknown);
  users_.closed.clear();
  social_.set(social_.blocks, kAnn, kBob);
  EXPECT_EQ(refusals(kBob), unknown);
  social_.set(social_.blocks, kAnn, kBob, false);
  ASSERT_TRUE(testing::succeeded(run(api().update_video_info(
      ctx_, {.video_id = v.id, .user_id = kAnn, .visibility = "private"}))));
  EXPECT_EQ(refusals(kBob), unknown);
  ASSERT_TRUE(
      testing::succeeded(run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kAnn}))));
  EXPECT_EQ(refusals(kAnn), unknown);
  EXPECT_TRUE(feed().videos.empty());
}

TEST_P(Reading, WhatIsNotPublicIsNowhereAndItsOldPathsAreGone) {
  auto v = quick(kAnn, "secret plan");
  auto unlisted = quick(kAnn, "unlisted plan", "unlisted");
  ASSERT_TRUE(run(api().authorize_media(ctx_, {.path = path_of(v.url)})));
  ASSERT_TRUE(testing::succeeded(run(api().update_video_info(
      ctx_, {.video_id = v.id, .user_id = kAnn, .visibility = "private"}))));
  EXPECT_FALSE(run(api().authorize_media(ctx_, {.path = path_of(v.url)})));
  EXPECT_TRUE(feed().videos.empty());
  EXPECT_TRUE(run(api().get_hot_videos(ctx_, {}))->videos.empty());
  EXPECT_TRUE(run(api().get_user_video_list(ctx_, {.user_id = kAnn, .current_user_id = kBob}))
                  ->videos.empty());
  EXPECT_TRUE(run(api().batch_get_video_info(ctx_, {.current_user_id = kBob, .video_ids = {v.id}}))
                  ->videos.empty());
  EXPECT_EQ(
      run(api().get_video_detail(ctx_, {.video_id = v.id, .current_user_id = kBob})).error().token,
      "video_not_found");
  EXPECT_FALSE(run(api().get_video_stats(ctx_, {.video_id = v.id})));

  auto own = run(api().get_video_detail(ctx_, {.video_id = v.id, .current_user_id = kAnn}));
  ASSERT_TRUE(own);
  EXPECT_NE(own->video.url->find("?sig="), std::string::npos);
  auto grant = run(api().authorize_media(ctx_, {.path = path_of(own->video.url)}));
  ASSERT_TRUE(grant);
  EXPECT_FALSE(grant->is_public);
  EXPECT_TRUE(path_of(own->video.url).starts_with(grant->signed_prefix));
  EXPECT_EQ(run(api().list_mine(ctx_, {.user_id = kAnn}))->total, 2);
  EXPECT_TRUE(run(api().get_video_detail(
      ctx_, {.video_id = unlisted.id, .current_user_id = kBob})));  // by link
  EXPECT_EQ(run(api().get_user_video_parts(ctx_, {.user_ids = {kAnn}}))->parts.at(kAnn).video_count,
            0);
  for (const char* path : {"/media/1/2", "/media/x/1/a.mp4", "/media/1/1/../../sources/1",
                           "/media/1/1/.tmp/x", "/media/1/1//a", "/etc/passwd", "/media/1/1/A.mp4"})
    EXPECT_FALSE(run(api().authorize_media(ctx_, {.path = path}))) << path;
}

TEST_P(Reading, ListsOfOnePersonPageByCursor) {
  for (int i = 0; i < 5; ++i) quick(kAnn, fmt::format("v{}", i));
  quick(kBob, "other");
  auto one = run(api().get_user_video_list(ctx_, {.user_id = kAnn, .page_size = 3})).value();
  EXPECT_EQ(one.videos.size(), 3u);
  EXPECT_EQ(one.total_count, 5);
  auto two = run(api().get_user_video_list(
                     ctx_, {.user_id = kAnn, .page_size = 3, .cursor = one.next_cursor}))
                 .value();
  EXPECT_EQ(two.videos.size(), 2u);
  EXPECT_EQ(two.next_cursor, "");
  auto by_number =
      run(api().get_user_video_list(ctx_, {.user_id = kAnn, .page = 2, .page_size = 3})).value();
  EXPECT_EQ(ids(by_number.videos), ids(two.videos));
  auto mine = run(api().list_mine(ctx_, {.user_id = kAnn, .page_size = 3})).value();
  auto rest =
      run(api().list_mine(ctx_, {.user_id = kAnn, .cursor = mine.next_cursor, .page_size = 3}))
          .value();
  EXPECT_EQ(rest.videos.size(), 2u);
  EXPECT_FALSE(run(
      api().list_mine(ctx_, {.user_id = kAnn, .cursor = *one.next_cursor})));  // of another list
}

TEST_P(Reading, SearchFindsAnyTwoCharactersAndForgetsWhatIsDeleted) {
  auto v = quick(kAnn, "春天的花园里有猫");
  auto found = [&](const std::string& keyword) {
    return ids(run(api().search_video(ctx_, {.keyword = keyword}))->videos);
  };
  ASSERT_TRUE(eventually([&] { return !found("花园").empty(); }));
  EXPECT_EQ(found("有猫"), (std::vector{v.id.value}));
  EXPECT_EQ(run(api().search_video(ctx_, {.keyword = "天的"}))->total_count, 1);
  run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kAnn}));
  EXPECT_TRUE(found("花园").empty());
  EXPECT_TRUE(eventually(
      [&] { return run(api().search_video(ctx_, {.keyword = "花园"}))->total_count == 0; }));
}

// The index hears of a deletion while the cache still holds the row: many times, for the moment is
// short.
TEST_P(Reading, NoDeletedVideoStaysInTheIndex) {
  for (int i = 0; i < 20; ++i) {
    auto v = quick(kAnn, "昙花一现");
    ASSERT_TRUE(eventually(
        [&] { return run(api().search_video(ctx_, {.keyword = "昙花"}))->total_count == 1; }));
    run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kAnn}));
    ASSERT_TRUE(eventually([&] {
      return run(api().search_video(ctx_, {.keyword = "昙花"}))->total_count == 0;
    })) << i;
  }
}

TEST_P(Reading, AViewCountsOncePerViewerAndDayAndNeverTheAuthors) {
  auto v = quick(kAnn, "v");
  auto watch = [&](UserId user, const char* guest, std::int64_t ms) {
    ASSERT_TRUE(testing::succeeded(run(api().record_view(
        ctx_, {.video_id = v.id, .viewer_key = guest, .watched_ms = ms, .user_id = user}))));
  };
  watch(kBob, "", 3000);
  watch(kBob, "", 9000);
  watch(kAnn, "", 9000);        // own
  watch(UserId(), "g1", 2999);  // too short
  watch(UserId(), "g1", 5000);
  ASSERT_TRUE(testing::succeeded(flush_views()));
  watch(kBob, "", 4000);
  ASSERT_TRUE(testing::succeeded(flush_views()));
  EXPECT_EQ(feed().videos.at(0).view_count, 2);
  Ctx owner;
  owner.caller = kAnn;
  auto stats = run(api().get_video_stats(owner, {.video_id = v.id}))->stats;
  EXPECT_EQ(stats.view_count, 2);
  EXPECT_EQ(stats.raw_view_count, 6);
  EXPECT_FALSE(run(api().get_video_stats(ctx_, {.video_id = v.id}))->stats.raw_view_count);
  clock_.advance(std::chrono::hours(25));
  watch(kBob, "", 4000);
  flush_views();
  EXPECT_EQ(feed().videos.at(0).view_count, 3);
  close();
  open();
  EXPECT_EQ(feed().videos.at(0).view_count, 3);
}

TEST_P(Reading, HotRanksRecentViewsAndItsPagesNeverRepeat) {
  std::vector<Video> videos;
  for (int i = 0; i < 5; ++i) videos.push_back(quick(kAnn, fmt::format("v{}", i)));
  auto watch = [&](const Video& v, int times) {
    for (int i = 0; i < times; ++i)
      run(api().record_view(ctx_, {.video_id = v.id,
                                   .viewer_key = fmt::format("g{}-{}", clock_.now_ms(), i),
                                   .watched_ms = 5000}));
    flush_views();
  };
  watch(videos[0], 8);
  clock_.advance(std::chrono::hours(96));  // four half-lives: those 8 now weigh half a view
  watch(videos[3], 2);
  watch(videos[1], 1);
  auto page = run(api().get_hot_videos(ctx_, {.page_size = 2})).value();
  EXPECT_EQ(ids(page.videos), (std::vector{videos[3].id.value, videos[1].id.value}));
  watch(videos[4], 50);  // the ranking a reader is in stays
  std::vector<std::int64_t> seen = ids(page.videos);
  while (!page.next_cursor->empty()) {
    page = run(api().get_hot_videos(ctx_, {.page_size = 2, .cursor = page.next_cursor})).value();
    for (auto id : ids(page.videos)) seen.push_back(id);
  }
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 5u);
  EXPECT_EQ(run(api().get_hot_videos(ctx_, {.page_size = 1}))->videos.at(0).id, videos[4].id);
}

// As the interaction service tells it; the last of these words has been heard when this returns.
struct Told : Reading {
  void tell(std::vector<std::tuple<Video, int, int, int>> words) {
    for (const auto& [video, likes, comments, shares] : words)
      ASSERT_TRUE(testing::succeeded(run(db_->write(ctx_, [this, id = video.id, likes, comments,
                                                           shares](sql::Tx& tx) {
        return events_->publish(
            tx, {{.topic = "interaction.counted",
                  .key = fmt::format("{}", id),
                  .payload = fmt::format(R"({{"video":{},"likes":{},"comments":{},"shares":{}}})",
                                         id, likes, comments, shares)}});
      }))));
    const auto count = [this](std::string_view sql) {
      return run(db_->query(Ctx{}, sql))->i64(0, 0);
    };
    ASSERT_TRUE(eventually([&] {
      return count("SELECT count(*) FROM event_waiting") == 0 &&
             count("SELECT position FROM event_cursors WHERE consumer = 'video_hot'") >=
                 count("SELECT max(id) FROM event_outbox WHERE topic = 'interaction.counted'");
    }));
  }
  std::vector<std::int64_t> hot() {
    return ids(run(api().get_hot_videos(ctx_, {.page_size = 10}))->videos);
  }
  std::int64_t heat_of(const Video& v) {
    return run(db_->query(Ctx{}, "SELECT hot FROM video_stats WHERE video_id = $1", {v.id}))
        ->i64(0, 0);
  }
};
SV_BOTH_WAYS(Told);

TEST_P(Told, HotMovesWithLikesCommentsAndShares) {
  const Video a = quick(kAnn, "a"), b = quick(kAnn, "b"), c = quick(kAnn, "c");
  tell({{a, 2, 0, 0}});
  EXPECT_EQ(hot(), (std::vector{a.id.value, c.id.value, b.id.value}));
  tell({{b, 0, 2, 0}});
  EXPECT_EQ(hot(), (std::vector{b.id.value, a.id.value, c.id.value}));
  tell({{c, 0, 0, 2}});
  EXPECT_EQ(hot(), (std::vector{c.id.value, b.id.value, a.id.value}));
  clock_.advance(std::chrono::hours(96));  // what was liked long ago weighs little
  tell({{a, 3, 0, 0}});
  EXPECT_EQ(hot().front(), a.id.value);
}

TEST_P(Told, WhatIsToldTwiceLateOrTakenBackAndDoneAgainHeatsOnce) {
  const Video v = quick(kAnn, "v");
  tell({{v, 5, 1, 0}});
  const auto once = heat_of(v);
  tell({{v, 5, 1, 0}, {v, 4, 1, 0}, {v, 0, 0, 0}, {v, 5, 1, 0}});
  EXPECT_EQ(heat_of(v), once);
  tell({{v, 6, 1, 0}});
  EXPECT_GT(heat_of(v), once);
}

TEST_P(Told, OfAnOlderVideoTheFirstWordIsOnlyNoted) {
  const Video v = quick(kAnn, "v");
  ASSERT_TRUE(testing::succeeded(run(db_->write(
      ctx_, [](sql::Tx& tx) { return tx.execute("UPDATE video_stats SET engaged = -1"); }))));
  const auto before = heat_of(v);
  tell({{v, 10'000, 0, 0}});
  EXPECT_EQ(heat_of(v), before) << "they were liked before this was kept";
  tell({{v, 10'001, 0, 0}});
  EXPECT_GT(heat_of(v), before);
}

TEST_P(Reading, ASearchCountsOnlyWhatTheSearcherMaySee) {
  for (int i = 0; i < 5; ++i) quick(i % 2 == 0 ? kAnn : kBob, fmt::format("zebra {}", i));
  const auto search = [this](UserId viewer, int page = 1, int size = 10) {
    const auto found = run(api().search_video(
        ctx_, {.keyword = "zebra", .current_user_id = viewer, .page = page, .page_size = size}));
    EXPECT_TRUE(testing::succeeded(found));
    return std::pair(found->videos.size(), found->total_count);
  };
  using Found = std::pair<std::size_t, std::int32_t>;
  const UserId guest{}, cy{1003};
  ASSERT_TRUE(eventually([&] { return search(guest) == Found(5, 5); }));
  users_.closed = {kAnn};
  EXPECT_EQ(search(guest), Found(2, 2));
  EXPECT_EQ(search(guest, 1, 1), Found(1, 2));
  EXPECT_EQ(search(guest, 2, 1), Found(1, 2)) << "no gap where the hidden ones are";
  EXPECT_EQ(search(guest, 3, 1), Found(0, 2));
  const auto one =
      run(api().search_video(ctx_, {.keyword = "zebra 1", .current_user_id = cy}))->videos.at(0).id;
  ASSERT_TRUE(
      testing::succeeded(run(api().not_interested(ctx_, {.user_id = cy, .video_id = one}))));
  EXPECT_EQ(search(cy), Found(2, 2)) << "who searches finds what no feed shows";
  EXPECT_EQ(search(kAnn), Found(5, 5));
  social_.set(social_.mutes, cy, kBob);
  EXPECT_EQ(search(cy), Found(0, 0));
  users_.closed.clear();
  social_.set(social_.blocks, kAnn, cy);
  EXPECT_EQ(search(cy), Found(0, 0));
}

}  // namespace
}  // namespace sv::video
