#include "services/user/test_world.h"

namespace sv::user {
namespace {

SV_BOTH_WAYS(UserTest);

// Of what one instance keeps for itself, or of one moment.
class UserTestAlone : public UserTest {};
SV_ONE_WAY(UserTestAlone);

TEST_P(UserTest, ARegisteredUserIsSignedInAndCanLogIn) {
  const auto made = sign_up("小明");
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(made->user.username, "小明");
  EXPECT_EQ(made->user.password, "");
  EXPECT_TRUE(made->user.id);
  EXPECT_TRUE(good(made->token));
  EXPECT_EQ(made->expires_in, 24 * 3600);
  const auto again = login("小明");
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->user, made->user);
  EXPECT_NE(again->refresh_token, made->refresh_token);
  EXPECT_NE(as(again->token).session, as(made->token).session);
}

TEST_P(UserTest, AnAccountOutlivesARestart) {
  const auto made = sign_up("alice");
  ASSERT_TRUE(succeeded(made));
  start();
  EXPECT_TRUE(succeeded(login("ALICE")));
  EXPECT_TRUE(good(made->token));
  EXPECT_TRUE(succeeded(refresh(*made->refresh_token)));
}

TEST_P(UserTest, ANameIsTakenInEverySpelling) {
  ASSERT_TRUE(succeeded(sign_up("Alice")));
  for (const char* name : {"Alice", "alice", "ＡＬＩＣＥ"}) {
    const auto second = sign_up(name);
    ASSERT_FALSE(second) << name;
    EXPECT_EQ(second.error().code, Errc::rejected);
    EXPECT_EQ(second.error().token, "username_taken");
    EXPECT_EQ(message_text(second.error(), Lang::zh), "用户名已存在");
  }
}

TEST_P(UserTest, OfConcurrentRegistrationsOfOneNameExactlyOneWins) {
  constexpr int kRivals = 24;
  asio::io_context io;
  std::deque<std::optional<Result<LoginRegisterResp>>> answers(kRivals);
  const RegisterReq req{
      .username = "wanted", .password = "a fine password", .avatar = {}, .about = {}};
  for (auto& answer : answers)
    asio::co_spawn(io, testing::keep(service->register_(guest, req), answer),
                   [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  int won = 0;
  for (const auto& answer : answers) {
    if (*answer) ++won;
    else EXPECT_EQ(answer->error().token, "username_taken");
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_account"))->i64(0, 0), 1);
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_session"))->i64(0, 0), 1)
      << "losers leave nothing behind";
}

TEST_P(UserTest, ARegistrationThatIsSentAgainUnderItsKeySignsInAgain) {
  const auto first = sign_up_keyed("k", "ann");
  ASSERT_TRUE(succeeded(first));
  const auto again = sign_up_keyed("k", "ann");
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->user, first->user);
  EXPECT_TRUE(good(again->token));
  EXPECT_NE(as(again->token).session, as(first->token).session);
  EXPECT_NE(again->refresh_token, first->refresh_token);
  EXPECT_EQ(token_of(sign_up("ann")), "username_taken");
  EXPECT_EQ(token_of(sign_up_keyed("other", "ann")), "username_taken");
}

TEST_P(UserTest, AnotherRegistrationUnderTheSameKeyIsAMismatch) {
  ASSERT_TRUE(succeeded(sign_up_keyed("k", "ann")));
  for (const auto& other :
       {sign_up_keyed("k", "bob"), sign_up_keyed("k", "ann", "a fine password", "hi"),
        sign_up_keyed("k", "ANN"), sign_up_keyed("k", "ann", "another password")}) {
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Errc::unprocessable);
    EXPECT_EQ(other.error().token, "idempotency_mismatch");
  }
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_account"))->i64(0, 0), 1);
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_session"))->i64(0, 0), 1);
}

TEST_P(UserTest, WhatIsKeptOfARegistrationDoesNotTellThePassword) {
  ASSERT_TRUE(succeeded(sign_up_keyed("k1", "ann", "a fine password")));
  const auto hash = [&] {
    return run_task(db->query(Ctx{}, "SELECT hash FROM user_request_keys"))->text(0, 0);
  };
  const std::string one = hash();
  ASSERT_TRUE(succeeded(run_task(service->delete_account(
      guest, {.user_id = login("ann")->user.id, .password = "a fine password"}))));
  ASSERT_TRUE(succeeded(sign_up_keyed("k1", "ann", "another password")));
  EXPECT_EQ(hash(), one);
}

TEST_P(UserTest, OfConcurrentRegistrationsUnderOneKeyAllGetTheSameUser) {
  constexpr int kTwins = 12;
  asio::io_context io;
  std::deque<std::optional<Result<LoginRegisterResp>>> answers(kTwins);
  const RegisterReq req{
      .username = "wanted", .password = "a fine password", .avatar = {}, .about = {}};
  Ctx ctx = guest;
  ctx.idempotency_key = "k";
  for (auto& answer : answers)
    asio::co_spawn(io, testing::keep(service->register_(ctx, req), answer),
                   [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  for (const auto& answer : answers) {
    ASSERT_TRUE(succeeded(*answer));
    EXPECT_EQ((*answer)->user.id, (*answers.front())->user.id);
    EXPECT_TRUE(good((*answer)->token));
  }
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_account"))->i64(0, 0), 1);
}

TEST_P(UserTest, ARegistrationsKeyLastsADayAndGoesWithTheAccount) {
  const auto keys_kept = [&] {
    return run_task(db->query(Ctx{}, "SELECT count(*) FROM user_request_keys"))->i64(0, 0);
  };
  const auto ann = sign_up_keyed("k", "ann");
  ASSERT_TRUE(succeeded(ann));
  clock.advance(std::chrono::hours(23));
  EXPECT_TRUE(succeeded(sign_up_keyed("k", "ann")));
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(token_of(sign_up_keyed("k", "ann")), "username_taken");
  const auto bob = sign_up_keyed("k", "bob");
  ASSERT_TRUE(succeeded(bob));
  EXPECT_EQ(keys_kept(), 1) << "ann's was trimmed";
  ASSERT_TRUE(succeeded(run_task(
      service->delete_account(guest, {.user_id = bob->user.id, .password = "a fine password"}))));
  EXPECT_EQ(keys_kept(), 0);
  const auto next = sign_up_keyed("k", "bob");
  ASSERT_TRUE(succeeded(next));
  EXPECT_NE(next->user.id, bob->user.id);
}

TEST_P(UserTest, BadRegistrationsNameTheField) {
  EXPECT_EQ(token_of(sign_up("")), "username_required");
  EXPECT_EQ(token_of(sign_up(" x")), "username_invalid");
  EXPECT_EQ(token_of(sign_up("x\u202ey")), "username_invalid");
  EXPECT_EQ(token_of(sign_up(std::string(33, 'x'))), "username_too_long");
  EXPECT_EQ(token_of(sign_up("bob", "")), "password_required");
  EXPECT_EQ(token_of(sign_up("bob", "short77")), "password_too_short");
  EXPECT_EQ(token_of(sign_up("bob", std::string(73, 'p'))), "password_too_long");
  EXPECT_EQ(token_of(sign_up("bob", std::string("with\0nul-inside", 15))), "password_invalid");
  EXPECT_EQ(token_of(sign_up("bob", "12345678")), "password_common");
  for (const char* avatar :
       {"javascript:alert(1)", "data:text/html,x", "//elsewhere/x", "http://a b", "x\ny"})
    EXPECT_EQ(
        token_of(run_task(service->register_(
            guest,
            {.username = "bob", .password = "a fine password", .avatar = avatar, .about = {}}))),
        "avatar_invalid")
        << avatar;
  EXPECT_EQ(token_of(run_task(service->register_(guest, {.username = "bob",
                                                         .password = "a fine password",
                                                         .avatar = {},
                                                         .about = std::string(301, 'a')}))),
            "about_too_long");
  EXPECT_EQ(
      token_of(run_task(service->register_(
          guest,
          {.username = "bob", .password = "a fine password", .avatar = {}, .about = "\xff"}))),
      "about_invalid");
  EXPECT_TRUE(events.take().empty());
  EXPECT_TRUE(run_task(service->register_(guest, {.username = "bob",
                                                  .password = "a fine password",
                                                  .avatar = "https://img.example/a.png",
                                                  .about = "hi"})));
}

TEST_P(UserTest, AFailedLoginNeverTellsWhetherTheUserExists) {
  ASSERT_TRUE(succeeded(sign_up("alice")));
  const auto wrong = login("alice", "a wrong password");
  ASSERT_FALSE(wrong);
  for (const auto& other :
       {login("nobody"), login("alice", ""), login("alice", std::string(100, 'x')), login(""),
        login("\u202e"), login("alice", std::string("a fine password\0x", 17))}) {
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Errc::rejected);
    EXPECT_EQ(other.error().token, wrong.error().token);
    EXPECT_EQ(message_text(other.error(), Lang::zh), "用户名或密码错误");
  }
}

TEST_P(UserTest, AnUnknownNameCostsAHashToo) {
  ThreadPool full("bcrypt", 1, 0);  // accepts nothing
  serve(full);
  for (const auto& answer : {login("nobody"), sign_up("bob")}) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::unavailable) << "both went to the pool";
    EXPECT_GT(answer.error().retry_after.count(), 0);
  }
}

TEST_P(UserTest, AProfileUpdateIsSeenByTheNextRead) {
  const auto made = sign_up("alice");
  const auto info = [&] {
    return run_task(
               service->get_user_info(guest, {.user_id = made->user.id, .current_user_id = {}}))
        ->user;
  };
  EXPECT_EQ(info().about, "");
  const auto news = [this] { return revision.value() + other.revision.value(); };
  const auto before = news();
  ASSERT_TRUE(succeeded(run_task(service->update_user(as(made->token), {.user_id = made->user.id,
                                                                        .avatar = "/a.png",
                                                                        .about = "你好",
                                                                        .old_password = {},
                                                                        .new_password = {}}))));
  EXPECT_EQ(info().about, "你好");
  EXPECT_EQ(info().avatar, "/a.png");
  EXPECT_GT(news(), before);
  ASSERT_TRUE(succeeded(run_task(service->update_user(as(made->token), {.user_id = made->user.id,
                                                                        .avatar = {},
                                                                        .about = "",
                                                                        .old_password = {},
                                                                        .new_password = {}}))));
  EXPECT_EQ(info().about, "");
  EXPECT_EQ(info().avatar, "/a.png") << "what is not given stays";
  EXPECT_EQ(token_of(run_task(service->update_user(guest, {.user_id = UserId(1),
                                                           .avatar = {},
                                                           .about = "x",
                                                           .old_password = {},
                                                           .new_password = {}}))),
            "user_not_found");
  const auto sent = events.take();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[2].topic, "user.changed");
  EXPECT_EQ(sent[2].key, std::to_string(made->user.id.value));
  EXPECT_EQ(sent[2].revision, 3);
}

