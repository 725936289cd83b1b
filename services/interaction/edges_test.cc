#include "services/interaction/test_world.h"

#include <boost/asio/co_spawn.hpp>

namespace sv::interaction {
namespace {

using Edges = InteractionTest;
SV_BOTH_WAYS(Edges);

// Of what one instance keeps for itself, or of one moment.
class EdgesAlone : public Edges {};
SV_ONE_WAY(EdgesAlone);

using Words = std::vector<std::string>;

std::vector<std::int64_t> ids(const std::vector<Video>& videos) {
  std::vector<std::int64_t> out;
  for (const Video& v : videos) out.push_back(v.id.value);
  return out;
}

TEST_P(Edges, LikingTwiceCountsOnceAndSoDoesUndoing) {
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  EXPECT_TRUE(succeeded(like(kCid, kFilm)));
  EXPECT_EQ(counts(kFilm).like_count, 2);
  EXPECT_EQ(received(kAnn).likes_received, 2);
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_TRUE(succeeded(like(kDan, kFilm, false)));
  EXPECT_EQ(counts(kFilm).like_count, 1);
  EXPECT_EQ(received(kAnn).likes_received, 1);
  expect_no_drift();
}

TEST_P(Edges, StarsAndLikesAreThingsApart) {
  EXPECT_TRUE(succeeded(star(kBob, kFilm)));
  EXPECT_TRUE(succeeded(like(kBob, kClip)));
  EXPECT_EQ(counts(kFilm),
            (CountResp{.like_count = 0, .comment_count = 0, .star_count = 1, .share_count = 0}));
  EXPECT_TRUE(parts(kFilm, kBob).is_star);
  EXPECT_FALSE(parts(kFilm, kBob).is_like);
  EXPECT_TRUE(parts(kClip, kBob).is_like);
  EXPECT_FALSE(parts(kClip, kCid).is_like);
  EXPECT_FALSE(parts(kClip).is_like);
  EXPECT_TRUE(
      run_task(api().check_like_status(ctx_, {.user_id = kBob, .video_id = kClip}))->is_liked);
  EXPECT_FALSE(
      run_task(api().check_like_status(ctx_, {.user_id = kBob, .video_id = kFilm}))->is_liked);
  EXPECT_TRUE(
      run_task(api().check_star_status(ctx_, {.user_id = kBob, .video_id = kFilm}))->is_starred);
  EXPECT_EQ(received(kAnn).likes_received, 1);
}

TEST_P(Edges, WhatIsInMemoryFollowsEachChange) {
  EXPECT_FALSE(parts(kFilm, kBob).is_like);
  EXPECT_EQ(received(kAnn).likes_received, 0);
  const auto revision = revision_.value();
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  EXPECT_EQ(revision_.value(), revision) << "guests' counters may be a second old";
  EXPECT_TRUE(parts(kFilm, kBob).is_like);
  EXPECT_EQ(parts(kFilm, kBob).like_count, 1);
  EXPECT_EQ(received(kAnn).likes_received, 1);
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_FALSE(parts(kFilm, kBob).is_like);
  EXPECT_EQ(parts(kFilm, kBob).like_count, 0);
  open();
  EXPECT_TRUE(succeeded(star(kBob, kFilm)));
  open();
  EXPECT_TRUE(parts(kFilm, kBob).is_star);
  EXPECT_EQ(counts(kFilm).star_count, 1);
}

TEST_P(Edges, WhatMayNotBeSeenIsUnknown) {
  EXPECT_EQ(token_of(like(kBob, VideoId(999))), "video_not_found");
  EXPECT_EQ(token_of(like(kBob, VideoId(999), false)), "video_not_found");
  videos_.hidden.insert(kFilm);
  EXPECT_EQ(token_of(like(kBob, kFilm)), "video_not_found");
  EXPECT_EQ(token_of(star(kBob, kFilm)), "video_not_found");
  EXPECT_EQ(token_of(share(kBob, kFilm)), "video_not_found");
  EXPECT_EQ(token_of(run_task(api().get_count(ctx_, {.video_id = kFilm, .current_user_id = kBob}))),
            "video_not_found");
  videos_.hidden.clear();
  social_.blocks.insert({kAnn, kBob});
  EXPECT_EQ(token_of(like(kBob, kFilm)), "video_not_found");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "hello")), "video_not_found");
  EXPECT_TRUE(succeeded(like(kCid, kFilm)));
  users_.closed.insert(kAnn);
  EXPECT_EQ(token_of(like(kDan, kFilm)), "video_not_found");
  social_.follows.insert({kDan, kAnn});
  EXPECT_TRUE(succeeded(like(kDan, kFilm)));
  users_.gone.insert(kAnn);
  EXPECT_EQ(token_of(like(kDan, kClip)), "video_not_found");
  EXPECT_EQ(token_of(like(UserId{}, kFilm)), "invalid_token");
  EXPECT_EQ(token_of(like(kBob, VideoId{})), "video_id_required");
}

