#include <algorithm>

#include "services/social/test_world.h"

namespace sv::social {
namespace {

using Ids = std::vector<std::int64_t>;

class SocialLists : public SocialTest {
 protected:
  // Ann is followed by 100, 101, …; `tie` of them in each millisecond. The newest first.
  Ids follow_ann(int count, int tie = 1) {
    Ids out;
    for (int i = 0; i < count; ++i) {
      if (i % tie == 0) clock_.advance(std::chrono::milliseconds(1));
      EXPECT_TRUE(succeeded(follow(UserId(100 + i), kAnn)));
      out.insert(out.begin(), 100 + i);
    }
    return out;
  }
  auto fetch_followers(UserId viewer, UserId owner, int size) {
    return [this, viewer, owner, size](const std::string& cursor) {
      return followers(viewer, owner, size, cursor);
    };
  }
};

TEST_P(SocialLists, AreNewestFirstAndCursorsNeverSkipATie) {
  const Ids want = follow_ann(450, 7);
  for (const int size : {1, 7, 20, 100}) {
    const auto pages = all(fetch_followers(kBob, kAnn, size), static_cast<std::size_t>(size));
    EXPECT_EQ(pages, want) << size;
  }
  EXPECT_EQ(listed(followers(kAnn, kAnn, 0).value()).ids.size(), 10U);
  EXPECT_EQ(listed(followers(kAnn, kAnn, 5000).value()).ids.size(), 100U);
  EXPECT_EQ(followers(kAnn, kAnn)->total_count, 450);
}

TEST_P(SocialLists, PagesByNumberStillWorkAndACursorWins) {
  const Ids want = follow_ann(450, 7);
  Ids seen;
  for (int page = 1; page <= 23; ++page)
    for (const auto id : listed(followers(kBob, kAnn, 20, {}, page).value()).ids)
      seen.push_back(id);
  EXPECT_EQ(seen, want);
  EXPECT_TRUE(listed(followers(kBob, kAnn, 20, {}, 24).value()).ids.empty());
  EXPECT_TRUE(listed(followers(kBob, kAnn, 100, {}, 2'000'000'000).value()).ids.empty());
  EXPECT_EQ(listed(followers(kBob, kAnn, 5, {}, -3).value()).ids,
            Ids(want.begin(), want.begin() + 5));
  const std::string second = followers(kBob, kAnn, 5)->next_cursor.value();
  EXPECT_EQ(listed(followers(kBob, kAnn, 5, second, 40).value()).ids,
            Ids(want.begin() + 5, want.begin() + 10));
}

TEST_P(SocialLists, ACursorIsGoodForItsOwnListOnly) {
  follow_ann(5);
  follow(kAnn, kBob).value();
  const std::string cursor = followers(kAnn, kAnn, 2)->next_cursor.value();
  EXPECT_EQ(token_of(following(kAnn, kAnn, 2, cursor)), "cursor_invalid");
  EXPECT_EQ(token_of(followers(kAnn, kAnn, 2, "nonsense")), "cursor_invalid");
  EXPECT_EQ(token_of(run_task(
                api().get_blocked_list(ctx_, {.user_id = kAnn, .page_size = 2, .cursor = cursor}))),
            "cursor_invalid");
}

TEST_P(SocialLists, ShowEveryoneToTheOwnerAndNoOneHiddenToOthersAtTheNextRequest) {
  follow_ann(60);
  users_.secluded = {UserId(110), UserId(111)};
  users_.gone = {UserId(120)};
  for (int i = 130; i < 155; ++i) block(UserId(i), kBob).value();
  block(kBob, UserId(156)).value();
  follow(kBob, UserId(111)).value();
  answer(UserId(111), kBob, true).value();

  Ids own, bobs;
  for (std::int64_t id = 159; id >= 100; --id) {
    if (id != 120) own.push_back(id);
    if (id != 120 && id != 110 && id != 156 && !(id >= 130 && id < 155)) bobs.push_back(id);
  }
  for (const int size : {3, 10, 100}) {
    EXPECT_EQ(all(fetch_followers(kAnn, kAnn, size), static_cast<std::size_t>(size)), own);
    EXPECT_EQ(all(fetch_followers(kBob, kAnn, size), static_cast<std::size_t>(size)), bobs)
        << "refilled: " << size;
  }
  Ids by_number;
  for (int page = 1; page <= 9; ++page)
    for (const auto id : listed(followers(kBob, kAnn, 4, {}, page).value()).ids)
      by_number.push_back(id);
  EXPECT_EQ(by_number, bobs) << "nobody twice, nobody missed";

  users_.secluded.erase(UserId(110));
  block(UserId(130), kBob, false).value();
  block(UserId(159), kBob).value();
  const Ids next = all(fetch_followers(kBob, kAnn, 10), 10);
  EXPECT_EQ(std::ranges::count(next, 110), 1);
  EXPECT_EQ(std::ranges::count(next, 130), 1);
  EXPECT_EQ(std::ranges::count(next, 159), 0);
}

TEST_P(SocialLists, OfAPrivateAccountAreForItsFollowersOnly) {
  follow(kAnn, kCid).value();
  users_.secluded = {kAnn};
  EXPECT_EQ(listed(following(kAnn, kAnn).value()).ids, (Ids{3}));
  for (const UserId viewer : {UserId(0), kBob}) {
    EXPECT_EQ(token_of(following(viewer, kAnn)), "user_not_found");
    EXPECT_EQ(followers(viewer, kAnn).error().code, Errc::not_found);
  }
  follow(kBob, kAnn).value();
  EXPECT_EQ(token_of(following(kBob, kAnn)), "user_not_found") << "asking is not following";
  answer(kAnn, kBob, true).value();
  EXPECT_EQ(listed(following(kBob, kAnn).value()).ids, (Ids{3}));
  users_.gone = {kDan};
  EXPECT_EQ(token_of(following(kBob, kDan)), "user_not_found");
  EXPECT_EQ(following(UserId(0), UserId(0)).error().code, Errc::unauthenticated);
}

// Of what one instance keeps for itself, or of one moment.
class SocialListsAlone : public SocialLists {};
SV_ONE_WAY(SocialListsAlone);

TEST_P(SocialListsAlone, AWarmPageCostsNoStatementAndAColdOneFew) {
  follow_ann(500);
  start();
  const auto cost = [&](auto&& call) {
    const auto before = db_->statements();
    EXPECT_EQ(listed(call().value()).ids.size(), 20U);
    return db_->statements() - before;
  };
  const auto first = [&] { return followers(kBob, kAnn, 20); };
  EXPECT_LE(cost(first), 4U) << "may Bob see it, the list, what ties him to these, counts";
  EXPECT_EQ(cost(first), 0U);
  const std::string second = first()->next_cursor.value();
  EXPECT_LE(cost([&] { return followers(kBob, kAnn, 20, second); }), 2U);
  EXPECT_EQ(cost([&] { return followers(kBob, kAnn, 20, second); }), 0U);
  std::string deep;
  for (int i = 0; i < 15; ++i) deep = followers(kBob, kAnn, 20, deep)->next_cursor.value();
  EXPECT_EQ(cost([&] { return followers(kBob, kAnn, 20, deep); }), 2U)
      << "beyond what is kept: one range of the index, and counts; Bob's own ties are all known";
}

// More ties than are kept of a person: pairs are asked for instead.
TEST_P(SocialLists, TiesOfACelebrityAreToldLikeAnybodys) {
  follow_ann(600);
  follow(kAnn, UserId(700)).value();
  const auto tie = [&](UserId one, UserId other) {
    return run_task(api().get_social_parts(
                        ctx_, {.user_id = one, .user_ids = {other}, .with_counts = false}))
        .value()
        .parts.at(other);
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(tie(kAnn, UserId(699)).is_followed_by);
    EXPECT_FALSE(tie(kAnn, UserId(699)).is_follow);
    EXPECT_TRUE(tie(kAnn, UserId(700)).is_follow);
    EXPECT_TRUE(tie(UserId(699), kAnn).is_follow);
    EXPECT_FALSE(tie(kAnn, UserId(701)).is_followed_by);
  }
  follow(UserId(701), kAnn).value();
  EXPECT_TRUE(tie(kAnn, UserId(701)).is_followed_by);
  EXPECT_TRUE(tie(UserId(701), kAnn).is_follow);
}

TEST_P(SocialLists, AReadThatFollowsAnAnswerSeesIt) {
  follow_ann(3);
  EXPECT_EQ(listed(followers(kBob, kAnn).value()).ids, (Ids{102, 101, 100}));
  clock_.advance(std::chrono::milliseconds(1));
  follow(kBob, kAnn).value();
  clock_.advance(std::chrono::milliseconds(1));
  follow(kCid, kAnn).value();
  EXPECT_EQ(listed(followers(kBob, kAnn).value()).ids, (Ids{3, 2, 102, 101, 100}));
  const auto mine = following(kBob, kBob).value();
  EXPECT_EQ(mine.users.at(0).follower_count, 5);
  EXPECT_TRUE(mine.users.at(0).is_follow);
  unfollow(UserId(101), kAnn).value();
  EXPECT_EQ(listed(followers(kBob, kAnn).value()), (Listed{{3, 2, 102, 100}, "", 4}));
}

TEST_P(SocialLists, EveryStatementUsesItsIndex) {
  if (testing::test_database_is_postgres()) GTEST_SKIP() << "plans are told in SQLite's words";
  follow_ann(300);
  const auto plan = [&](std::string_view statement, const sql::Params& params) {
    const std::string text = "EXPLAIN QUERY PLAN " + std::string(statement);
    const auto rows = run_task(db_->query(Ctx{}, text, params));
    EXPECT_TRUE(succeeded(rows));
    std::string out;
    for (std::size_t i = 0; rows && i < rows->size(); ++i) out += rows->text(i, 3) + "\n";
    EXPECT_EQ(out.find("TEMP B-TREE"), std::string::npos) << statement << "\n" << out;
    EXPECT_EQ(out.find("SCAN social"), std::string::npos) << statement << "\n" << out;
    return out;
  };
  const std::vector<std::int64_t> some{100, 101, 102};
  const std::string ties = plan(store::kTies, ties_of(UserId(1), some));
  EXPECT_FALSE(ties.contains("(user_id=?)") || ties.contains("(target_id=?)"))
      << "whole pairs are looked up\n"
      << ties;
  EXPECT_TRUE(plan(store::kNewestFrom, {1, 1, 5, 5, 20, 0})
                  .contains("COVERING INDEX social_edges_newest_from"));
  EXPECT_TRUE(plan(store::kNewestTo, {1, 1, 5, 5, 20, 0})
                  .contains("COVERING INDEX social_edges_newest_to"));
  EXPECT_TRUE(plan(store::kFollowingIds, {1, 1, 20, Kind::follow})
                  .contains("(user_id=? AND kind=? AND target_id>?)"));
  EXPECT_TRUE(
      plan(store::kFollowerIds, {1, 1, 20, Kind::follow})
          .contains("COVERING INDEX social_edges_to (target_id=? AND kind=? AND user_id>?)"));
  plan(store::kCounts, {some});
  plan(store::kSomeFrom, {1, 20});
  plan(store::kSomeTo, {1, 20});
}

SV_BOTH_WAYS(SocialLists);

}  // namespace
}  // namespace sv::social
