#include <algorithm>
#include <deque>
#include <random>
#include <thread>

#include "services/social/test_world.h"

namespace sv::social {
namespace {

using Stats = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

TEST_P(SocialTest, FollowingTwiceCountsOnce) {
  for (int i = 0; i < 2; ++i) {
    const auto done = follow(kAnn, kBob);
    ASSERT_TRUE(succeeded(done));
    EXPECT_FALSE(done->requested.value_or(false));
  }
  EXPECT_EQ(stats(kAnn), (Stats{1, 0, 0}));
  EXPECT_EQ(stats(kBob), (Stats{0, 1, 0}));
  EXPECT_EQ(told(), (Texts{R"(social.followed 2 {"user":1,"target":2})"}));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(succeeded(unfollow(kAnn, kBob)));
  EXPECT_EQ(stats(kAnn), (Stats{0, 0, 0}));
  EXPECT_EQ(stats(kBob), (Stats{0, 0, 0}));
  EXPECT_EQ(told(), (Texts{R"(social.unfollowed 2 {"user":1,"target":2})"}));
  EXPECT_TRUE(succeeded(unfollow(kAnn, UserId(77)))) << "undoing what was never done";
  expect_counts_exact();
}

TEST_P(SocialTest, TwoWhoFollowEachOtherAreFriendsUntilOneStops) {
  follow(kAnn, kBob).value();
  EXPECT_FALSE(run_task(api().check_mutual_follow(ctx_, {kAnn, kBob}))->is_mutual_follow);
  follow(kBob, kAnn).value();
  EXPECT_EQ(stats(kAnn), (Stats{1, 1, 1}));
  EXPECT_EQ(stats(kBob), (Stats{1, 1, 1}));
  EXPECT_TRUE(run_task(api().check_mutual_follow(ctx_, {kAnn, kBob}))->is_mutual_follow);
  EXPECT_EQ(listed(*run_task(api().get_friend_list(
                       ctx_, {.user_id = kAnn, .page = 1, .page_size = 10, .cursor = {}})))
                .ids,
            (std::vector<std::int64_t>{2}));
  const auto check = run_task(
      api().check_follow(ctx_, {.user_id = kAnn, .target_user_id = kBob, .current_user_id = {}}));
  EXPECT_TRUE(check->is_following && *check->is_followed_by && *check->is_mutual);
  expect_counts_exact();
  unfollow(kBob, kAnn).value();
  EXPECT_EQ(stats(kAnn), (Stats{1, 0, 0}));
  EXPECT_EQ(listed(*run_task(api().get_friend_list(
                       ctx_, {.user_id = kAnn, .page = 1, .page_size = 10, .cursor = {}})))
                .ids.size(),
            0U);
  expect_counts_exact();
}

TEST_P(SocialTest, NobodyFollowsBlocksOrMutesHimselfOrNobody) {
  EXPECT_EQ(token_of(follow(kAnn, kAnn)), "cannot_follow_self");
  EXPECT_EQ(http_status(follow(kAnn, kAnn).error().code), 400);
  EXPECT_EQ(token_of(block(kAnn, kAnn)), "cannot_block_self");
  EXPECT_EQ(token_of(mute(kAnn, kAnn)), "cannot_mute_self");
  users_.gone = {kBob};
  for (const UserId target : {UserId(0), kBob}) {
    const std::string want = target ? "user_not_found" : "target_user_id_required";
    EXPECT_EQ(token_of(follow(kAnn, target)), want);
    EXPECT_EQ(token_of(block(kAnn, target)), want);
    EXPECT_EQ(token_of(mute(kAnn, target)), want);
  }
  EXPECT_EQ(follow(UserId(0), kCid).error().code, Errc::unauthenticated);
  EXPECT_EQ(answer(UserId(0), kCid, true).error().code, Errc::unauthenticated);
  EXPECT_EQ(token_of(answer(kAnn, UserId(0), true)), "user_id_required");
  users_.down = true;
  EXPECT_EQ(follow(kAnn, kCid).error().code, Errc::unavailable) << "not followed on suspicion";
  EXPECT_TRUE(told().empty());
  expect_counts_exact();
}

TEST_P(SocialTest, WhileNobodyKnowsWhoIsPrivateListsOfOthersAreClosedAndBlocksGoOn) {
  follow(kAnn, kBob).value();
  users_.down = true;
  EXPECT_EQ(following(kCid, kAnn).error().code, Errc::unavailable);
  EXPECT_EQ(following(UserId(), kAnn).error().code, Errc::unavailable);
  EXPECT_TRUE(succeeded(mute(kAnn, kBob)));
  EXPECT_TRUE(succeeded(block(kAnn, kBob))) << "privacy forbids no block";
  EXPECT_TRUE(part(kAnn, kBob).is_blocked);
  users_.down = false;
  EXPECT_TRUE(succeeded(following(kCid, kAnn)));
}

TEST_P(SocialTest, AUserServiceWithoutPrivacyIsFollowedAsPublic) {
  user::UserAbsent no_users;
  services_.user = &no_users;
  const auto followed = follow(kAnn, kBob);
  ASSERT_TRUE(succeeded(followed));
  EXPECT_FALSE(followed->requested.value_or(false));
  EXPECT_TRUE(part(kAnn, kBob).is_follow);
  services_.user = &users_;
}

TEST_P(SocialTest, ABlockEndsFollowsAndRequestsBothWaysAndHidesEachFromTheOther) {
  users_.secluded = {kCid};
  follow(kAnn, kBob).value();
  follow(kBob, kAnn).value();
  follow(kAnn, kCid).value();
  events_.take();
  ASSERT_TRUE(succeeded(block(kBob, kAnn)));
  EXPECT_EQ(told(), (Texts{R"(social.unfollowed 1 {"user":2,"target":1})",
                           R"(social.unfollowed 2 {"user":1,"target":2})",
                           R"(social.blocked 2 {"user":2,"target":1})"}));
  ASSERT_TRUE(succeeded(block(kBob, kAnn)));
  EXPECT_TRUE(told().empty()) << "twice is once";
  EXPECT_EQ(stats(kAnn), (Stats{0, 0, 0}));
  expect_counts_exact();
  EXPECT_EQ(token_of(follow(kAnn, kBob)), "user_not_found");
  EXPECT_EQ(follow(kAnn, kBob).error().code, Errc::not_found);
  EXPECT_EQ(token_of(follow(kBob, kAnn)), "user_not_found");
  EXPECT_EQ(token_of(mute(kAnn, kBob)), "user_not_found");
  EXPECT_EQ(token_of(followers(kAnn, kBob)), "user_not_found");
  EXPECT_EQ(token_of(following(kBob, kAnn)), "user_not_found");
  EXPECT_TRUE(part(kBob, kAnn).is_blocked);
  EXPECT_FALSE(part(kBob, kAnn).has_blocked);
  EXPECT_TRUE(part(kAnn, kBob).has_blocked);

  ASSERT_TRUE(succeeded(block(kCid, kAnn)));
  EXPECT_EQ(run_task(api().get_request_list(ctx_, {.user_id = kCid, .page_size = 10, .cursor = {}}))
                ->requests.size(),
            0U);
  EXPECT_EQ(token_of(answer(kCid, kAnn, true)), "request_not_found");

  for (int i = 0; i < 2; ++i) EXPECT_TRUE(succeeded(block(kBob, kAnn, false)));
  EXPECT_TRUE(succeeded(follow(kAnn, kBob)));
  expect_counts_exact();
}

TEST_P(SocialTest, WhoeverIsBlockedMayBlockAndListsItWithoutLearningMore) {
  block(kAnn, kBob).value();
  ASSERT_TRUE(succeeded(block(kBob, kAnn)));
  const auto mine =
      run_task(api().get_blocked_list(ctx_, {.user_id = kBob, .page_size = 10, .cursor = {}}));
  ASSERT_EQ(listed(*mine), (Listed{{1}, "", 1}));
  EXPECT_TRUE(mine->users[0].is_blocked.value_or(false));
  block(kAnn, kBob, false).value();
  EXPECT_EQ(token_of(follow(kAnn, kBob)), "user_not_found") << "his own block stands";
  expect_counts_exact();
}

TEST_P(SocialTest, MuteLeavesFollows) {
  follow(kAnn, kBob).value();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(succeeded(mute(kAnn, kBob)));
  EXPECT_TRUE(part(kAnn, kBob).is_follow);
  EXPECT_TRUE(part(kAnn, kBob).is_muted);
  EXPECT_FALSE(part(kBob, kAnn).is_muted) << "the muted one never knows";
  EXPECT_EQ(listed(*run_task(
                api().get_muted_list(ctx_, {.user_id = kAnn, .page_size = 10, .cursor = {}}))),
            (Listed{{2}, "", 1}));
  EXPECT_EQ(listed(following(kAnn, kAnn).value()).ids, (std::vector<std::int64_t>{2}))
      << "a list one opens shows the muted";
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(succeeded(mute(kAnn, kBob, false)));
  EXPECT_FALSE(part(kAnn, kBob).is_muted);
  EXPECT_EQ(stats(kAnn), (Stats{1, 0, 0}));
  expect_counts_exact();
}

TEST_P(SocialTest, APrivateAccountIsAskedFirst) {
  users_.secluded = {kBob};
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(follow(kAnn, kBob)->requested.value_or(false));
  EXPECT_EQ(told(), (Texts{R"(social.follow_requested 2 {"user":1,"target":2})"}));
  EXPECT_EQ(stats(kBob), (Stats{0, 0, 0}));
  const auto asked =
      run_task(api().get_request_list(ctx_, {.user_id = kBob, .page_size = 10, .cursor = {}}));
  ASSERT_EQ(asked->requests.size(), 1U);
  EXPECT_EQ(asked->requests[0].id, kAnn);
  EXPECT_EQ(asked->total, 1);

  for (int i = 0; i < 2; ++i) ASSERT_TRUE(succeeded(answer(kBob, kAnn, true)));
  EXPECT_EQ(told(), (Texts{R"(social.followed 2 {"user":1,"target":2})"}));
  EXPECT_EQ(stats(kBob), (Stats{0, 1, 0}));
  EXPECT_FALSE(follow(kAnn, kBob)->requested.value_or(false)) << "follows already";

  follow(kCid, kBob).value();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(succeeded(answer(kBob, kCid, false)));
  EXPECT_EQ(token_of(answer(kBob, kCid, true)), "request_not_found");
  EXPECT_EQ(token_of(answer(kBob, kDan, true)), "request_not_found");
  follow(kDan, kBob).value();
  unfollow(kDan, kBob).value();
  EXPECT_EQ(token_of(answer(kBob, kDan, true)), "request_not_found") << "it was taken back";
  expect_counts_exact();

  follow(kCid, kBob).value();
  users_.secluded.clear();
  EXPECT_EQ(run_task(api().get_request_list(ctx_, {.user_id = kBob, .page_size = 10, .cursor = {}}))
                ->total,
            1)
      << "stays until answered";
  EXPECT_FALSE(follow(kCid, kBob)->requested.value_or(false));
  EXPECT_EQ(run_task(api().get_request_list(ctx_, {.user_id = kBob, .page_size = 10, .cursor = {}}))
                ->total,
            0);
  EXPECT_EQ(stats(kBob), (Stats{0, 2, 0}));
  expect_counts_exact();
}

TEST_P(SocialTest, ACheckTellsAPersonOnlyWhatHeMaySee) {
  users_.secluded = {kBob};
  follow(kBob, kCid).value();
  const auto check = [&](std::optional<UserId> viewer) {
    return run_task(api().check_follow(
        ctx_, {.user_id = kBob, .target_user_id = kCid, .current_user_id = viewer}));
  };
  EXPECT_TRUE(check({})->is_following) << "a service";
  EXPECT_TRUE(check(kBob)->is_following);
  EXPECT_TRUE(check(kCid)->is_following);
  EXPECT_FALSE(check(kAnn)->is_following);
  EXPECT_FALSE(check(UserId(0))->is_following) << "a guest";
  follow(kAnn, kBob).value();
  answer(kBob, kAnn, true).value();
  EXPECT_TRUE(check(kAnn)->is_following);
  block(kCid, kAnn).value();
  EXPECT_EQ(token_of(check(kAnn)), "user_not_found");
  users_.gone = {kCid};
  EXPECT_EQ(token_of(check(UserId(0))), "user_not_found");
  EXPECT_EQ(token_of(run_task(api().check_follow(
                ctx_, {.user_id = {}, .target_user_id = kCid, .current_user_id = {}}))),
            "user_id_required");
  EXPECT_EQ(token_of(run_task(api().check_follow(
                ctx_, {.user_id = kCid, .target_user_id = {}, .current_user_id = {}}))),
            "target_user_id_required");
}

// Of what one instance keeps for itself, or of one moment.
class SocialTestAlone : public SocialTest {};
SV_ONE_WAY(SocialTestAlone);

TEST_P(SocialTestAlone, PartsComeForAllAtOnceAndWarmOnesCostNothing) {
  std::vector<UserId> all;
  for (int i = 10; i < 210; ++i) {
    all.emplace_back(i);
    if (i % 2 == 0) follow(kAnn, UserId(i)).value();
    if (i % 3 == 0) follow(UserId(i), kAnn).value();
    if (i % 50 == 0) mute(kAnn, UserId(i)).value();
  }
  start();  // cold
  const auto ask = [&](UserId viewer) {
    return run_task(
        api().get_social_parts(ctx_, {.user_id = viewer, .user_ids = all, .with_counts = true}));
  };
  const auto before = db_->statements();
  const auto cold = ask(kAnn);
  ASSERT_TRUE(succeeded(cold));
  EXPECT_EQ(db_->statements() - before, 2U);
  ASSERT_EQ(cold->parts.size(), 200U);
  for (const auto& [id, p] : cold->parts) {
    EXPECT_EQ(p.is_follow, id.value % 2 == 0) << id.value;
    EXPECT_EQ(p.is_followed_by, id.value % 3 == 0) << id.value;
    EXPECT_EQ(p.is_muted, id.value % 50 == 0) << id.value;
    EXPECT_EQ(p.follower_count, id.value % 2 == 0 ? 1 : 0) << id.value;
  }
  EXPECT_EQ(*ask(kAnn), *cold);
  ask(UserId(0)).value();
  EXPECT_EQ(db_->statements() - before, 2U) << "warm, and a guest's are counts only";
  EXPECT_EQ(part(UserId(10), kAnn).is_followed_by, true);
  EXPECT_EQ(db_->statements() - before, 4U) << "what ties 10 to anybody, and Ann's counts";
  EXPECT_EQ(part(UserId(10), UserId(1000)).is_followed_by, false);
  EXPECT_EQ(db_->statements() - before, 5U) << "that they are strangers is known";
  all.emplace_back(1);
  EXPECT_EQ(token_of(ask(kAnn)), "user_ids_too_long");
  const auto many = run_task(api().batch_check_follow(
      ctx_, {.user_id = kAnn, .target_user_ids = {UserId(10), UserId(11), kAnn, UserId(10)}}));
  EXPECT_EQ(many->follow_status,
            (FlatMap<UserId, bool>{{kAnn, false}, {UserId(10), true}, {UserId(11), false}}));
  EXPECT_EQ(
      token_of(run_task(api().batch_check_follow(ctx_, {.user_id = kAnn, .target_user_ids = all}))),
      "target_user_ids_too_long");
}

TEST_P(SocialTest, IdsRiseAndPagesOfThemJoinWithoutGaps) {
  for (int i = 5000; i > 100; i -= 2) ASSERT_TRUE(succeeded(follow(kAnn, UserId(i))));
  for (int i = 10; i < 20; ++i) follow(UserId(i), kBob).value();
  std::vector<std::int64_t> seen;
  for (UserId after;;) {
    const auto got =
        run_task(api().get_following_ids(ctx_, {.user_id = kAnn, .after = after, .limit = 700}));
    ASSERT_TRUE(succeeded(got));
    for (const UserId id : got->user_ids) seen.push_back(id.value);
    if (got->user_ids.size() < 700) break;
    after = got->user_ids.back();
  }
  EXPECT_EQ(seen.size(), 2450U);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(run_task(api().get_following_ids(ctx_, {.user_id = kAnn, .after = {}, .limit = 10'000}))
                ->user_ids.size(),
            2450U);
  const auto before = db_->statements();
  EXPECT_EQ(run_task(api().get_following_ids(ctx_, {.user_id = kAnn, .after = {}, .limit = 0}))
                ->user_ids.size(),
            1000U);
  EXPECT_EQ(db_->statements(), before) << "the first ones are in memory";
  follow(kAnn, UserId(7)).value();
  EXPECT_EQ(
      run_task(api().get_following_ids(ctx_, {.user_id = kAnn, .after = {}, .limit = 1}))->user_ids,
      (std::vector<UserId>{UserId(7)}));
  EXPECT_EQ(
      run_task(api().get_follower_ids(ctx_, {.user_id = kBob, .after = UserId(16), .limit = 10}))
          ->user_ids,
      (std::vector<UserId>{UserId(17), UserId(18), UserId(19)}));
  EXPECT_EQ(
      token_of(run_task(api().get_follower_ids(ctx_, {.user_id = {}, .after = {}, .limit = 10}))),
      "user_id_required");
}

TEST_P(SocialTest, ADeletedUserLeavesNoEdgeAndNoCountBehind) {
  for (int i = 10; i < 310; ++i) {
    follow(kAnn, UserId(i)).value();
    if (i % 2 == 0) follow(UserId(i), kAnn).value();
  }
  block(kAnn, kBob).value();
  mute(kCid, kAnn).value();
  follow(kCid, kDan).value();
  users_.secluded = {kAnn};
  follow(kDan, kAnn).value();
  EXPECT_EQ(stats(UserId(10)), (Stats{1, 1, 1}));
  const Event gone{.id = 1,
                   .topic = "user.deleted",
                   .key = "1",
                   .revision = 1,
                   .payload = R"({"id":1})",
                   .time_ms = 0};
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(succeeded(events_.deliver({gone})));
  EXPECT_EQ(
      run_task(
          db_->query(Ctx{}, "SELECT count(*) FROM social_edges WHERE user_id = 1 OR target_id = 1"))
          ->i64(0, 0),
      0);
  EXPECT_EQ(run_task(db_->query(Ctx{}, "SELECT count(*) FROM social_counts WHERE user_id = 1"))
                ->i64(0, 0),
            0);
  EXPECT_EQ(stats(UserId(10)), (Stats{0, 0, 0}));
  EXPECT_EQ(stats(kDan), (Stats{0, 1, 0})) << "what others did stays";
  EXPECT_EQ(stats(kAnn), (Stats{0, 0, 0}));
  // What was under way when the account went comes too late.
  users_.secluded.clear();
  EXPECT_EQ(token_of(follow(kAnn, kBob)), "invalid_token");
  EXPECT_EQ(token_of(block(kAnn, kBob)), "invalid_token");
  EXPECT_EQ(token_of(mute(kAnn, kBob)), "invalid_token");
  EXPECT_EQ(token_of(follow(kBob, kAnn)), "user_not_found");
  EXPECT_EQ(
      run_task(
          db_->query(Ctx{}, "SELECT count(*) FROM social_edges WHERE user_id = 1 OR target_id = 1"))
          ->i64(0, 0),
      0);
  expect_counts_exact();
}

TEST_P(SocialTest, EverythingOutlivesARestart) {
  follow(kAnn, kBob).value();
  block(kAnn, kCid).value();
  start();
  EXPECT_EQ(stats(kBob), (Stats{0, 1, 0}));
  EXPECT_TRUE(part(kCid, kAnn).has_blocked);
}

TEST_P(SocialTestAlone, AFollowIsNewsForGuestsAndAMuteIsNot) {
  const auto at = revision_.value();
  mute(kAnn, kBob).value();
  EXPECT_EQ(revision_.value(), at);
  follow(kAnn, kBob).value();
  EXPECT_GT(revision_.value(), at);
}

// A thousand people on their phones at once: whatever the order, what is counted is what is there.
TEST_P(SocialTest, ConcurrentFollowsAndUnfollowsLeaveCountsEqualToEdges) {
  constexpr int kThreads = 4, kEach = 250;
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::minstd_rand random(seed + static_cast<unsigned>(t));
      asio::io_context io;
      std::deque<FollowActionReq> requests;
      std::deque<std::optional<Result<FollowActionResp>>> answers;
      for (int i = 0; i < kEach; ++i) {
        const UserId user(1 + static_cast<std::int64_t>(random() % 12));
        const UserId target(1 + (user.value + static_cast<std::int64_t>(random() % 11)) % 12);
        requests.push_back(
            {.user_id = user, .target_user_id = target, .action = random() % 3 != 0});
        asio::co_spawn(
            io, testing::keep(api().follow_action(ctx_, requests.back()), answers.emplace_back()),
            [](std::exception_ptr e) { EXPECT_FALSE(e); });
      }
      io.run();
      for (const auto& one : answers) EXPECT_TRUE(succeeded(*one));
    });
  for (auto& thread : threads) thread.join();
  expect_counts_exact();
  const auto rows = run_task(
      db_->query(Ctx{}, "SELECT user_id, following, followers, friends FROM social_counts"));
  for (std::size_t i = 0; i < rows->size(); ++i)
    EXPECT_EQ(stats(UserId(rows->i64(i, 0))),
              (Stats{rows->i64(i, 1), rows->i64(i, 2), rows->i64(i, 3)}))
        << "memory agrees";
}

SV_BOTH_WAYS(SocialTest);

}  // namespace
}  // namespace sv::social