TEST_P(Edges, WhatWasHiddenSinceCanBeTakenBack) {
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  videos_.hidden.insert(kFilm);
  EXPECT_EQ(token_of(like(kCid, kFilm, false)), "video_not_found");
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_EQ(received(kAnn).likes_received, 0);
  EXPECT_EQ(token_of(like(kBob, kFilm, false)), "video_not_found");
}

TEST_P(Edges, ALikeIsToldOnceWhenItBecomesTrue) {
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  EXPECT_TRUE(succeeded(star(kBob, kFilm)));
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  const auto events = told("interaction.liked");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, "100");
  EXPECT_EQ(events[0].payload, R"({"video":100,"author":1,"users":[2]})");
}

TEST_P(Edges, EveryChangeOfAVideosCountersIsToldAsWhatTheyAreNow) {
  const auto last = [&] {
    const auto events = told("interaction.counted");
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? Event{} : events.back();
  };
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  const Event first = last();
  EXPECT_EQ(first.key, "100");
  EXPECT_EQ(first.payload, R"({"video":100,"likes":1,"comments":0,"stars":0,"shares":0})");
  EXPECT_TRUE(succeeded(share(kCid, kFilm)));
  EXPECT_EQ(last().payload, R"({"video":100,"likes":1,"comments":0,"stars":0,"shares":1})");
  comment(kCid, kFilm, "well done");
  EXPECT_EQ(last().payload, R"({"video":100,"likes":1,"comments":1,"stars":0,"shares":1})");
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  const Event back = last();
  EXPECT_EQ(back.payload, R"({"video":100,"likes":0,"comments":1,"stars":0,"shares":1})");
  EXPECT_GT(back.revision, first.revision);
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_TRUE(told("interaction.counted").empty()) << "nothing has changed";
}

TEST_P(Edges, ASharesCountsOnceAMinute) {
  EXPECT_TRUE(succeeded(share(kBob, kFilm)));
  EXPECT_TRUE(succeeded(share(kBob, kFilm)));
  EXPECT_TRUE(succeeded(share(kCid, kFilm)));
  EXPECT_EQ(counts(kFilm).share_count, 2);
  clock_.advance(std::chrono::seconds(61));
  EXPECT_TRUE(succeeded(share(kBob, kFilm)));
  EXPECT_EQ(counts(kFilm).share_count, 3);
  // The same request again is no act, however late it comes.
  Ctx ctx = ctx_;
  ctx.idempotency_key = "k";
  const auto keyed = [&](VideoId video) {
    return run_task(api().share_action(ctx, {.user_id = kCid, .video_id = video}));
  };
  for (int i = 0; i < 3; ++i, clock_.advance(std::chrono::minutes(2)))
    EXPECT_TRUE(succeeded(keyed(kFilm)));
  EXPECT_EQ(counts(kFilm).share_count, 4);
  EXPECT_EQ(token_of(keyed(kClip)), "idempotency_mismatch");
}

TEST_P(Edges, WarmPartsAskTheDatabaseNothingAndColdOnesTwice) {
  std::vector<VideoId> twenty;
  for (int i = 0; i < 20; ++i) {
    twenty.emplace_back(500 + i);
    videos_.author[twenty.back()] = kAnn;
    if (i % 3 == 0) EXPECT_TRUE(succeeded(like(kBob, twenty.back())));
  }
  open();
  auto before = db_->statements();
  const auto cold =
      run_task(api().get_video_interaction_parts(ctx_, {.user_id = kBob, .video_ids = twenty}));
  EXPECT_EQ(db_->statements() - before, 2u);
  before = db_->statements();
  const auto warm =
      run_task(api().get_video_interaction_parts(ctx_, {.user_id = kBob, .video_ids = twenty}));
  EXPECT_EQ(db_->statements() - before, 0u);
  ASSERT_TRUE(cold && warm);
  EXPECT_EQ(cold->parts, warm->parts);
  EXPECT_EQ(warm->parts.size(), 20u);
  EXPECT_TRUE(warm->parts.at(twenty[3]).is_like);
  EXPECT_FALSE(warm->parts.at(twenty[4]).is_like);
}

