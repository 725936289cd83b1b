#include "services/interaction/test_world.h"

namespace sv::interaction {
namespace {

using Comments = InteractionTest;
SV_BOTH_WAYS(Comments);

using Words = std::vector<std::string>;

TEST_P(Comments, AnAnswerIsTheWholeComment) {
  const Comment made = comment(kBob, kFilm, " \u3000 你好 \n");
  EXPECT_GT(made.id.value, 0);
  EXPECT_EQ(made.user_id, kBob);
  EXPECT_EQ(made.video_id, kFilm);
  EXPECT_EQ(made.content, "你好");
  EXPECT_EQ(made.create_time, "2026-01-01 00:00:00");
  EXPECT_EQ(made.reply_to_id, CommentId{});
  ASSERT_TRUE(made.user);
  EXPECT_EQ(made.user->username, "user2");
  EXPECT_EQ(made.like_count, 0);
  EXPECT_EQ(made.reply_count, 0);
  EXPECT_EQ(made.is_like, false);
  EXPECT_EQ(comments({.current_user_id = kCid}).comments, (std::vector{made}));
  EXPECT_EQ(counts(kFilm).comment_count, 1);
  EXPECT_EQ(received(kAnn).comments_received, 1);
  const auto events = told("interaction.commented");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(
      events[0].payload,
      fmt::format(
          R"({{"comment":{},"video":100,"author":1,"user":2,"replyTo":0,"replyToUser":0,"rootId":0}})",
          made.id));
}

TEST_P(Comments, ContentHasBounds) {
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "")), "content_required");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, " \t\u3000\u200b")), "content_required");
  std::string longest;
  for (int i = 0; i < 1000; ++i) longest += "长";
  EXPECT_TRUE(succeeded(try_comment(kBob, kFilm, longest)));
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, longest + "x")), "content_too_long");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, std::string("a\0b", 3))), "content_invalid");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "\xff\xfe")), "content_invalid");
  EXPECT_EQ(token_of(try_comment(UserId{}, kFilm, "x")), "invalid_token");
  EXPECT_EQ(token_of(try_comment(kBob, VideoId(999), "x")), "video_not_found");
  EXPECT_EQ(counts(kFilm).comment_count, 1);
}

TEST_P(Comments, AReplyToAReplyBelongsToTheSameRoot) {
  const Comment root = comment(kBob, kFilm, "root");
  const Comment first = comment(kCid, kFilm, "first", root.id);
  const Comment second = comment(kDan, kFilm, "second", first.id);
  EXPECT_EQ(first.reply_to_id, root.id);
  EXPECT_EQ(second.reply_to_id, first.id);
  EXPECT_EQ(contents(replies(root.id).replies), (Words{"first", "second"}));  // oldest first
  EXPECT_EQ(replies(root.id).total, 2);
  EXPECT_TRUE(replies(first.id).replies.empty());
  const auto top = comments({});
  EXPECT_EQ(contents(top.comments), (Words{"root"}));
  EXPECT_EQ(top.comments[0].reply_count, 2);
  EXPECT_EQ(top.total_count, 3);
  EXPECT_EQ(contents(comments({.reply_to = root.id}).comments), (Words{"first", "second"}));
  EXPECT_EQ(counts(kFilm).comment_count, 3);
  const auto events = told("interaction.commented");
  EXPECT_EQ(
      events.back().payload,
      fmt::format(
          R"({{"comment":{},"video":100,"author":1,"user":4,"replyTo":{},"replyToUser":3,"rootId":{}}})",
          second.id, first.id, root.id));
  EXPECT_EQ(token_of(try_comment(kBob, kSong, "elsewhere", root.id)), "comment_not_found");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "nowhere", CommentId(77))), "comment_not_found");
  expect_no_drift();
}

