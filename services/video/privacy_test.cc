#include "services/video/test_world.h"

// What forbids fails closed: silent user and social services, and what is kept of guests.
namespace sv::video {
namespace {

constexpr UserId kGuest{};

class Privacy : public VideoWorld {
 protected:
  Video quick(UserId user, const std::string& title, const std::string& visibility = "public") {
    return published(user, title, {.visibility = visibility, .sha256 = "same"});
  }
  std::vector<std::string> titles(UserId viewer) {
    std::vector<std::string> out;
    for (const auto& v : feed({.user_id = viewer, .page_size = 20}).videos) out.push_back(v.title);
    std::ranges::sort(out);
    return out;
  }
  auto detail(const Video& v, UserId viewer) {
    return run(api().get_video_detail(ctx_, {.video_id = v.id, .current_user_id = viewer}));
  }
  auto media(const Video& v) { return run(api().authorize_media(ctx_, {.path = path_of(v.url)})); }
  Result<> view(const Video& v, UserId viewer, const std::string& key = "guest") {
    return run(api().record_view(
        ctx_, {.video_id = v.id, .viewer_key = key, .watched_ms = 5000, .user_id = viewer}));
  }
  void restart() {
    close();
    open();
  }
  void forget_privacy() {
    ASSERT_TRUE(testing::succeeded(flush_views()));
    ASSERT_TRUE(testing::succeeded(run(
        db_->write(ctx_, [](sql::Tx& tx) { return tx.execute("DELETE FROM video_privacy"); }))));
    restart();
  }
  std::string table(std::string_view sql) {
    const auto rows = run(db_->query(Ctx{}, sql)).value();
    std::string out;
    for (std::size_t i = 0; i < rows.size(); ++i) out += rows.text(i, 0) + "\n";
    return out;
  }
};

SV_BOTH_WAYS(Privacy);

// Of what one instance keeps for itself, or of one moment.
class PrivacyAlone : public Privacy {};
SV_ONE_WAY(PrivacyAlone);

using Titles = std::vector<std::string>;

TEST_P(Privacy, WhoseVideosArePrivateIsNotGuessedWhileNobodyCanTell) {
  const auto open_one = quick(kAnn, "open");
  forget_privacy();
  users_.silent = true;
  EXPECT_FALSE(may_be_kept([&] { EXPECT_EQ(titles(kGuest), Titles{}); }));
  EXPECT_EQ(titles(kBob), Titles{});
  social_.set(social_.follows, kBob, kAnn);
  EXPECT_EQ(titles(kBob), Titles{}) << "followers too";
  for (UserId viewer : {kGuest, kBob}) {
    EXPECT_EQ(detail(open_one, viewer).error().code, Errc::unavailable);
    EXPECT_EQ(detail(open_one, viewer).error().token, "user_unavailable");
    EXPECT_EQ(view(open_one, viewer).error().code, Errc::unavailable);
  }
  EXPECT_EQ(media(open_one).error().code, Errc::unavailable);
  EXPECT_EQ(run(api().get_user_video_list(ctx_, {.user_id = kAnn})).error().code,
            Errc::unavailable);
  EXPECT_EQ(run(api().not_interested(ctx_, {.user_id = kBob, .author_id = kAnn})).error().code,
            Errc::unavailable);
  users_.silent = false;
  EXPECT_TRUE(may_be_kept([&] { EXPECT_EQ(titles(kGuest), Titles{"open"}); }));
  EXPECT_TRUE(may_be_kept([&] { EXPECT_TRUE(media(open_one)->is_public); }));
}

TEST_P(Privacy, AuthorsKeepSeeingTheirOwnAndTheirLinksAreSigned) {
  const auto open_one = quick(kAnn, "open");
  forget_privacy();
  users_.silent = true;
  const auto mine = run(api().list_mine(ctx_, {.user_id = kAnn}));
  ASSERT_TRUE(testing::succeeded(mine));
  ASSERT_EQ(mine->videos.size(), 1u);
  EXPECT_TRUE(mine->videos[0].url->contains("?sig=")) << "not public on suspicion";
  EXPECT_TRUE(testing::succeeded(detail(open_one, kAnn)));
  const auto status =
      run(api().get_video_status(ctx_, {.video_id = open_one.id, .current_user_id = kAnn}));
  ASSERT_TRUE(testing::succeeded(status));
  EXPECT_TRUE(status->renditions.at(0).url.contains("?sig="));
}

TEST_P(Privacy, WhatWasHeardLastOfAnAuthorHoldsAlsoAfterARestart) {
  users_.closed = {kBob};
  const auto open_one = quick(kAnn, "open");
  const auto closed_one = quick(kBob, "closed");
  for (int i = 0; i < 2; ++i) {
    users_.silent = true;
    EXPECT_FALSE(may_be_kept([&] { EXPECT_EQ(titles(kGuest), Titles{"open"}); }));
    EXPECT_FALSE(may_be_kept([&] { EXPECT_TRUE(media(open_one)->is_public); }));
    EXPECT_TRUE(testing::succeeded(detail(open_one, kGuest)));
    EXPECT_FALSE(media(closed_one)->is_public);
    EXPECT_EQ(detail(closed_one, kGuest).error().code, Errc::not_found);
    EXPECT_EQ(view(open_one, kGuest).error().code, Errc::unavailable) << "it may be private by now";
    users_.silent = false;
    restart();
  }
  users_.closed = {kAnn};  // the newest counts
  EXPECT_EQ(titles(kGuest), Titles{"closed"});
  ASSERT_TRUE(testing::succeeded(flush_views()));  // from when on every instance knows
  users_.silent = true;
  EXPECT_EQ(titles(kGuest), Titles{"closed"});
}

TEST_P(PrivacyAlone, LastBlocksHoldElseItIsTheGuestsPageAndNothingIsWritten) {
  users_.closed = {kBob};
  const auto by_ann = quick(kAnn, "ann's");
  const auto by_bob = quick(kBob, "bob's");
  social_.set(social_.blocks, kAnn, kCy);
  social_.set(social_.follows, kCy, kBob);
  EXPECT_EQ(titles(kCy), Titles{"bob's"});
  social_.silent = true;
  EXPECT_FALSE(may_be_kept([&] { EXPECT_EQ(titles(kCy), Titles{}); }))
      << "a block holds, a permission does not";
  EXPECT_EQ(detail(by_ann, kCy).error().code, Errc::not_found);
  EXPECT_EQ(view(by_ann, kCy).error().token, "social_unavailable");
  EXPECT_EQ(view(by_ann, kCy).error().code, Errc::unavailable);
  EXPECT_TRUE(testing::succeeded(view(by_ann, kGuest))) << "nobody blocks a guest";
  EXPECT_EQ(run(api().get_following_feed(ctx_, {.user_id = kCy})).error().code, Errc::unavailable);
  restart();
  EXPECT_EQ(titles(kCy), titles(kGuest));
  EXPECT_EQ(titles(kCy), Titles{"ann's"});
  EXPECT_EQ(detail(by_bob, kCy).error().code, Errc::not_found);
  social_.silent = false;
}

TEST_P(Privacy, AServiceThatLacksTheFeatureForbidsNothing) {
  quick(kAnn, "open");
  forget_privacy();
  user::UserAbsent no_users;
  social::SocialAbsent no_social;
  services_.user = &no_users;
  services_.social = &no_social;
  EXPECT_TRUE(may_be_kept([&] {
    const auto page = feed();
    ASSERT_EQ(page.videos.size(), 1u);
    EXPECT_EQ(page.videos[0].author->id, kAnn);
    EXPECT_EQ(page.videos[0].author->username, "");
    EXPECT_TRUE(testing::succeeded(view(page.videos[0], kBob)));
  }));
  EXPECT_FALSE(metrics_.text().contains(R"(shortvideo_parts_absent_total{part="user"} 1)"));
  services_.user = &users_;
  services_.social = &social_;
}

TEST_P(PrivacyAlone, SilenceIsCounted) {
  quick(kAnn, "open");
  users_.silent = true;
  feed();
  EXPECT_TRUE(metrics_.text().contains(R"(shortvideo_parts_absent_total{part="user"} 1)"));
}

TEST_P(Privacy, TheSaltOfAWindowOutlivesARestartAndNothingElse) {
  const auto salt = [&] { return run(api().get_view_salt(ctx_, {})).value(); };
  const auto first = salt();
  EXPECT_GE(first.salt.size(), 43u);
  EXPECT_GT(first.left_ms, 0);
  EXPECT_LE(first.left_ms, 24 * 3600'000);
  restart();
  EXPECT_EQ(salt().salt, first.salt) << "or a restart would count guests twice";
  clock_.advance(std::chrono::milliseconds(first.left_ms));
  ASSERT_TRUE(testing::succeeded(flush_views()));
  EXPECT_EQ(table("SELECT salt FROM video_view_salts"), "") << "forgotten, though nobody came";
  const auto second = salt();
  EXPECT_NE(second.salt, first.salt);
  EXPECT_EQ(table("SELECT salt FROM video_view_salts"), second.salt + "\n");
  clock_.advance(std::chrono::hours(24));
  restart();
  EXPECT_NE(salt().salt, second.salt);
  ASSERT_TRUE(testing::succeeded(flush_views()));
  EXPECT_FALSE(table("SELECT salt FROM video_view_salts").contains(second.salt));
}

TEST_P(Privacy, AGuestIsTakenByAKeyThatIsNoAddress) {
  const auto video = quick(kAnn, "v");
  EXPECT_EQ(view(video, kGuest, "203.0.113.7\nagent/1").error().token, "viewer_key_invalid");
  EXPECT_TRUE(testing::succeeded(view(video, kGuest, "dGhlIGtleQ-_")));
  EXPECT_TRUE(testing::succeeded(view(video, kGuest, fmt::format("u{}", kBob))));
  EXPECT_TRUE(testing::succeeded(view(video, kBob)));
  ASSERT_TRUE(testing::succeeded(flush_views()));
  EXPECT_EQ(feed().videos.at(0).view_count, 3) << "no guest's key is a user's";
  EXPECT_FALSE(table("SELECT viewer FROM video_views").contains("203.0.113.7"));
}

}  // namespace
}  // namespace sv::video
