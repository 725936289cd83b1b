#include "services/interaction/test_world.h"

namespace sv::interaction {
namespace {

using Purge = InteractionTest;
SV_BOTH_WAYS(Purge);

using Reports = InteractionTest;
SV_BOTH_WAYS(Reports);

constexpr const char* kFilmDeleted = R"({"id":100,"authorId":1,"status":"deleted"})";

TEST_P(Purge, ADeletedVideoLeavesNothingCounted) {
  for (int i = 0; i < 700; ++i)
    ASSERT_TRUE(succeeded(like(UserId(1000 + i), kFilm)));  // more than one batch
  ASSERT_TRUE(succeeded(star(kBob, kFilm)));
  ASSERT_TRUE(succeeded(share(kBob, kFilm)));
  ASSERT_TRUE(succeeded(like(kBob, kClip)));
  const Comment root = comment(kBob, kFilm, "root");
  ASSERT_TRUE(succeeded(like_comment(kCid, root.id)));
  for (int i = 0; i < 120; ++i) comment(kCid, kFilm, "reply", root.id);
  EXPECT_EQ(received(kAnn),
            (UserInteractionParts{.likes_received = 701, .comments_received = 121}));

  EXPECT_TRUE(succeeded(deliver("video.changed", R"({"id":100,"authorId":1,"status":"ready"})")));
  EXPECT_EQ(counts(kFilm).like_count, 700);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(succeeded(deliver("video.changed", kFilmDeleted)));
    EXPECT_EQ(received(kAnn), (UserInteractionParts{.likes_received = 1, .comments_received = 0}));
    EXPECT_EQ(parts(kFilm, kBob), VideoInteractionParts{});
    for (const char* table :
         {"interaction_edges WHERE object_id <> 101", "interaction_comments", "interaction_shares"})
      EXPECT_EQ(
          run_task(db_->query(Ctx{}, fmt::format("SELECT count(*) FROM {}", table)))->i64(0, 0), 0)
          << table;
  }
  // Whoever still saw the video a moment ago comes too late.
  EXPECT_EQ(token_of(like(kDan, kFilm)), "video_not_found");
  EXPECT_EQ(token_of(share(kDan, kFilm)), "video_not_found");
  EXPECT_EQ(token_of(try_comment(kDan, kFilm, "late")), "video_not_found");
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_EQ(received(kAnn).likes_received, 1);
  expect_no_drift();
}

TEST_P(Purge, ADeletedAccountTakesItsTracesAlong) {
  for (int i = 0; i < 600; ++i) {
    videos_.author[VideoId(5000 + i)] = kAnn;
    ASSERT_TRUE(succeeded(like(kBob, VideoId(5000 + i))));
  }
  ASSERT_TRUE(succeeded(star(kBob, kFilm)));
  ASSERT_TRUE(succeeded(share(kBob, kFilm)));
  const Comment other = comment(kCid, kFilm, "other");
  ASSERT_TRUE(succeeded(like_comment(kBob, other.id)));
  const Comment own = comment(kBob, kFilm, "own");
  comment(kBob, kFilm, "below my own", own.id);
  comment(kCid, kFilm, "below too", own.id);
  comment(kBob, kFilm, "below another", other.id);
  const auto report =
      run_task(api().report(ctx_, {.user_id = kBob, .kind = "video", .id = 100, .reason = "spam"}));
  ASSERT_TRUE(succeeded(report));

  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(succeeded(deliver("user.deleted", R"({"id":2})")));
    EXPECT_EQ(received(kAnn), (UserInteractionParts{.likes_received = 0, .comments_received = 1}));
    EXPECT_EQ(counts(kFilm),
              (CountResp{.like_count = 0, .comment_count = 1, .star_count = 0, .share_count = 1}));
    const auto page = comments({});
    EXPECT_EQ(contents(page.comments), (std::vector<std::string>{"other"}));
    EXPECT_EQ(page.comments[0].like_count, 0);
    EXPECT_EQ(page.comments[0].reply_count, 0);
    EXPECT_EQ(run_task(db_->query(Ctx{}, R"(
        SELECT count(*)
        FROM interaction_comments
        WHERE user_id = 2 AND content <> '')"))
                  ->i64(0, 0),
              0);
    expect_no_drift();
  }
  Ctx moderator;
  moderator.moderator = true;
  const auto queue =
      run_task(service_->get_reports(moderator, {.user_id = {}, .page_size = 10, .cursor = {}}));
  ASSERT_TRUE(succeeded(queue));
  ASSERT_EQ(queue->reports.size(), 1u);
  EXPECT_EQ(queue->reports[0].user_id, UserId{});
  EXPECT_EQ(token_of(like(kBob, kFilm)), "invalid_token");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "ghost")), "invalid_token");
}