TEST_P(Comments, DeletingARootHidesItsRepliesAndCorrectsCounts) {
  const Comment kept = comment(kCid, kFilm, "kept");
  const Comment root = comment(kBob, kFilm, "root");
  const Comment reply = comment(kCid, kFilm, "reply", root.id);
  comment(kDan, kFilm, "another", root.id);
  EXPECT_EQ(token_of(remove_comment(kDan, root.id)), "not_owner");
  EXPECT_TRUE(succeeded(remove_comment(kCid, reply.id)));
  EXPECT_EQ(counts(kFilm).comment_count, 3);
  EXPECT_EQ(comments({}).comments[0].reply_count, 1);
  EXPECT_EQ(contents(replies(root.id).replies), (Words{"another"}));
  EXPECT_TRUE(succeeded(remove_comment(kAnn, root.id)));  // the video is hers
  EXPECT_EQ(contents(comments({}).comments), (Words{"kept"}));
  EXPECT_EQ(counts(kFilm).comment_count, 1);
  EXPECT_EQ(received(kAnn).comments_received, 1);
  EXPECT_EQ(
      token_of(run_task(api().get_reply_list(
          ctx_, {.comment_id = root.id, .current_user_id = {}, .page_size = 10, .cursor = {}}))),
      "comment_not_found");
  EXPECT_EQ(token_of(remove_comment(kBob, root.id)), "comment_not_found");
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "late", root.id)), "comment_not_found");
  EXPECT_EQ(token_of(like_comment(kBob, root.id)), "comment_not_found");
  EXPECT_EQ(token_of(remove_comment(kBob, CommentId(123456))), "comment_not_found");
  expect_no_drift();
  open();
  EXPECT_EQ(contents(comments({}).comments), (Words{"kept"}));
  EXPECT_EQ(counts(kFilm).comment_count, 1);
}

TEST_P(Comments, WhoMayOnlySeeACommentIsToldThatItIsNotTheirs) {
  const Comment c = comment(kBob, kFilm, "bob's, below ann's film");
  const auto refused = remove_comment(kDan, c.id);
  EXPECT_EQ(token_of(refused), "not_owner");
  EXPECT_EQ(refused.error().code, Errc::forbidden);
  EXPECT_EQ(contents(comments({}).comments), (Words{"bob's, below ann's film"}));
  for (const auto& [one, other] : {std::pair(kBob, kDan), std::pair(kAnn, kDan)}) {
    social_.blocks = {{one, other}};
    EXPECT_EQ(token_of(remove_comment(kDan, c.id)), "comment_not_found") << one.value;
  }
  social_.blocks.clear();
  users_.closed = {kBob};
  EXPECT_EQ(token_of(remove_comment(kDan, c.id)), "comment_not_found") << "of a private account";
  users_.closed.clear();
  videos_.hidden.insert(kFilm);
  EXPECT_EQ(token_of(remove_comment(kDan, c.id)), "comment_not_found") << "below a private video";
  EXPECT_TRUE(succeeded(remove_comment(kBob, c.id)));
  expect_no_drift();
}

TEST_P(Comments, LikesOfCommentsAreExactToo) {
  const Comment c = comment(kBob, kFilm, "liked");
  EXPECT_TRUE(succeeded(like_comment(kCid, c.id)));
  EXPECT_TRUE(succeeded(like_comment(kCid, c.id)));
  EXPECT_TRUE(succeeded(like_comment(kDan, c.id)));
  EXPECT_EQ(comments({}).comments[0].like_count, 2);
  EXPECT_EQ(comments({.current_user_id = kCid}).comments[0].is_like, true);
  EXPECT_EQ(comments({.current_user_id = kAnn}).comments[0].is_like, false);
  EXPECT_TRUE(succeeded(like_comment(kCid, c.id, false)));
  EXPECT_TRUE(succeeded(like_comment(kCid, c.id, false)));
  EXPECT_EQ(comments({.current_user_id = kCid}).comments[0].like_count, 1);
  EXPECT_EQ(comments({.current_user_id = kCid}).comments[0].is_like, false);
  EXPECT_EQ(received(kAnn).likes_received, 0);  // those of videos
  EXPECT_EQ(token_of(like_comment(kCid, CommentId(5))), "comment_not_found");
  EXPECT_EQ(token_of(like_comment(kCid, CommentId{})), "comment_id_required");
  videos_.hidden.insert(kFilm);
  EXPECT_EQ(token_of(like_comment(kCid, c.id)), "comment_not_found");
  expect_no_drift();
}

