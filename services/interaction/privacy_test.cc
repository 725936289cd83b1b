#include "services/interaction/test_world.h"

// What forbids fails closed: silent user, social and video services.
namespace sv::interaction {
namespace {

class Privacy : public InteractionTest {
 protected:
  // Every write on Ann's film and below it, by Bob.
  std::vector<Errc> writes(CommentId below) {
    std::vector<Errc> out;
    const auto add = [&](const auto& result) {
      out.push_back(result ? Errc::rejected : result.error().code);
    };
    add(like(kBob, kFilm));
    add(star(kBob, kFilm));
    add(share(kBob, kFilm));
    add(try_comment(kBob, kFilm, "x"));
    add(try_comment(kBob, kFilm, "x", below));
    add(like_comment(kBob, below));
    add(run_task(
        api().report(ctx_, {.user_id = kBob, .kind = "video", .id = kFilm.value, .reason = "r"})));
    add(run_task(api().report(
        ctx_, {.user_id = kBob, .kind = "comment", .id = below.value, .reason = "r"})));
    return out;
  }
  bool certain() { return !*std::exchange(ctx_.uncertain, nullptr); }
  void watch() { ctx_.uncertain = std::make_shared<std::atomic<bool>>(false); }
};

SV_BOTH_WAYS(Privacy);

// Of what one instance keeps for itself, or of one moment.
class PrivacyAlone : public Privacy {};
SV_ONE_WAY(PrivacyAlone);

TEST_P(Privacy, NothingIsWrittenThatABlockOrPrivacyCouldForbid) {
  const CommentId below = comment(kCid, kFilm, "by cid").id;
  const std::vector<Errc> refused(8, Errc::unavailable);
  users_.silent = true;
  EXPECT_EQ(writes(below), refused);
  users_.silent = false;
  social_.silent = true;
  EXPECT_EQ(writes(below), refused);
  social_.silent = false;
  videos_.silent = true;
  EXPECT_EQ(writes(below), refused);
  videos_.silent = false;
  EXPECT_EQ(counts(kFilm), (CountResp{.comment_count = 1}));
  EXPECT_EQ(writes(below), std::vector<Errc>(8, Errc::rejected)) << "all done";
}

TEST_P(Privacy, WhatOneDidOneMayUndoWhoeverIsSilent) {
  ASSERT_TRUE(succeeded(like(kBob, kFilm)));
  const CommentId own = comment(kBob, kFilm, "mine").id;
  users_.silent = social_.silent = videos_.silent = true;
  EXPECT_TRUE(succeeded(like(kBob, kFilm, false)));
  EXPECT_EQ(like(kBob, kFilm, false).error().code, Errc::unavailable);
  EXPECT_TRUE(succeeded(remove_comment(kBob, own)));
  users_.silent = social_.silent = videos_.silent = false;
  EXPECT_EQ(counts(kFilm), CountResp{});
}

TEST_P(Privacy, APersonIsReportedWhoeverIsSilent) {
  users_.silent = social_.silent = true;
  EXPECT_TRUE(succeeded(run_task(
      api().report(ctx_, {.user_id = kBob, .kind = "user", .id = kAnn.value, .reason = "r"}))));
}

TEST_P(Privacy, CommentsOfAVideoWhoseAuthorMayBePrivateAreNotShown) {
  comment(kCid, kFilm, "by cid");
  watch();
  users_.silent = true;
  const auto list =
      run_task(api().get_comment_list(ctx_, {.video_id = kFilm, .current_user_id = kBob}));
  EXPECT_EQ(list.error().code, Errc::unavailable);
  EXPECT_EQ(run_task(api().get_count(ctx_, {.video_id = kFilm})).error().code, Errc::unavailable);
  EXPECT_FALSE(certain());
  EXPECT_EQ(contents(comments({.current_user_id = kAnn}).comments),
            std::vector<std::string>{"by cid"})
      << "below their own video authors see everyone";
}

TEST_P(PrivacyAlone, TheLastBlocksHoldInComments) {
  comment(kCid, kFilm, "by cid");
  comment(kDan, kFilm, "by dan");
  social_.blocks = {{kCid, kBob}};
  const auto seen = [&] { return contents(comments({.current_user_id = kBob}).comments); };
  EXPECT_EQ(seen(), std::vector<std::string>{"by dan"});
  social_.silent = true;
  watch();
  EXPECT_EQ(seen(), std::vector<std::string>{"by dan"});
  EXPECT_FALSE(certain());
  open();
  EXPECT_EQ(seen(), (std::vector<std::string>{"by dan", "by cid"})) << "the guest's page";
}

TEST_P(Privacy, LikesAreNotShownWhileNobodyKnowsWhetherTheyMayBe) {
  ASSERT_TRUE(succeeded(like(kBob, kFilm)));
  users_.show_likes = {kBob};
  const auto liked = [&] {
    return run_task(api().get_like_video_list(ctx_, {.user_id = kBob, .current_user_id = kCid}));
  };
  EXPECT_TRUE(succeeded(liked()));
  users_.privacy_silent = true;
  EXPECT_EQ(liked().error().code, Errc::unavailable);
  EXPECT_TRUE(succeeded(
      run_task(api().get_like_video_list(ctx_, {.user_id = kBob, .current_user_id = kBob}))))
      << "to oneself always";
  user::UserAbsent no_users;
  services_.user = &no_users;
  EXPECT_TRUE(succeeded(liked())) << "who lacks the setting hides nothing";
  services_.user = &users_;
}

TEST_P(Privacy, WhoLacksBlocksAndPrivacyForbidsNothing) {
  const CommentId below = comment(kCid, kFilm, "by cid").id;
  user::UserAbsent no_users;
  social::SocialAbsent no_social;
  services_.user = &no_users;
  services_.social = &no_social;
  watch();
  EXPECT_EQ(writes(below), std::vector<Errc>(8, Errc::rejected));
  EXPECT_TRUE(certain());
  services_.user = &users_;
  services_.social = &social_;
}

}  // namespace
}  // namespace sv::interaction