TEST_P(Edges, BatchesHaveABound) {
  EXPECT_EQ(token_of(run_task(api().get_video_interaction_parts(
                ctx_, {.user_id = kBob, .video_ids = std::vector<VideoId>(201, kFilm)}))),
            "video_ids_too_long");
  EXPECT_EQ(token_of(run_task(api().get_user_interaction_parts(
                ctx_, {.user_ids = std::vector<UserId>(201, kAnn)}))),
            "user_ids_too_long");
}

// A thousand people press as fast as they can on one video: most of what they do is done already.
TEST_P(Edges, TenThousandConcurrentLikesEndInTheExactCount) {
  constexpr int kPeople = 1000, kEach = 10, kThreads = 4;
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::deque<LikeActionReq> requests;  // outlive their calls
      asio::io_context io;
      for (int i = 0; i < kEach; ++i)
        for (int person = t; person < kPeople; person += kThreads)
          asio::co_spawn(
              io,
              api().like_action(
                  ctx_,
                  requests.emplace_back(LikeActionReq{
                      .user_id = UserId(10'000 + person), .video_id = kFilm, .action = true})),
              [&](const std::exception_ptr& e, const Result<>& r) { failed += e || !r ? 1 : 0; });
      io.run();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(counts(kFilm).like_count, kPeople);
  EXPECT_EQ(received(kAnn).likes_received, kPeople);
  std::size_t likes = 0;
  for (const Event& event : told("interaction.liked"))
    likes += static_cast<std::size_t>(std::ranges::count(event.payload, ',')) - 1;
  EXPECT_EQ(likes, static_cast<std::size_t>(kPeople));
  expect_no_drift();
}

// Likes and their undoing race; whatever the outcome, counters say what the rows say.
TEST_P(Edges, RacingChangesLeaveNoDrift) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::deque<LikeActionReq> requests;
      asio::io_context io;
      for (int i = 0; i < 1500; ++i) {
        const auto& req =
            requests.emplace_back(LikeActionReq{.user_id = UserId(10 + (i * 7 + t) % 40),
                                                .video_id = i % 2 ? kFilm : kSong,
                                                .action = (i / 3 + t) % 2 == 0});
        asio::co_spawn(io, api().like_action(ctx_, req),
                       [](const std::exception_ptr&, const Result<>&) {});
      }
      io.run();
    });
  for (auto& thread : threads) thread.join();
  const auto in_memory = counts(kFilm);
  expect_no_drift();
  open();
  EXPECT_EQ(counts(kFilm), in_memory);
}

TEST_P(Edges, LikedVideosAreListedNewestFirstWithoutThoseThatMayNotBeSeen) {
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 25; ++i) {
    const VideoId id(500 + i);
    videos_.author[id] = kAnn;
    ASSERT_TRUE(succeeded(like(kBob, id)));
    if (i % 3 == 0) clock_.advance(std::chrono::milliseconds(1));  // some share their time
    if (i % 4 == 0) videos_.hidden.insert(id);
    else expected.insert(expected.begin(), id.value);
  }
  for (std::int32_t size : {1, 4, 7, 100}) {
    std::vector<std::int64_t> seen;
    LikeVideoListReq req{
        .user_id = {}, .current_user_id = kBob, .page = 1, .page_size = size, .cursor = ""};
    do {
      const auto page = run_task(api().get_like_video_list(ctx_, req));
      ASSERT_TRUE(succeeded(page));
      EXPECT_EQ(page->total_count, 25);
      req.cursor = page->next_cursor;
      if (!req.cursor->empty()) EXPECT_EQ(page->videos.size(), static_cast<std::size_t>(size));
      for (auto id : ids(page->videos)) seen.push_back(id);
    } while (!req.cursor->empty());
    EXPECT_EQ(seen, expected) << size;
    seen.clear();
    for (req =
             {.user_id = kBob, .current_user_id = kBob, .page = 1, .page_size = size, .cursor = {}};
         ; ++req.page) {
      const auto page = run_task(api().get_like_video_list(ctx_, req));
      ASSERT_TRUE(succeeded(page));
      if (page->videos.empty()) break;
      for (auto id : ids(page->videos)) seen.push_back(id);
    }
    EXPECT_EQ(seen, expected) << size;
  }
}