TEST_P(Comments, HiddenPeopleAreLeftOutAndThePageIsRefilled) {
  std::vector<std::string> expected;
  for (int i = 0; i < 30; ++i) {
    const UserId who = i % 3 == 0 ? kBob : kCid;
    comment(who, kFilm, fmt::format("c{}", i));
    if (who == kCid) expected.insert(expected.begin(), fmt::format("c{}", i));
  }
  social_.blocks.insert({kBob, kDan});
  for (std::int32_t size : {1, 6, 7, 100}) {
    std::vector<std::string> seen;
    CommentListReq req{.current_user_id = kDan, .page = 1, .page_size = size, .cursor = ""};
    do {
      const auto page = comments(req);
      req.cursor = page.next_cursor;
      if (!req.cursor->empty()) EXPECT_EQ(page.comments.size(), static_cast<std::size_t>(size));
      for (const auto& text : contents(page.comments)) seen.push_back(text);
    } while (!req.cursor->empty());
    EXPECT_EQ(seen, expected) << size;
    seen.clear();
    for (req = {.current_user_id = kDan, .page = 1, .page_size = size};; ++req.page) {
      const auto page = comments(req);
      if (page.comments.empty()) break;
      for (const auto& text : contents(page.comments)) seen.push_back(text);
    }
    EXPECT_EQ(seen, expected) << size;
  }
  EXPECT_EQ(comments({.current_user_id = kAnn, .page_size = 100}).comments.size(), 30u);
  users_.gone.insert(kCid);
  EXPECT_TRUE(comments({.current_user_id = kDan, .page_size = 100}).comments.empty());
}