TEST_P(UserTestAlone, ProfilesComeWithCountsAndWarmReadsCostNoQuery) {
  VideoCounts videos;
  services.video = &videos;
  const auto a = sign_up("alice"), b = sign_up("bob");
  videos.calls = 0;
  const BatchUserInfoReq req{.current_user_id = {},
                             .user_ids = {a->user.id, b->user.id, UserId(1), a->user.id}};
  const auto cold = run_task(service->batch_get_user_info(guest, req));
  ASSERT_TRUE(succeeded(cold));
  ASSERT_EQ(cold->users.size(), 2U);
  EXPECT_EQ(cold->users.at(a->user.id).video_count, 3);
  EXPECT_EQ(cold->users.at(a->user.id).like_count, 0);
  EXPECT_EQ(videos.calls, 1) << "one question for all";
  const auto before = db->statements();
  run_task(service->get_user_briefs(guest, {.user_ids = {a->user.id, b->user.id}, .caller_id = {}}))
      .value();
  run_task(service->get_user_info(guest, {.user_id = b->user.id, .current_user_id = {}})).value();
  EXPECT_EQ(db->statements(), before);
  const auto stats = run_task(service->get_user_stats(guest, {a->user.id}));
  ASSERT_TRUE(succeeded(stats));
  EXPECT_EQ(stats->stats.video_count, 3);
  EXPECT_EQ(stats->total_user_count, 2);
}

