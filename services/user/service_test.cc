#include "services/user/service.h"

#include <deque>

#include <gtest/gtest.h>

#include "platform/adapters/sqlite.h"
#include "platform/auth/token.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"
#include "services/user/admin.h"
#include "services/user/migrations.h"

namespace sv::user {
namespace {

using testing::run_task;
using testing::succeeded;

class CountingIds final : public IdSource {
 public:
  std::int64_t next() override { return ++last_; }

 private:
  std::atomic<std::int64_t> last_{1000};
};

// Keeps what was committed, and hands it to the subscriber when told to, as the log of another process would.
class RecordingEvents final : public EventBus {
 public:
  Result<> publish(sql::Tx& tx, Event event) override {
    tx.on_commit([this, event = std::move(event)] {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    });
    return {};
  }
  void subscribe(std::string, std::vector<std::string>, Consumer consumer) override { consumer_ = std::move(consumer); }
  void start() override {}
  void stop() override {}

  std::vector<Event> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }
  Result<> deliver(const std::vector<Event>& events) { return run_task(consumer_(events)); }

 private:
  std::mutex mutex_;
  std::vector<Event> events_;
  Consumer consumer_;
};

class VideoCounts final : public video::VideoAbsent {
 public:
  Task<Result<video::UserVideoPartsResp>> get_user_video_parts(const Ctx&, const video::UserVideoPartsReq& req) override {
    ++calls;
    video::UserVideoPartsResp out;
    for (UserId id : req.user_ids) out.parts[id].video_count = 3;
    co_return out;
  }
  int calls = 0;
};

struct UserTest : ::testing::Test {
  void SetUp() override { start(); }

  void start() {
    service.reset();
    revoked = std::make_unique<auth::RevokedSessions>(clock);
    db.reset();
    auto opened = open_sqlite({.path = folder / "user.db"});
    ASSERT_TRUE(succeeded(opened));
    db = std::move(*opened);
    ASSERT_TRUE(succeeded(migrate_sqlite(*db, migrations(), "user")));
    ASSERT_TRUE(succeeded(run_task(load_revoked_sessions(*db, *revoked))));
    service = make_user_service({*db, clock, ids, keys, *revoked, pool, events, revision, services}, options);
  }

  Result<LoginRegisterResp> sign_up(std::string name, std::string password = "a fine password") {
    return run_task(service->register_(guest, {.username = std::move(name), .password = std::move(password), .avatar = {}, .about = {}}));
  }
  Result<LoginRegisterResp> login(std::string name, std::string password = "a fine password") {
    return run_task(service->login(guest, {.username = std::move(name), .password = std::move(password)}));
  }
  Result<RefreshResp> refresh(std::string token) { return run_task(service->refresh(guest, {.refresh_token = std::move(token)})); }
  bool good(const std::string& token) { return run_task(service->verify_token(guest, token)).value(); }

  // The call of someone who holds `token`.
  Ctx as(const std::string& token) {
    const auto claims = auth::TokenSigner(keys, clock).verify(token).value();
    Ctx ctx = guest;
    ctx.caller = claims.user;
    ctx.session = claims.session;
    return ctx;
  }
  AdminDeps admin() { return {*db, clock, ids, events, options.access_ttl, options.bcrypt_cost}; }

  testing::TempDir folder;
  testing::ManualClock clock;
  CountingIds ids;
  auth::KeyRing keys{{{"k1", std::string(32, 's')}}};
  RecordingEvents events;
  ContentRevision revision;
  Services services;
  ThreadPool pool{"bcrypt", 2, 64};
  UserOptions options{.bcrypt_cost = 4};
  std::unique_ptr<auth::RevokedSessions> revoked;
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<UserApi> service;
  Ctx guest = make_guest();