TEST_P(Purge, AnEventThatSaysNothingIsRefused) {
  EXPECT_EQ(token_of(deliver("video.changed", "nonsense")), "event_invalid");
  EXPECT_EQ(token_of(deliver("user.deleted", "{}")), "event_invalid");
}

TEST_P(Reports, TheSameReportIsMadeOnce) {
  const ReportReq req{.user_id = kBob,
                      .kind = "video",
                      .id = kFilm.value,
                      .reason = "spam",
                      .detail = "look at it"};
  const auto first = run_task(api().report(ctx_, req));
  const auto again = run_task(api().report(ctx_, req));
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->report_id, again->report_id);
  const auto mine =
      run_task(api().get_reports(ctx_, {.user_id = kBob, .page_size = 10, .cursor = {}}));
  ASSERT_TRUE(succeeded(mine));
  ASSERT_EQ(mine->reports.size(), 1u);
  EXPECT_EQ(mine->reports[0], (ReportEntry{.id = first->report_id,
                                           .user_id = kBob,
                                           .kind = "video",
                                           .subject_id = 100,
                                           .reason = "spam",
                                           .detail = "look at it",
                                           .status = "open",
                                           .create_time = 1'767'225'600}));
  EXPECT_TRUE(run_task(api().get_reports(ctx_, {.user_id = kCid, .page_size = 10, .cursor = {}}))
                  ->reports.empty());
}

TEST_P(Reports, OnlyWhatIsThereCanBeReported) {
  const auto about = [&](std::string kind, std::int64_t id) {
    return token_of(run_task(api().report(
        ctx_, {.user_id = kBob, .kind = std::move(kind), .id = id, .reason = "spam"})));
  };
  const Comment c = comment(kCid, kFilm, "bad");
  EXPECT_EQ(about("comment", c.id.value), "");
  EXPECT_EQ(about("comment", 4), "comment_not_found");
  EXPECT_EQ(about("video", 999), "video_not_found");
  EXPECT_EQ(about("user", kCid.value), "");
  users_.gone.insert(kDan);
  EXPECT_EQ(about("user", kDan.value), "user_not_found");
  social_.blocks.insert({kAnn, kBob});
  EXPECT_EQ(about("user", kAnn.value), "");
  EXPECT_EQ(about("video", kFilm.value), "video_not_found");
  EXPECT_EQ(about("planet", 1), "kind_invalid");
  EXPECT_EQ(about("danmu", 0), "id_out_of_range");
  messages_.readers[MessageId(5)] = {kBob};
  EXPECT_EQ(about("message", 5), "");
  EXPECT_EQ(about("message", 6), "message_not_found");
  EXPECT_EQ(about("danmu", 1), "danmu_not_found");
  EXPECT_EQ(about("live", 1), "live_not_found");
  EXPECT_EQ(token_of(run_task(
                api().report(ctx_, {.user_id = kBob, .kind = "danmu", .id = 1, .reason = "  "}))),
            "reason_required");
  EXPECT_EQ(
      token_of(run_task(api().report(
          ctx_, {.user_id = kBob, .kind = "danmu", .id = 1, .reason = std::string(101, 'x')}))),
      "reason_too_long");
  EXPECT_EQ(token_of(run_task(
                api().report(ctx_, {.user_id = {}, .kind = "danmu", .id = 1, .reason = "x"}))),
            "invalid_token");
}

TEST_P(Reports, OneWhoseAccountIsGoneComesTooLate) {
  ASSERT_TRUE(succeeded(deliver("user.deleted", R"({"id":2})")));
  EXPECT_EQ(token_of(run_task(api().report(
                ctx_, {.user_id = kBob, .kind = "user", .id = kAnn.value, .reason = "spam"}))),
            "invalid_token");
}

TEST_P(Reports, TheQueueIsForModeratorsOldestFirst) {
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(run_task(api().report(ctx_, {.user_id = UserId(50 + i),
                                             .kind = "video",
                                             .id = kFilm.value,
                                             .reason = fmt::format("r{}", i)})));
  EXPECT_EQ(
      run_task(api().get_reports(ctx_, {.user_id = {}, .page_size = 2, .cursor = {}})).error().code,
      Errc::forbidden);
  Ctx ctx;
  ctx.moderator = true;
  std::vector<std::string> seen;
  ReportListReq req{.user_id = {}, .page_size = 2, .cursor = {}};
  do {
    const auto page = run_task(service_->get_reports(ctx, req));
    ASSERT_TRUE(succeeded(page));
    for (const ReportEntry& r : page->reports) seen.push_back(r.reason);
    req.cursor = page->next_cursor;
  } while (!req.cursor.empty());
  EXPECT_EQ(seen, (std::vector<std::string>{"r0", "r1", "r2", "r3", "r4"}));
}

}  // namespace
}  // namespace sv::interaction