TEST_P(UserTest, AbsentCountsAreZeroAndUnknownUsersAreNotFound) {
  const auto a = sign_up("alice");
  ASSERT_TRUE(succeeded(a));
  EXPECT_EQ(a->user.video_count, 0);
  EXPECT_EQ(token_of(run_task(
                service->get_user_info(guest, {.user_id = UserId(1), .current_user_id = {}}))),
            "user_not_found");
  EXPECT_EQ(token_of(run_task(service->get_user_stats(guest, {UserId(1)}))), "user_not_found");
  EXPECT_EQ(token_of(run_task(service->get_user_info_by_username(guest, {"nobody"}))),
            "user_not_found");
  EXPECT_EQ(run_task(service->get_user_info_by_username(guest, {"ALICE"}))->user, a->user);
  EXPECT_EQ(token_of(run_task(service->batch_get_user_info(
                guest, {.current_user_id = {}, .user_ids = std::vector<UserId>(201)}))),
            "user_ids_too_long");
}

TEST_P(UserTest, NamesCanBeCheckedBeforehand) {
  ASSERT_TRUE(succeeded(sign_up("alice")));
  EXPECT_FALSE(run_task(service->check_username(guest, {"ALICE"}))->available);
  EXPECT_TRUE(run_task(service->check_username(guest, {"bob"}))->available);
  EXPECT_EQ(token_of(run_task(service->check_username(guest, {" bob"}))), "username_invalid");
  const auto many =
      run_task(service->batch_check_usernames(guest, {{"alice", "Alice", "bob", " bob", ""}}));
  ASSERT_TRUE(succeeded(many));
  EXPECT_EQ(many->available_map,
            (FlatMap<std::string, bool>{
                {"alice", false}, {"Alice", false}, {"bob", true}, {" bob", false}, {"", false}}));
}