TEST_P(EdgesAlone, AWarmPageOfLikedVideosAsksTheDatabaseNothing) {
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  const LikeVideoListReq req{
      .user_id = {}, .current_user_id = kBob, .page = 1, .page_size = 20, .cursor = {}};
  EXPECT_EQ(ids(run_task(api().get_like_video_list(ctx_, req))->videos),
            (std::vector<std::int64_t>{100}));
  const auto before = db_->statements();
  EXPECT_EQ(ids(run_task(api().get_like_video_list(ctx_, req))->videos),
            (std::vector<std::int64_t>{100}));
  EXPECT_EQ(db_->statements() - before, 0u);
  EXPECT_TRUE(succeeded(like(kBob, kSong)));
  EXPECT_EQ(run_task(api().get_like_video_list(ctx_, req))->videos.size(), 2u);
}

TEST_P(Edges, OthersSeeLikesWhenTheyAreShownAndStarsNever) {
  EXPECT_TRUE(succeeded(like(kBob, kFilm)));
  EXPECT_TRUE(succeeded(star(kBob, kFilm)));
  const LikeVideoListReq likes{
      .user_id = kBob, .current_user_id = kCid, .page = 1, .page_size = 10, .cursor = {}};
  const StarVideoListReq stars{
      .user_id = kBob, .current_user_id = kCid, .page = 1, .page_size = 10, .cursor = {}};
  EXPECT_EQ(token_of(run_task(api().get_like_video_list(ctx_, likes))), "likes_hidden");
  EXPECT_EQ(token_of(run_task(api().get_star_video_list(ctx_, stars))), "likes_hidden");
  users_.show_likes.insert(kBob);
  EXPECT_EQ(ids(run_task(api().get_like_video_list(ctx_, likes))->videos),
            (std::vector<std::int64_t>{100}));
  EXPECT_EQ(token_of(run_task(api().get_star_video_list(ctx_, stars))), "likes_hidden");
  social_.blocks.insert({kBob, kCid});
  EXPECT_EQ(token_of(run_task(api().get_like_video_list(ctx_, likes))), "user_not_found");
  EXPECT_EQ(token_of(run_task(api().get_star_video_list(ctx_, stars))), "user_not_found");
  const StarVideoListReq own{
      .user_id = kBob, .current_user_id = kBob, .page = 1, .page_size = 10, .cursor = {}};
  EXPECT_EQ(ids(run_task(api().get_star_video_list(ctx_, own))->videos),
            (std::vector<std::int64_t>{100}));
}

TEST_P(EdgesAlone, AWriterThatStoppedRefuses) {
  service_->stop();
  EXPECT_EQ(token_of(like(kBob, kFilm)), "busy");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "late")), "busy");
}

TEST(InteractionMigrations, EdgesOfAnOlderVersionStay) {
  constexpr std::string_view kInsert =
      "INSERT INTO interaction_edges (object_id, kind, user_id, at_ms) VALUES ($1, 1, $2, 7)";
  const testing::TempDir folder;
  const auto open = [&folder](std::size_t versions) {
    return testing::open_test_database(folder / "interaction.db",
                                       {{"interaction", migrations().first(versions)}});
  };
  const auto insert = [kInsert](sql::Database& db, int object, int user) {
    return run_task(db.write(Ctx{}, [=](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute(kInsert, {object, user}));
      return {};
    }));
  };
  for (const auto& [object, user] : {std::pair(5, 2), {5, 1}, {4, 9}})
    ASSERT_TRUE(succeeded(insert(*open(2).value(), object, user)));
  const auto db = open(migrations().size()).value();
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM interaction_edges WHERE at_ms = 7"))
                ->i64(0, 0),
            3);
  EXPECT_FALSE(insert(*db, 5, 1)) << "the key is still one";
  EXPECT_TRUE(insert(*db, 5, 3));
}

}  // namespace
}  // namespace sv::interaction
