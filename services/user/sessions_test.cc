#include "services/user/test_world.h"

namespace sv::user {
namespace {

TEST_P(UserTest, RefreshRotatesAndExtendsTheSession) {
  const auto made = sign_up("alice");
  std::string token = *made->refresh_token;
  for (int day = 0; day < 60; ++day) {
    clock.advance(std::chrono::hours(24));
    const auto turned = refresh(token);
    ASSERT_TRUE(succeeded(turned)) << day;
    EXPECT_NE(turned->refresh_token, token);
    EXPECT_TRUE(good(turned->token));
    EXPECT_EQ(as(turned->token).session,
              std::to_string(run_task(service->list_sessions(as(turned->token), {made->user.id}))
                                 ->sessions.at(0)
                                 .id));
    token = turned->refresh_token;
  }
  EXPECT_LT(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_refresh"))->i64(0, 0), 40)
      << "used tokens are forgotten in time";
}

TEST_P(UserTest, AReusedRefreshTokenEndsTheFamily) {
  const auto made = sign_up("alice");
  const auto other = login("alice");
  const auto turned = refresh(*made->refresh_token);
  ASSERT_TRUE(succeeded(turned));
  EXPECT_TRUE(good(turned->token));
  clock.advance(options.refresh_grace);
  const auto stolen = refresh(*made->refresh_token);
  ASSERT_FALSE(stolen);
  EXPECT_EQ(stolen.error().code, Errc::unauthenticated);
  EXPECT_FALSE(good(made->token));
  EXPECT_FALSE(good(turned->token));
  EXPECT_FALSE(refresh(turned->refresh_token)) << "the newest one is dead as well";
  EXPECT_TRUE(good(other->token)) << "another login is another family";
  start();
  EXPECT_FALSE(good(turned->token)) << "and it stays so";
}

TEST_P(UserTest, ARefreshTokenUsedAgainSoonGivesTheSameSuccessorAlsoAfterARestart) {
  const auto made = sign_up("alice");
  const auto turned = refresh(*made->refresh_token);
  ASSERT_TRUE(succeeded(turned));
  clock.advance(options.refresh_grace - std::chrono::milliseconds(1));
  start();
  const auto again = refresh(*made->refresh_token);
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->refresh_token, turned->refresh_token);
  EXPECT_TRUE(good(again->token));
  EXPECT_TRUE(succeeded(refresh(turned->refresh_token)));
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(token_of(refresh(*made->refresh_token)), "invalid_token") << "it does not slide";
  EXPECT_FALSE(good(turned->token));
}

TEST_P(UserTest, TwoInstancesGiveTheSameSuccessor) {
  const auto made = sign_up("alice");
  auth::RevokedSessions others_revoked(clock);
  const auto other = make_user_service({*db, clock, ids, keys, others_revoked, pool, events,
                                        revision, services, metrics, disk, &media},
                                       options);
  const auto one = refresh(*made->refresh_token);
  const auto two = run_task(other->refresh(guest, {.refresh_token = *made->refresh_token}));
  ASSERT_TRUE(succeeded(one));
  ASSERT_TRUE(succeeded(two));
  EXPECT_EQ(one->refresh_token, two->refresh_token);
}

TEST_P(UserTest, WithoutGraceASecondUseEndsTheFamilyAtOnce) {
  options.refresh_grace = {};
  start();
  const auto made = sign_up("alice");
  ASSERT_TRUE(succeeded(refresh(*made->refresh_token)));
  EXPECT_EQ(token_of(refresh(*made->refresh_token)), "invalid_token");
  EXPECT_FALSE(good(made->token));
}

TEST_P(UserTest, NoTableHoldsARefreshToken) {
  const auto made = sign_up("alice");
  const auto turned = refresh(*made->refresh_token);
  ASSERT_TRUE(succeeded(turned));
  const auto rows = run_task(db->query(Ctx{}, "SELECT token_hash, salt FROM user_refresh"));
  ASSERT_TRUE(succeeded(rows));
  ASSERT_EQ(rows->size(), 2U);
  for (std::size_t i = 0; i < rows->size(); ++i)
    for (const std::size_t column : {0U, 1U})
      for (const std::string& token : {*made->refresh_token, turned->refresh_token})
        EXPECT_EQ(rows->text(i, column).find(token), std::string::npos);
}

TEST_P(UserTest, ConcurrentRefreshesWithOneTokenGetTheSameSuccessor) {
  const auto made = sign_up("alice");
  asio::io_context io;
  std::deque<std::optional<Result<RefreshResp>>> answers(8);
  const RefreshReq req{.refresh_token = *made->refresh_token};
  for (auto& answer : answers)
    asio::co_spawn(io, testing::keep(service->refresh(guest, req), answer),
                   [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  for (const auto& answer : answers) {
    ASSERT_TRUE(succeeded(*answer));
    EXPECT_EQ((*answer)->refresh_token, (*answers.front())->refresh_token);
    EXPECT_TRUE(good((*answer)->token));
  }
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_refresh"))->i64(0, 0), 2);
}

TEST_P(UserTest, RefreshTokensThatAreNotOursOrTooOldAreRefused) {
  const auto made = sign_up("alice");
  for (const std::string& bad : {std::string(), std::string("x"), made->token,
                                 *made->refresh_token + "A", std::string(1000, 'a')})
    EXPECT_EQ(token_of(refresh(bad)), "invalid_token");
  clock.advance(options.refresh_ttl);
  EXPECT_EQ(token_of(refresh(*made->refresh_token)), "invalid_token");
}

TEST_P(UserTest, LogoutBitesAtTheNextRequestAndOnlyThere) {
  const auto one = sign_up("alice");
  const auto two = login("alice");
  ASSERT_TRUE(succeeded(run_task(service->logout(as(one->token), {one->user.id}))));
  EXPECT_FALSE(good(one->token));
  EXPECT_EQ(token_of(run_task(service->check_session(guest, {one->token}))), "invalid_token");
  EXPECT_EQ(token_of(refresh(*one->refresh_token)), "invalid_token");
  EXPECT_TRUE(good(two->token));
  ASSERT_TRUE(succeeded(run_task(service->logout(as(one->token), {one->user.id}))))
      << "twice is fine";
  start();
  EXPECT_FALSE(good(one->token));
  EXPECT_TRUE(good(two->token));
}

TEST_P(UserTest, SessionsAreListedAndRemovedByTheirOwnerOnly) {
  const auto one = sign_up("alice");
  clock.advance(std::chrono::seconds(5));
  guest.user_agent = "phone\n\xff";
  const auto two = login("alice");
  const std::int64_t made = clock.now_ms() / 1000;
  const auto eve = sign_up("eve");
  const auto list = run_task(service->list_sessions(as(one->token), {one->user.id}));
  ASSERT_TRUE(succeeded(list));
  ASSERT_EQ(list->sessions.size(), 2U);
  EXPECT_FALSE(list->sessions[0].current);
  EXPECT_EQ(list->sessions[0].user_agent, "phone??");
  EXPECT_EQ(list->sessions[0].address, "192.0.2.7");
  EXPECT_EQ(list->sessions[0].create_time, made);
  EXPECT_TRUE(list->sessions[1].current);
  const std::int64_t id = list->sessions[0].id;
  EXPECT_EQ(token_of(run_task(service->remove_session(as(eve->token), {eve->user.id, id}))),
            "session_not_found");
  EXPECT_TRUE(good(two->token));
  EXPECT_TRUE(succeeded(run_task(service->remove_session(as(one->token), {one->user.id, id}))));
  EXPECT_FALSE(good(two->token));
  EXPECT_EQ(run_task(service->list_sessions(as(one->token), {one->user.id}))->sessions.size(), 1U);
  EXPECT_EQ(token_of(run_task(service->remove_session(as(one->token), {one->user.id, id}))),
            "session_not_found");
}

TEST_P(UserTest, EndedSessionsAreForgottenWhenTheirTokensHaveExpired) {
  const auto made = sign_up("alice");
  ASSERT_TRUE(succeeded(run_task(service->logout(as(made->token), {made->user.id}))));
  clock.advance(options.access_ttl + std::chrono::seconds(2));
  ASSERT_TRUE(succeeded(login("alice")));
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_session"))->i64(0, 0), 1);
  EXPECT_EQ(run_task(db->query(Ctx{}, "SELECT count(*) FROM user_refresh"))->i64(0, 0), 1);
}

TEST_P(UserTest, APasswordChangeNeedsTheOldOneAndEndsOtherSessions) {
  const auto one = sign_up("alice");
  const auto two = login("alice");
  const auto change = [&](std::optional<std::string> from, std::string to) {
    return token_of(
        run_task(service->update_user(as(one->token), {.user_id = one->user.id,
                                                       .avatar = {},
                                                       .about = {},
                                                       .old_password = std::move(from),
                                                       .new_password = std::move(to)})));
  };
  EXPECT_EQ(change(std::nullopt, "another password"), "old_password_required");
  EXPECT_EQ(change("not the old one", "another password"), "wrong_old_password");
  EXPECT_EQ(change("a fine password", "short"), "new_password_too_short");
  EXPECT_EQ(change("a fine password", "password1"), "password_common");
  EXPECT_TRUE(good(two->token));
  EXPECT_EQ(change("a fine password", "another password"), "");
  EXPECT_TRUE(good(one->token));
  EXPECT_FALSE(good(two->token));
  EXPECT_EQ(token_of(refresh(*two->refresh_token)), "invalid_token");
  EXPECT_EQ(token_of(login("alice")), "wrong_credentials");
  EXPECT_TRUE(succeeded(login("alice", "another password")));
}

TEST_P(UserTest, TheCommandLineCreatesUsersAndSetsPasswords) {
  const auto id = run_task(create_user(admin(), "root user", "a fine password"));
  ASSERT_TRUE(succeeded(id));
  EXPECT_EQ(token_of(run_task(create_user(admin(), "ROOT USER", "a fine password"))),
            "username_taken");
  EXPECT_EQ(token_of(run_task(create_user(admin(), "other", "short"))), "password_too_short");
  const auto signed_in = login("root user");
  ASSERT_TRUE(succeeded(signed_in));
  EXPECT_FALSE(run_task(service->check_session(guest, {signed_in->token}))->moderator);
  events.take();
  // A server in another process hears of both from the log.
  ASSERT_TRUE(succeeded(run_task(grant_admin(admin(), "root user"))));
  ASSERT_TRUE(succeeded(events.deliver(events.take())));
  EXPECT_TRUE(run_task(service->check_session(guest, {signed_in->token}))->moderator);
  ASSERT_TRUE(succeeded(run_task(set_password(admin(), "root user", "another password"))));
  EXPECT_TRUE(good(signed_in->token));
  const auto sent = events.take();
  ASSERT_TRUE(succeeded(events.deliver(sent)));
  ASSERT_TRUE(succeeded(events.deliver(sent))) << "at least once";
  EXPECT_FALSE(good(signed_in->token));
  EXPECT_TRUE(succeeded(login("root user", "another password")));
  EXPECT_EQ(token_of(run_task(set_password(admin(), "nobody", "another password"))),
            "user_not_found");
  EXPECT_EQ(token_of(run_task(grant_admin(admin(), "nobody"))), "user_not_found");
}

TEST_P(UserTest, ABadTokenIsNoSession) {
  const auto made = sign_up("alice");
  const auto session = run_task(service->check_session(guest, {made->token}));
  ASSERT_TRUE(succeeded(session));
  EXPECT_EQ(session->user_id, made->user.id);
  EXPECT_EQ(session->session, as(made->token).session);
  for (const std::string& bad : {std::string(), made->token + "x", *made->refresh_token}) {
    EXPECT_FALSE(good(bad));
    EXPECT_EQ(token_of(run_task(service->check_session(guest, {bad}))), "invalid_token");
  }
  clock.advance(options.access_ttl);
  EXPECT_FALSE(good(made->token));
  EXPECT_EQ(
      token_of(run_task(service->check_session(
          guest, {auth::TokenSigner(keys, clock).sign(UserId(1), "5", std::chrono::hours(1))}))),
      "invalid_token")
      << "of a user that does not exist";
}

}  // namespace
}  // namespace sv::user