  static Ctx make_guest() {
    Ctx ctx;
    ctx.address = "192.0.2.7";
    ctx.user_agent = "test/1";
    return ctx;
  }
};

std::string token_of(const auto& result) { return result ? std::string() : result.error().token; }

TEST_F(UserTest, ARegisteredUserIsSignedInAndCanLogIn) {
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

TEST_F(UserTest, AnAccountOutlivesARestart) {
  const auto made = sign_up("alice");
  ASSERT_TRUE(succeeded(made));
  start();
  EXPECT_TRUE(succeeded(login("ALICE")));
  EXPECT_TRUE(good(made->token));
  EXPECT_TRUE(succeeded(refresh(*made->refresh_token)));
}

TEST_F(UserTest, ANameIsTakenInEverySpelling) {
  ASSERT_TRUE(succeeded(sign_up("Alice")));
  for (const char* name : {"Alice", "alice", "ＡＬＩＣＥ"}) {
    const auto second = sign_up(name);
    ASSERT_FALSE(second) << name;
    EXPECT_EQ(second.error().code, Errc::rejected);
    EXPECT_EQ(second.error().token, "username_taken");
    EXPECT_EQ(message_text(second.error(), Lang::zh), "用户名已存在");
  }
}

TEST_F(UserTest, OfConcurrentRegistrationsOfOneNameExactlyOneWins) {
  constexpr int kRivals = 24;
  asio::io_context io;
  std::deque<std::optional<Result<LoginRegisterResp>>> answers(kRivals);
  const RegisterReq req{.username = "wanted", .password = "a fine password", .avatar = {}, .about = {}};
  for (auto& answer : answers)
    asio::co_spawn(io, testing::keep(service->register_(guest, req), answer), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  int won = 0;
  for (const auto& answer : answers) {
    if (*answer) ++won;
    else EXPECT_EQ(answer->error().token, "username_taken");
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(run_task(db->query("SELECT count(*) FROM user_account"))->i64(0, 0), 1);
  EXPECT_EQ(run_task(db->query("SELECT count(*) FROM user_session"))->i64(0, 0), 1) << "losers leave nothing behind";
}

TEST_F(UserTest, BadRegistrationsNameTheField) {
  EXPECT_EQ(token_of(sign_up("")), "username_required");
  EXPECT_EQ(token_of(sign_up(" x")), "username_invalid");
  EXPECT_EQ(token_of(sign_up("x\u202ey")), "username_invalid");
  EXPECT_EQ(token_of(sign_up(std::string(33, 'x'))), "username_too_long");
  EXPECT_EQ(token_of(sign_up("bob", "")), "password_required");
  EXPECT_EQ(token_of(sign_up("bob", "short77")), "password_too_short");
  EXPECT_EQ(token_of(sign_up("bob", std::string(73, 'p'))), "password_too_long");
  EXPECT_EQ(token_of(sign_up("bob", std::string("with\0nul-inside", 15))), "password_invalid");
  EXPECT_EQ(token_of(sign_up("bob", "12345678")), "password_common");
  for (const char* avatar : {"javascript:alert(1)", "data:text/html,x", "//elsewhere/x", "http://a b", "x\ny"})
    EXPECT_EQ(token_of(run_task(service->register_(guest, {.username = "bob", .password = "a fine password", .avatar = avatar, .about = {}}))), "avatar_invalid")
        << avatar;
  EXPECT_EQ(token_of(run_task(service->register_(guest, {.username = "bob", .password = "a fine password", .avatar = {}, .about = std::string(301, 'a')}))), "about_too_long");
  EXPECT_EQ(token_of(run_task(service->register_(guest, {.username = "bob", .password = "a fine password", .avatar = {}, .about = "\xff"}))), "about_invalid");
  EXPECT_TRUE(events.take().empty());
  EXPECT_TRUE(run_task(service->register_(guest, {.username = "bob", .password = "a fine password", .avatar = "https://img.example/a.png", .about = "hi"})));
}

TEST_F(UserTest, AFailedLoginNeverTellsWhetherTheUserExists) {
  ASSERT_TRUE(succeeded(sign_up("alice")));
  const auto wrong = login("alice", "a wrong password");
  ASSERT_FALSE(wrong);
  for (const auto& other : {login("nobody"), login("alice", ""), login("alice", std::string(100, 'x')), login(""), login("\u202e"), login("alice", std::string("a fine password\0x", 17))}) {
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Errc::rejected);
    EXPECT_EQ(other.error().token, wrong.error().token);
    EXPECT_EQ(message_text(other.error(), Lang::zh), "用户名或密码错误");
  }
}

TEST_F(UserTest, AnUnknownNameCostsAHashToo) {
  ThreadPool full("bcrypt", 1, 0);  // accepts nothing
  service = make_user_service({*db, clock, ids, keys, *revoked, full, events, revision, services}, options);
  for (const auto& answer : {login("nobody"), sign_up("bob")}) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::unavailable) << "both went to the pool";
    EXPECT_GT(answer.error().retry_after.count(), 0);
  }
}

TEST_F(UserTest, RefreshRotatesAndExtendsTheSession) {
  const auto made = sign_up("alice");
  std::string token = *made->refresh_token;
  for (int day = 0; day < 60; ++day) {
    clock.advance(std::chrono::hours(24));
    const auto turned = refresh(token);
    ASSERT_TRUE(succeeded(turned)) << day;
    EXPECT_NE(turned->refresh_token, token);
    EXPECT_TRUE(good(turned->token));
    EXPECT_EQ(as(turned->token).session, std::to_string(run_task(service->list_sessions(as(turned->token), {made->user.id}))->sessions.at(0).id));
    token = turned->refresh_token;
  }
  EXPECT_LT(run_task(db->query("SELECT count(*) FROM user_refresh"))->i64(0, 0), 40) << "used tokens are forgotten in time";
}

TEST_F(UserTest, AReusedRefreshTokenEndsTheFamily) {
  const auto made = sign_up("alice");
  const auto other = login("alice");
  const auto turned = refresh(*made->refresh_token);
  ASSERT_TRUE(succeeded(turned));
  EXPECT_TRUE(good(turned->token));
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

TEST_F(UserTest, OfConcurrentRefreshesWithOneTokenAtMostOneIsAnswered) {
  const auto made = sign_up("alice");
  asio::io_context io;
  std::deque<std::optional<Result<RefreshResp>>> answers(8);
  const RefreshReq req{.refresh_token = *made->refresh_token};
  for (auto& answer : answers)
    asio::co_spawn(io, testing::keep(service->refresh(guest, req), answer), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  EXPECT_EQ(std::ranges::count_if(answers, [](const auto& a) { return a->has_value(); }), 1);
  EXPECT_FALSE(good(made->token));
}

TEST_F(UserTest, RefreshTokensThatAreNotOursOrTooOldAreRefused) {
  const auto made = sign_up("alice");
  for (const std::string& bad : {std::string(), std::string("x"), made->token, *made->refresh_token + "A", std::string(1000, 'a')})
    EXPECT_EQ(token_of(refresh(bad)), "invalid_token");
  clock.advance(options.refresh_ttl);
  EXPECT_EQ(token_of(refresh(*made->refresh_token)), "invalid_token");
}

TEST_F(UserTest, LogoutBitesAtTheNextRequestAndOnlyThere) {
  const auto one = sign_up("alice");
  const auto two = login("alice");
  ASSERT_TRUE(succeeded(run_task(service->logout(as(one->token), {one->user.id}))));
  EXPECT_FALSE(good(one->token));
  EXPECT_EQ(token_of(run_task(service->check_session(guest, {one->token}))), "invalid_token");
  EXPECT_EQ(token_of(refresh(*one->refresh_token)), "invalid_token");
  EXPECT_TRUE(good(two->token));
  ASSERT_TRUE(succeeded(run_task(service->logout(as(one->token), {one->user.id})))) << "twice is fine";
  start();
  EXPECT_FALSE(good(one->token));
  EXPECT_TRUE(good(two->token));
}

TEST_F(UserTest, SessionsAreListedAndRemovedByTheirOwnerOnly) {
  const auto one = sign_up("alice");
  clock.advance(std::chrono::seconds(5));
  guest.user_agent = "phone\n\xff";
  const auto two = login("alice");
  const auto eve = sign_up("eve");
  const auto list = run_task(service->list_sessions(as(one->token), {one->user.id}));
  ASSERT_TRUE(succeeded(list));
  ASSERT_EQ(list->sessions.size(), 2U);
  EXPECT_FALSE(list->sessions[0].current);
  EXPECT_EQ(list->sessions[0].user_agent, "phone??");
  EXPECT_EQ(list->sessions[0].address, "192.0.2.7");
  EXPECT_EQ(list->sessions[0].create_time, clock.now_ms() / 1000);
  EXPECT_TRUE(list->sessions[1].current);
  const std::int64_t id = list->sessions[0].id;
  EXPECT_EQ(token_of(run_task(service->remove_session(as(eve->token), {eve->user.id, id}))), "session_not_found");
  EXPECT_TRUE(good(two->token));
  EXPECT_TRUE(succeeded(run_task(service->remove_session(as(one->token), {one->user.id, id}))));
  EXPECT_FALSE(good(two->token));
  EXPECT_EQ(run_task(service->list_sessions(as(one->token), {one->user.id}))->sessions.size(), 1U);
  EXPECT_EQ(token_of(run_task(service->remove_session(as(one->token), {one->user.id, id}))), "session_not_found");
}

TEST_F(UserTest, EndedSessionsAreForgottenWhenTheirTokensHaveExpired) {
  const auto made = sign_up("alice");
  ASSERT_TRUE(succeeded(run_task(service->logout(as(made->token), {made->user.id}))));
  clock.advance(options.access_ttl + std::chrono::seconds(2));
  ASSERT_TRUE(succeeded(login("alice")));
  EXPECT_EQ(run_task(db->query("SELECT count(*) FROM user_session"))->i64(0, 0), 1);
  EXPECT_EQ(run_task(db->query("SELECT count(*) FROM user_refresh"))->i64(0, 0), 1);
}

TEST_F(UserTest, APasswordChangeNeedsTheOldOneAndEndsOtherSessions) {
  const auto one = sign_up("alice");
  const auto two = login("alice");
  const auto change = [&](std::optional<std::string> from, std::string to) {
    return token_of(run_task(service->update_user(as(one->token), {.user_id = one->user.id, .avatar = {}, .about = {}, .old_password = std::move(from), .new_password = std::move(to)})));
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

TEST_F(UserTest, AProfileUpdateIsSeenByTheNextRead) {
  const auto made = sign_up("alice");
  const auto info = [&] { return run_task(service->get_user_info(guest, {.user_id = made->user.id, .current_user_id = {}}))->user; };
  EXPECT_EQ(info().about, "");
  const auto before = revision.value();
  ASSERT_TRUE(succeeded(run_task(service->update_user(as(made->token), {.user_id = made->user.id, .avatar = "/a.png", .about = "你好", .old_password = {}, .new_password = {}}))));
  EXPECT_EQ(info().about, "你好");
  EXPECT_EQ(info().avatar, "/a.png");
  EXPECT_GT(revision.value(), before);
  ASSERT_TRUE(succeeded(run_task(service->update_user(as(made->token), {.user_id = made->user.id, .avatar = {}, .about = "", .old_password = {}, .new_password = {}}))));
  EXPECT_EQ(info().about, "");
  EXPECT_EQ(info().avatar, "/a.png") << "what is not given stays";
  EXPECT_EQ(token_of(run_task(service->update_user(guest, {.user_id = UserId(1), .avatar = {}, .about = "x", .old_password = {}, .new_password = {}}))), "user_not_found");
  const auto sent = events.take();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[2].topic, "user.changed");
  EXPECT_EQ(sent[2].key, std::to_string(made->user.id.value));
  EXPECT_EQ(sent[2].revision, 3);
}

TEST_F(UserTest, ProfilesComeWithCountsAndWarmReadsCostNoQuery) {
  VideoCounts videos;
  services.video = &videos;
  const auto a = sign_up("alice"), b = sign_up("bob");
  videos.calls = 0;
  const BatchUserInfoReq req{.current_user_id = {}, .user_ids = {a->user.id, b->user.id, UserId(1), a->user.id}};
  const auto cold = run_task(service->batch_get_user_info(guest, req));
  ASSERT_TRUE(succeeded(cold));
  ASSERT_EQ(cold->users.size(), 2U);
  EXPECT_EQ(cold->users.at(a->user.id).video_count, 3);
  EXPECT_EQ(cold->users.at(a->user.id).like_count, 0);
  EXPECT_EQ(videos.calls, 1) << "one question for all";
  const auto before = db->statements();
  run_task(service->get_user_briefs(guest, {.user_ids = {a->user.id, b->user.id}, .caller_id = {}})).value();
  run_task(service->get_user_info(guest, {.user_id = b->user.id, .current_user_id = {}})).value();
  EXPECT_EQ(db->statements(), before);
  const auto stats = run_task(service->get_user_stats(guest, {a->user.id}));
  ASSERT_TRUE(succeeded(stats));
  EXPECT_EQ(stats->stats.video_count, 3);
  EXPECT_EQ(stats->total_user_count, 2);
}

TEST_F(UserTest, AbsentCountsAreZeroAndUnknownUsersAreNotFound) {
  const auto a = sign_up("alice");
  ASSERT_TRUE(succeeded(a));
  EXPECT_EQ(a->user.video_count, 0);
  EXPECT_EQ(token_of(run_task(service->get_user_info(guest, {.user_id = UserId(1), .current_user_id = {}}))), "user_not_found");
  EXPECT_EQ(token_of(run_task(service->get_user_stats(guest, {UserId(1)}))), "user_not_found");
  EXPECT_EQ(token_of(run_task(service->get_user_info_by_username(guest, {"nobody"}))), "user_not_found");
  EXPECT_EQ(run_task(service->get_user_info_by_username(guest, {"ALICE"}))->user, a->user);
  EXPECT_EQ(token_of(run_task(service->batch_get_user_info(guest, {.current_user_id = {}, .user_ids = std::vector<UserId>(201)}))), "user_ids_too_long");
  EXPECT_EQ(token_of(run_task(service->update_avatar(guest, {a->user.id, "x"}))), "avatar_upload_unsupported");
}

TEST_F(UserTest, NamesCanBeCheckedBeforehand) {
  ASSERT_TRUE(succeeded(sign_up("alice")));
  EXPECT_FALSE(run_task(service->check_username(guest, {"ALICE"}))->available);
  EXPECT_TRUE(run_task(service->check_username(guest, {"bob"}))->available);
  EXPECT_EQ(token_of(run_task(service->check_username(guest, {" bob"}))), "username_invalid");
  const auto many = run_task(service->batch_check_usernames(guest, {{"alice", "Alice", "bob", " bob", ""}}));
  ASSERT_TRUE(succeeded(many));
  EXPECT_EQ(many->available_map, (std::map<std::string, bool>{{"alice", false}, {"Alice", false}, {"bob", true}, {" bob", false}, {"", false}}));
}

TEST_F(UserTest, SearchFindsAnyPartOfANameAndTakesNoWildcards) {
  for (const char* name : {"小明视频", "大小明", "Alice", "malice", "100%", "a_b"}) ASSERT_TRUE(succeeded(sign_up(name)));
  const auto find = [&](std::string word, int page = 1, int size = 10) {
    std::vector<std::string> names;
    const auto found = run_task(service->search_users(guest, {.keyword = std::move(word), .page = page, .page_size = size}));
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
  EXPECT_EQ(run_task(service->search_users(guest, {.keyword = "alice", .page = 1, .page_size = 1}))->total, 2);
  EXPECT_EQ(token_of(run_task(service->search_users(guest, {.keyword = "", .page = 1, .page_size = 1}))), "keyword_required");
  EXPECT_EQ(token_of(run_task(service->search_users(guest, {.keyword = "\xff", .page = 1, .page_size = 1}))), "keyword_invalid");
}

TEST_F(UserTest, FollowCountsAreTakenOnlyFromAForeignSocialService) {
  const auto a = sign_up("alice");
  EXPECT_EQ(run_task(service->update_follow_count(guest, {a->user.id, 5})).error().code, Errc::forbidden);
  EXPECT_EQ(run_task(service->update_follower_count(guest, {a->user.id, 5})).error().code, Errc::forbidden);
  options.foreign_social = true;
  start();
  EXPECT_TRUE(succeeded(run_task(service->update_follow_count(guest, {a->user.id, 5}))));
  EXPECT_TRUE(succeeded(run_task(service->update_follower_count(guest, {a->user.id, 2}))));
  EXPECT_TRUE(succeeded(run_task(service->update_follower_count(guest, {a->user.id, -3}))));
  const User u = run_task(service->get_user_info(guest, {.user_id = a->user.id, .current_user_id = {}}))->user;
  EXPECT_EQ(u.follow_count, 5);
  EXPECT_EQ(u.follower_count, 0) << "never below zero";
  EXPECT_EQ(token_of(run_task(service->update_follow_count(guest, {UserId(1), 1}))), "user_not_found");
}

TEST_F(UserTest, TheCommandLineCreatesUsersAndSetsPasswords) {
  const auto id = run_task(create_user(admin(), "root user", "a fine password"));
  ASSERT_TRUE(succeeded(id));
  EXPECT_EQ(token_of(run_task(create_user(admin(), "ROOT USER", "a fine password"))), "username_taken");
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
  EXPECT_EQ(token_of(run_task(set_password(admin(), "nobody", "another password"))), "user_not_found");
  EXPECT_EQ(token_of(run_task(grant_admin(admin(), "nobody"))), "user_not_found");
}

TEST_F(UserTest, ABadTokenIsNoSession) {
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
  EXPECT_EQ(token_of(run_task(service->check_session(guest, {auth::TokenSigner(keys, clock).sign(UserId(1), "5", std::chrono::hours(1))}))), "invalid_token")
      << "of a user that does not exist";
}

}  // namespace
}  // namespace sv::user