TEST_P(UserTest, SearchFindsAnyPartOfANameAndTakesNoWildcards) {
  for (const char* name : {"小明视频", "大小明", "Alice", "malice", "100%", "a_b"})
    ASSERT_TRUE(succeeded(sign_up(name)));
  const auto find = [&](std::string word, int page = 1, int size = 10) {
    std::vector<std::string> names;
    const auto found = run_task(service->search_users(
        guest, {.keyword = std::move(word), .page = page, .page_size = size}));
    if (found)
      for (const User& u : found->users) names.push_back(u.username);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(find("小明"), (Names{"小明视频", "大小明"}));
  EXPECT_EQ(find("ＡＬＩＣＥ"), (Names{"Alice", "malice"})) << "names that begin with it first";
  EXPECT_EQ(find("alice", 2, 1), (Names{"malice"}));
  EXPECT_EQ(find("%"), (Names{"100%"}));
  EXPECT_EQ(find("_"), (Names{"a_b"}));
  EXPECT_EQ(find("\\"), Names{});
  EXPECT_EQ(run_task(service->search_users(guest, {.keyword = "alice", .page = 1, .page_size = 1}))
                ->total,
            2);
  EXPECT_EQ(
      token_of(run_task(service->search_users(guest, {.keyword = "", .page = 1, .page_size = 1}))),
      "keyword_required");
  EXPECT_EQ(token_of(run_task(
                service->search_users(guest, {.keyword = "\xff", .page = 1, .page_size = 1}))),
            "keyword_invalid");
}

TEST_P(UserTest, FollowCountsAreTakenOnlyFromAForeignSocialService) {
  const auto a = sign_up("alice");
  EXPECT_EQ(run_task(service->update_follow_count(guest, {a->user.id, 5})).error().code,
            Errc::forbidden);
  EXPECT_EQ(run_task(service->update_follower_count(guest, {a->user.id, 5})).error().code,
            Errc::forbidden);
  options.foreign_social = true;
  start();
  EXPECT_TRUE(succeeded(run_task(service->update_follow_count(guest, {a->user.id, 5}))));
  EXPECT_TRUE(succeeded(run_task(service->update_follower_count(guest, {a->user.id, 2}))));
  EXPECT_TRUE(succeeded(run_task(service->update_follower_count(guest, {a->user.id, -3}))));
  const User u =
      run_task(service->get_user_info(guest, {.user_id = a->user.id, .current_user_id = {}}))->user;
  EXPECT_EQ(u.follow_count, 5);
  EXPECT_EQ(u.follower_count, 0) << "never below zero";
  EXPECT_EQ(token_of(run_task(service->update_follow_count(guest, {UserId(1), 1}))),
            "user_not_found");
}

TEST_P(UserTest, AProfileIsMadeOfTheOwnersParts) {
  VideoCounts videos;
  LikeCounts likes;
  Ties ties;
  services.video = &videos;
  services.interaction = &likes;
  services.social = &ties;
  const UserId ann = sign_up("ann")->user.id, bob = sign_up("bob")->user.id;
  auto seen = [&](UserId viewer) {
    return run_task(service->get_user_info(guest, {.user_id = ann, .current_user_id = viewer}));
  };
  ASSERT_TRUE(succeeded(seen(bob)));
  EXPECT_EQ(seen(bob)->user.follow_count, 7);
  EXPECT_EQ(seen(bob)->user.follower_count, 8);
  EXPECT_EQ(seen(bob)->user.like_count, 5);
  EXPECT_EQ(seen(bob)->user.video_count, 3);
  EXPECT_TRUE(seen(bob)->user.is_follow);
  EXPECT_FALSE(seen({})->user.is_follow);
  ties.blocker = ann;
  EXPECT_EQ(seen(bob).error().token, "user_not_found");
  EXPECT_TRUE(succeeded(seen(ann)));
  ties.silent = true;
  Ctx asked = guest;
  asked.uncertain = std::make_shared<std::atomic<bool>>(false);
  EXPECT_EQ(
      token_of(run_task(service->get_user_info(asked, {.user_id = ann, .current_user_id = bob}))),
      "user_not_found")
      << "the last block holds";
  EXPECT_TRUE(*asked.uncertain);
  EXPECT_FALSE(seen({})->user.is_follow);
  EXPECT_EQ(seen({})->user.follow_count, 0);
}

TEST_P(UserTest, PrivacyIsKeptAndChangesOnlyWhatIsGiven) {
  const UserId ann = sign_up("ann")->user.id;
  auto privacy = [&] {
    return run_task(service->get_privacy_of(guest, {.user_ids = {ann}}))->privacy.at(ann);
  };
  EXPECT_EQ(privacy(),
            (Privacy{.is_private = false, .message_from = "everyone", .show_likes = true}));
  ASSERT_TRUE(succeeded(run_task(service->update_privacy(
      guest, {.user_id = ann, .is_private = true, .message_from = {}, .show_likes = {}}))));
  ASSERT_TRUE(succeeded(run_task(service->update_privacy(
      guest,
      {.user_id = ann, .is_private = {}, .message_from = "followed", .show_likes = false}))));
  EXPECT_EQ(privacy(),
            (Privacy{.is_private = true, .message_from = "followed", .show_likes = false}));
  EXPECT_EQ(
      run_task(service->update_privacy(
                   guest,
                   {.user_id = ann, .is_private = {}, .message_from = "nobody", .show_likes = {}}))
          .error()
          .field,
      "message_from");
  EXPECT_EQ(
      run_task(service->get_user_briefs(guest, {.user_ids = {ann}, .caller_id = {}}))->private_ids,
      (std::vector<UserId>{ann}));
  start();
  EXPECT_TRUE(privacy().is_private);
}

TEST_P(UserTest, ADeletedAccountIsGoneWithItsSessionsAndItsNameIsFree) {
  const auto ann = *sign_up("ann");
  EXPECT_EQ(run_task(service->delete_account(guest, {.user_id = ann.user.id, .password = "wrong"}))
                .error()
                .token,
            "wrong_old_password");
  ASSERT_TRUE(good(ann.token));
  events.take();
  ASSERT_TRUE(succeeded(run_task(
      service->delete_account(guest, {.user_id = ann.user.id, .password = "a fine password"}))));
  EXPECT_FALSE(good(ann.token));
  EXPECT_FALSE(refresh(*ann.refresh_token));
  EXPECT_EQ(login("ann").error().token, "wrong_credentials");
  EXPECT_EQ(run_task(service->get_user_info(guest, {.user_id = ann.user.id, .current_user_id = {}}))
                .error()
                .token,
            "user_not_found");
  EXPECT_TRUE(
      run_task(service->get_user_briefs(guest, {.user_ids = {ann.user.id}, .caller_id = {}}))
          ->briefs.empty());
  EXPECT_EQ(std::ranges::count(events.take(), "user.deleted", &Event::topic), 1);
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_session WHERE address <> ''"))
                ->i64(0, 0),
            0);
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_refresh"))->i64(0, 0), 0);
  EXPECT_TRUE(succeeded(sign_up("ann")));
}