TEST_P(Comments, TiesInTimeAreNeverSkipped) {
  const Comment root = comment(kBob, kFilm, "root");
  for (int i = 0; i < 11; ++i)
    ASSERT_TRUE(try_comment(kBob, kFilm, fmt::format("c{}", i)));  // the clock stands still
  for (int i = 0; i < 11; ++i)
    ASSERT_TRUE(try_comment(kBob, kFilm, fmt::format("r{}", i), root.id));
  Words top, below;
  CommentListReq req{.page_size = 4, .cursor = ""};
  do {
    const auto page = comments(req);
    req.cursor = page.next_cursor;
    for (const auto& text : contents(page.comments)) top.push_back(text);
  } while (!req.cursor->empty());
  EXPECT_EQ(top,
            (Words{"c10", "c9", "c8", "c7", "c6", "c5", "c4", "c3", "c2", "c1", "c0", "root"}));
  std::string cursor;
  do {
    auto page = replies(root.id, {}, 4, cursor);
    cursor = page.next_cursor;
    for (const auto& text : contents(page.replies)) below.push_back(text);
  } while (!cursor.empty());
  EXPECT_EQ(below, (Words{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10"}));
  EXPECT_EQ(token_of(run_task(api().get_comment_list(
                ctx_, {.video_id = kFilm, .page_size = 4, .cursor = "nonsense"}))),
            "cursor_invalid");
}

TEST_P(Comments, ListsGoOnBehindWhatIsKeptInMemory) {
  for (int i = 0; i < 260; ++i) ASSERT_TRUE(try_comment(kBob, kFilm, fmt::format("c{}", i)));
  std::set<std::int64_t> seen;
  CommentListReq req{.page_size = 100, .cursor = ""};
  do {
    const auto page = comments(req);
    req.cursor = page.next_cursor;
    for (const Comment& c : page.comments) EXPECT_TRUE(seen.insert(c.id.value).second);
  } while (!req.cursor->empty());
  EXPECT_EQ(seen.size(), 260u);
  EXPECT_EQ(contents(comments({.page = 26, .page_size = 10}).comments).back(), "c0");
  EXPECT_EQ(contents(comments({.page = 24, .page_size = 10}).comments).front(), "c29");
}

TEST_P(Comments, TheHotOrderStandsStillForWhoPagesThroughIt) {
  std::vector<Comment> made;
  for (int i = 0; i < 12; ++i) made.push_back(comment(kBob, kFilm, fmt::format("c{}", i)));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(succeeded(like_comment(UserId(50 + i), made[2].id)));
  comment(kCid, kFilm, "answer", made[7].id);
  comment(kCid, kFilm, "answer", made[7].id);
  const auto first = comments({.page_size = 5, .sort = "hot"});
  EXPECT_EQ(contents(first.comments), (Words{"c7", "c2", "c11", "c10", "c9"}));
  // What was last becomes the hottest while somebody reads on.
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(succeeded(like_comment(UserId(50 + i), made[0].id)));
  Words seen = contents(first.comments);
  CommentListReq req{.page_size = 5, .cursor = first.next_cursor, .sort = "hot"};
  while (!req.cursor->empty()) {
    const auto page = comments(req);
    req.cursor = page.next_cursor;
    for (const auto& text : contents(page.comments)) seen.push_back(text);
  }
  EXPECT_EQ(seen,
            (Words{"c7", "c2", "c11", "c10", "c9", "c8", "c6", "c5", "c4", "c3", "c1", "c0"}));
  EXPECT_EQ(contents(comments({.page_size = 1, .sort = "hot"}).comments), (Words{"c0"}));
  open();  // the order outlives the process
  EXPECT_EQ(comments({.page_size = 5, .cursor = first.next_cursor, .sort = "hot"})
                .comments.front()
                .content,
            "c8");
  EXPECT_EQ(
      token_of(run_task(api().get_comment_list(
          ctx_, {.video_id = kSong, .page_size = 5, .cursor = first.next_cursor, .sort = "hot"}))),
      "cursor_invalid");
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(
      token_of(run_task(api().get_comment_list(
          ctx_, {.video_id = kFilm, .page_size = 5, .cursor = first.next_cursor, .sort = "hot"}))),
      "cursor_invalid");
  EXPECT_EQ(token_of(run_task(
                api().get_comment_list(ctx_, {.video_id = kFilm, .page_size = 5, .sort = "best"}))),
            "sort_invalid");
  const auto second = comments({.page = 2, .page_size = 5, .sort = "hot"});
  EXPECT_EQ(second.comments.size(), 5u);
}

TEST_P(Comments, ANewCommentIsInEveryOrderAtTheNextRequest) {
  const Comment one = comment(kBob, kFilm, "one");
  EXPECT_EQ(comments({.sort = "hot"}).comments.size(), 1u);
  EXPECT_EQ(comments({}).comments.size(), 1u);
  EXPECT_TRUE(replies(one.id).replies.empty());
  const Comment two = comment(kBob, kFilm, "two");
  comment(kBob, kFilm, "below", one.id);
  EXPECT_EQ(comments({.sort = "hot"}).comments.size(), 2u);
  EXPECT_EQ(comments({}).comments.size(), 2u);
  EXPECT_EQ(replies(one.id).replies.size(), 1u);
  ASSERT_TRUE(succeeded(remove_comment(kBob, two.id)));
  EXPECT_EQ(comments({.sort = "hot"}).comments.size(), 1u);
  EXPECT_EQ(comments({}).comments.size(), 1u);
}

TEST_P(Comments, AWarmPageAsksTheDatabaseNothingAndAColdOneLittle) {
  for (int i = 0; i < 40; ++i) comment(i % 2 ? kBob : kCid, kFilm, fmt::format("c{}", i));
  for (const char* sort : {"new", "hot"}) {
    open();
    auto before = db_->statements();
    EXPECT_EQ(comments({.current_user_id = kDan, .page_size = 20, .sort = sort}).comments.size(),
              20u);
    EXPECT_LE(db_->statements() - before, 4u) << sort;
    before = db_->statements();
    EXPECT_EQ(comments({.current_user_id = kDan, .page_size = 20, .sort = sort}).comments.size(),
              20u);
    EXPECT_EQ(db_->statements() - before, 0u) << sort;
  }
}

TEST_P(Comments, ARepeatedRequestIsOneComment) {
  const auto first = try_comment(kBob, kFilm, "once", {}, "key-1");
  const auto again = try_comment(kBob, kFilm, "once", {}, "key-1");
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->comment, again->comment);
  EXPECT_EQ(counts(kFilm).comment_count, 1);
  EXPECT_EQ(token_of(try_comment(kBob, kFilm, "twice", {}, "key-1")), "idempotency_mismatch");
  EXPECT_TRUE(succeeded(try_comment(kCid, kFilm, "once", {}, "key-1")));  // another person's key
  EXPECT_EQ(counts(kFilm).comment_count, 2);
}

TEST_P(Comments, WhoIsBlockedCannotAnswer) {
  const Comment c = comment(kBob, kFilm, "mine");
  social_.blocks.insert({kBob, kCid});
  EXPECT_EQ(token_of(try_comment(kCid, kFilm, "yours", c.id)), "comment_not_found");
  EXPECT_EQ(token_of(like_comment(kCid, c.id)), "comment_not_found");
  EXPECT_EQ(
      token_of(run_task(api().get_reply_list(
          ctx_, {.comment_id = c.id, .current_user_id = kCid, .page_size = 10, .cursor = {}}))),
      "comment_not_found");
  videos_.hidden.insert(kFilm);
  EXPECT_EQ(token_of(run_task(
                api().get_comment_list(ctx_, {.video_id = kFilm, .current_user_id = kCid}))),
            "video_not_found");
  EXPECT_TRUE(succeeded(remove_comment(kBob, c.id)));  // one's own words can always be taken back
}

TEST_P(Comments, MutedPeopleAreLeftOutAndTheVideosAuthorSeesPrivateOnes) {
  const Comment root = comment(kBob, kFilm, "by bob");
  comment(kCid, kFilm, "by cid");
  comment(kCid, kFilm, "cid answers", root.id);
  social_.mutes = {{kDan, kBob}};
  users_.closed = {kCid};
  using Texts = std::vector<std::string>;
  const auto seen = [this](UserId viewer) {
    return contents(
        comments({.video_id = kFilm, .current_user_id = viewer, .page_size = 10}).comments);
  };
  EXPECT_EQ(seen(kDan), Texts{});
  EXPECT_EQ(seen({}), Texts{"by bob"});
  EXPECT_EQ(seen(kAnn), (Texts{"by cid", "by bob"})) << "below the own video";
  EXPECT_EQ(contents(replies(root.id).replies), Texts{});
  EXPECT_EQ(contents(replies(root.id, kAnn).replies), Texts{"cid answers"});
  social_.mutes = {{kAnn, kCid}};
  EXPECT_EQ(contents(replies(root.id, kAnn).replies), Texts{});
  social_.blocks = {{kBob, kAnn}};
  EXPECT_EQ(seen(kAnn), Texts{});
}

TEST_P(Comments, TwinsUnderOneKeyAreOneCommentAlsoInOneBatch) {
  std::mutex mutex;
  std::map<int, std::set<CommentId>> made;
  std::vector<std::thread> callers;
  std::atomic<bool> over = false;
  std::thread busy([&] {  // the writer is at work when the twins come
    while (!over) (void)try_comment(kCid, kSong, "something else");
  });
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&] {
      for (int key = 0; key < 30; ++key) {
        const auto reply = try_comment(kBob, kFilm, fmt::format("comment {}", key), {},
                                       fmt::format("key {}", key));
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(succeeded(reply)) << key;
        if (reply) made[key].insert(reply->comment.id);
      }
    });
  for (auto& caller : callers) caller.join();
  over = true;
  busy.join();
  for (const auto& [key, ids] : made) EXPECT_EQ(ids.size(), 1u) << key;
  EXPECT_EQ(counts(kFilm).comment_count, 30);
  expect_no_drift();
}

}  // namespace
}  // namespace sv::interaction