TEST_P(UserTest, AnAvatarIsDrawnAgainAndEachHasItsOwnPath) {
  options.scratch = folder / "scratch";
  start();
  const UserId ann = sign_up("ann")->user.id;
  auto set = [&](std::string bytes) {
    return run_task(
        service->update_avatar(guest, {.user_id = ann, .avatar_data = std::move(bytes)}));
  };
  auto url = [&] {
    return *run_task(service->get_user_info(guest, {.user_id = ann, .current_user_id = {}}))
                ->user.avatar;
  };
  ASSERT_TRUE(succeeded(set("one")));
  const std::string first = url();
  EXPECT_TRUE(first.starts_with("/media/avatars/" + std::to_string(ann.value) + "/")) << first;
  const std::int64_t rev = std::stoll(first.substr(first.rfind('/') + 1));
  EXPECT_EQ(run_task(service->get_avatar(guest, {.user_id = ann, .rev = rev}))->picture,
            "drawn one");
  EXPECT_EQ(set("text").error().token, "avatar_unsupported");
  EXPECT_EQ(set("broken").error().token, "avatar_unreadable");
  EXPECT_EQ(set("broken").error().field, "avatar");
  EXPECT_EQ(set("broken").error().code, Errc::unprocessable);
  EXPECT_EQ(set("huge").error().token, "avatar_too_many_pixels");
  EXPECT_EQ(set("huge").error().code, Errc::unprocessable);
  EXPECT_EQ(set("").error().field, "avatar");
  EXPECT_EQ(url(), first);
  ASSERT_TRUE(succeeded(set("two")));
  EXPECT_NE(url(), first);
  EXPECT_EQ(run_task(service->get_avatar(guest, {.user_id = ann, .rev = rev})).error().code,
            Errc::not_found);
  EXPECT_TRUE(std::filesystem::is_empty(options.scratch));
}

TEST_P(UserTest, ALoginWhoseTimeIsUpCostsNoHash) {
  sign_up("ann");
  Ctx late = guest;
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const auto refused =
      run_task(service->login(late, {.username = "ann", .password = "a fine password"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::deadline_exceeded);
  EXPECT_TRUE(login("ann"));
}

}  // namespace
}  // namespace sv::user
