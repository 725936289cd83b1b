#include "gateway/revoked_feed.h"
#include "gateway/test_support.h"
#include "platform/core/encoding.h"
#include "platform/crypto/sha256.h"
#include "platform/testing/run.h"

namespace sv::gateway::testing {
namespace {

using namespace std::chrono_literals;

FakeExchange json_post(std::string path, std::string body) {
  FakeExchange x("POST", std::move(path), std::move(body));
  x.with("content-type", "application/json");
  return x;
}
constexpr const char* kRegister = R"({"username":"ann","password":"long enough"})";

TEST(Envelope, ASuccessHasCodeMessageAndData) {
  World w;
  auto x = json_post("/api/user/register", kRegister);
  w.serve(x);
  EXPECT_EQ(x.answered_status, 200);
  EXPECT_TRUE(x.answer_body.starts_with(
      R"({"code":200,"message":"success","data":{"user":{"id":7,"username":"ann")"))
      << x.answer_body;
  EXPECT_EQ(w.users.registered.username, "ann");
}

TEST(Envelope, AFailureHasATokenItsFieldAndTheRequestId) {
  World w;
  auto x = json_post("/api/user/register", R"({"username":"","password":"long enough"})");
  x.with("x-request-id", "abc-1");
  w.serve(x);
  EXPECT_EQ(x.answered_status, 400);
  EXPECT_EQ(x.token(), "username_required");
  EXPECT_EQ(x.json().at("field").as_string(), "username");
  EXPECT_EQ(x.json().at("request_id").as_string(), "abc-1");
  EXPECT_EQ(x.answer_header("X-Request-Id"), "abc-1");
}

TEST(Envelope, MessagesFollowAcceptLanguage) {
  World w;
  FakeExchange zh("GET", "/nowhere"), en("GET", "/nowhere");
  en.with("accept-language", "en-GB,de;q=0.5");
  EXPECT_EQ(w.serve(zh).json().at("message").as_string(), "路由不存在");
  EXPECT_EQ(w.serve(en).json().at("message").as_string(), "no such route");
}

TEST(Envelope, AnUnprintableRequestIdIsReplaced) {
  World w;
  FakeExchange x("GET", "/health");
  x.with("x-request-id", "a\"b");
  w.serve(x);
  EXPECT_EQ(x.answer_header("X-Request-Id").size(), 16u);
}

TEST(Envelope, AnEscapedExceptionIs500WithoutItsText) {
  World w;
  w.users.throws = true;
  auto x = json_post("/api/user/register", kRegister);
  w.serve(x);
  EXPECT_EQ(x.answered_status, 500);
  EXPECT_EQ(x.answers, 1);
  EXPECT_FALSE(x.answer_body.contains("secret"));
}

TEST(Routing, AKnownPathWithAnotherMethodIs405WithAllow) {
  World w;
  FakeExchange x("PATCH", "/api/auth/video");
  w.serve(x);
  EXPECT_EQ(x.answered_status, 405);
  EXPECT_EQ(x.answer_header("Allow"), "PUT, DELETE, OPTIONS");
  EXPECT_EQ(w.get("/api/video/feeds").answered_status, 404);
}

TEST(Routing, HeadIsAnsweredByGet) {
  World w;
  FakeExchange x("HEAD", "/api/video/feed");
  EXPECT_EQ(w.serve(x).answered_status, 200);
}

TEST(Routing, AnAbsentServiceIs503WithItsName) {
  World w;
  const auto x = w.get("/api/video/hot");
  EXPECT_EQ(x.answered_status, 503);
  EXPECT_EQ(x.json().at("message").as_string(), "视频服务不可用");
}

TEST(Json, TheBodyMustBeJsonAndSmall) {
  World w;
  auto broken = json_post("/api/user/login", "{");
  EXPECT_EQ(w.serve(broken).token(), "invalid_json");
  auto wrong = json_post("/api/user/login", R"({"username":1,"password":"x"})");
  EXPECT_EQ(w.serve(wrong).token(), "username_wrong_type");
  FakeExchange text("POST", "/api/user/login", "{}");
  text.with("content-type", "text/plain");
  EXPECT_EQ(w.serve(text).answered_status, 415);
  auto large = json_post("/api/user/login", std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(w.serve(large).answered_status, 413);
  EXPECT_TRUE(large.closed);
}

TEST(Query, BoundsAreCheckedAndTheFieldIsNamed) {
  World w;
  EXPECT_EQ(w.get("/api/video/feed?page_size=x").token(), "page_size_wrong_type");
  EXPECT_EQ(w.get("/api/video/feed?page_size=%zz").token(), "query_invalid");
  EXPECT_EQ(w.get("/api/video/detail").token(), "id_required");
  EXPECT_EQ(w.get("/api/video/feed?page_size=1000").answered_status, 200);
  EXPECT_EQ(w.videos.feed.page_size, 100);
}

TEST(Auth, AProtectedRouteSaysWhatIsWrong) {
  World w;
  FakeExchange none("GET", "/api/auth/user/profile");
  EXPECT_EQ(w.serve(none).token(), "authorization_required");
  EXPECT_EQ(none.answered_status, 401);
  EXPECT_EQ(none.json().at("message").as_string(), "Authorization头信息是必需的");
  FakeExchange basic("GET", "/api/auth/user/profile");
  EXPECT_EQ(w.serve(basic.with("authorization", "Basic abc")).token(), "authorization_format");
  FakeExchange bad("GET", "/api/auth/user/profile");
  EXPECT_EQ(w.serve(bad.with("authorization", "Bearer a.b.c")).token(), "invalid_token");
  EXPECT_EQ(bad.answer_header("WWW-Authenticate"), "Bearer error=\"invalid_token\"");
}

TEST(Auth, AValidTokenNamesTheCaller) {
  World w;
  FakeExchange x("GET", "/api/auth/user/profile");
  w.serve(x.with("authorization", w.bearer(42)));
  EXPECT_EQ(x.answered_status, 200);
  EXPECT_EQ(w.users.asked.user_id, UserId(42));
  EXPECT_EQ(w.users.asked.current_user_id, UserId(42));
  EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-store");
}

TEST(Auth, ARevokedSessionIs401AtOnce) {
  World w;
  w.revoked.add("gone", w.clock.now_ms() + 3'600'000);
  FakeExchange x("GET", "/api/auth/user/profile");
  EXPECT_EQ(w.serve(x.with("authorization", w.bearer(42, "gone"))).answered_status, 401);
}

// What nobody could tell for two seconds closes: whoever's session it is may have ended elsewhere.
TEST(Auth, WhileNobodyKnowsWhichSessionsEndedNobodyIsSignedIn) {
  World w;
  w.revoked.heard(w.clock.monotonic_ms());
  const auto ask = [&](const char* path) {
    FakeExchange x("GET", path);
    return w.serve(x.with("authorization", w.bearer(42))).answered_status;
  };
  w.clock.advance(2s);
  EXPECT_EQ(ask("/api/auth/user/profile"), 200);
  w.clock.advance(1ms);
  EXPECT_EQ(ask("/api/auth/user/profile"), 503);
  EXPECT_EQ(ask("/api/video/feed"), 200);
  EXPECT_EQ(w.videos.feed.user_id, UserId(0));
  w.revoked.heard(w.clock.monotonic_ms());
  EXPECT_EQ(ask("/api/auth/user/profile"), 200);
}

struct EndedSessions final : user::UserAbsent {
  Task<Result<user::RevokedSessionsResp>> get_revoked_sessions(
      const Ctx&, const user::RevokedSessionsReq& req) override {
    asked.push_back(req.after_ms);
    user::RevokedSessionsResp out;
    for (const auto& one : all)
      if (std::pair(one.ended_ms, one.id) > std::pair(req.after_ms, req.after_id) &&
          out.sessions.size() < 2)
        out.sessions.push_back(one);
    out.more = out.sessions.size() == 2;
    co_return out;
  }
  std::vector<user::RevokedSession> all;
  std::vector<std::int64_t> asked;
};

TEST(Auth, EverySessionThatEndedElsewhereIsHeardOf) {
  const sv::testing::ManualClock clock;
  auth::RevokedSessions revoked(clock);
  EndedSessions users;
  Services services;
  services.user = &users;
  RevokedFeed feed(services, revoked, clock);
  for (std::int64_t id = 1; id <= 5; ++id)
    users.all.push_back({.id = id, .ended_ms = 60'000, .until_ms = clock.now_ms() + 1});
  ASSERT_TRUE(sv::testing::run_task(feed.pull()));
  for (int id = 1; id <= 5; ++id) EXPECT_TRUE(revoked.contains(std::to_string(id))) << id;
  // Committed after the others though it ended before them.
  users.all.insert(users.all.begin(),
                   {.id = 6, .ended_ms = 51'000, .until_ms = clock.now_ms() + 1});
  users.asked.clear();
  ASSERT_TRUE(sv::testing::run_task(feed.pull()));
  EXPECT_TRUE(revoked.contains("6"));
  EXPECT_EQ(users.asked.front(), 50'000);
}

TEST(Auth, ABadTokenOnAPublicReadMakesAGuest) {
  World w;
  FakeExchange x("GET", "/api/video/feed");
  w.serve(x.with("authorization", "Bearer nonsense"));
  EXPECT_EQ(x.answered_status, 200);
  EXPECT_EQ(w.videos.feed.user_id, UserId(0));
  EXPECT_EQ(x.answer_header("WWW-Authenticate"), "Bearer error=\"invalid_token\"");
  EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-store");
}

TEST(Pages, GuestsGetTheKeptPageUntilTheContentChanges) {
  World w;
  const auto first = w.get("/api/video/feed?page_size=20");
  w.videos.title = "second";
  EXPECT_EQ(w.get("/api/video/feed?page_size=20").answer_body, first.answer_body);
  EXPECT_EQ(w.videos.feeds, 1);
  w.revision.bump();
  EXPECT_TRUE(w.get("/api/video/feed?page_size=20").answer_body.contains("second"));
  EXPECT_EQ(w.videos.feeds, 2);
}

TEST(Pages, ACallerWithATokenNeverGetsAKeptPage) {
  World w;
  w.get("/api/video/feed");
  FakeExchange x("GET", "/api/video/feed");
  w.serve(x.with("authorization", w.bearer(3)));
  EXPECT_EQ(w.videos.feeds, 2);
  EXPECT_EQ(w.videos.feed.user_id, UserId(3));
}

TEST(Pages, WhatWasMadeWithoutKnowingWhoIsPrivateIsKeptByNobody) {
  World w;
  w.videos.uncertain = true;
  for (const char* path : {"/api/video/feed", "/api/video/detail?id=5", "/api/video/stats?id=5"}) {
    const auto x = w.get(path);
    EXPECT_EQ(x.answered_status, 200) << path;
    EXPECT_EQ(x.answer_header("Cache-Control"), "private, no-store") << path;
    EXPECT_EQ(x.answer_header("ETag"), "") << path;
  }
  w.get("/api/video/feed");
  EXPECT_EQ(w.videos.feeds, 2) << "made anew";
  w.videos.uncertain = false;
  EXPECT_EQ(w.get("/api/video/feed").answer_header("Cache-Control"), "no-cache");
  EXPECT_EQ(w.videos.feeds, 3) << "at once";
  EXPECT_TRUE(w.get("/video/5").answer_body.contains("og:title"));
  w.videos.uncertain = true;
  EXPECT_FALSE(w.get("/video/5").answer_body.contains("og:title"));
}

// docs/consistency.md: guests may get older public answers while the data are out of reach.
TEST(Pages, AnOlderOneIsBetterThanNoneWhileNobodyCanMakeIt) {
  using std::chrono::milliseconds;
  World w({.deadline = milliseconds(20), .page_age = milliseconds(0)});
  const std::string page = w.get("/api/video/feed").answer_body;
  const Error gone{
      .code = Errc::unavailable, .token = "database_unreachable", .field = {}, .detail = {}};
  w.videos.feed_error = gone;
  const auto older = w.get("/api/video/feed");
  EXPECT_EQ(older.answered_status, 200);
  EXPECT_EQ(older.answer_body, page);
  EXPECT_EQ(older.answer_header("Cache-Control"), "no-store");
  const int asked = w.videos.feeds;
  EXPECT_EQ(w.get("/api/video/feed").answered_status, 200);
  EXPECT_EQ(w.videos.feeds, asked) << "not asked again at once";
  // Another page there is none of, and one's own is nobody else's.
  EXPECT_EQ(w.get("/api/video/feed?page_size=3").answered_status, 503);
  FakeExchange own("GET", "/api/video/feed");
  w.serve(own.with("authorization", "Bearer " + w.bearer(7)));
  EXPECT_EQ(own.answered_status, 503);
}

TEST(Pages, WhatIsGoneIsNotShownFromBefore) {
  World w({.page_age = std::chrono::milliseconds(0)});
  w.get("/api/video/feed");
  w.videos.feed_error =
      Error{.code = Errc::not_found, .token = "not_found", .field = {}, .detail = {}};
  EXPECT_EQ(w.get("/api/video/feed").answered_status, 404);
  World old({.page_age = std::chrono::milliseconds(0), .page_older = std::chrono::milliseconds(0)});
  old.get("/api/video/feed");
  old.videos.feed_error =
      Error{.code = Errc::unavailable, .token = "unavailable", .field = {}, .detail = {}};
  EXPECT_EQ(old.get("/api/video/feed").answered_status, 503) << "too old";
  // A change that this process knows of ends what was made before it.
  World changed({.page_age = std::chrono::milliseconds(0)});
  changed.get("/api/video/feed");
  changed.revision.bump();
  changed.videos.feed_error = old.videos.feed_error;
  EXPECT_EQ(changed.get("/api/video/feed").answered_status, 503);
}

TEST(Pages, AMakerThatIsSilentIsNotWaitedForLong) {
  World w({.deadline = std::chrono::milliseconds(20), .page_age = std::chrono::milliseconds(0)});
  w.get("/api/video/feed");
  w.videos.hang = true;
  EXPECT_EQ(w.get("/api/video/feed").answered_status, 200);
}

TEST(Pages, TheEntityTagSavesTheBody) {
  World w;
  const auto first = w.get("/api/video/feed");
  FakeExchange x("GET", "/api/video/feed");
  w.serve(x.with("if-none-match", first.answer_header("ETag")));
  EXPECT_EQ(x.answered_status, 304);
  EXPECT_EQ(x.answer_body, "");
}

TEST(Pages, AnErrorIsNotKept) {
  World w;
  EXPECT_EQ(w.get("/api/video/detail?id=4").answered_status, 404);
  EXPECT_EQ(w.get("/api/video/detail?id=5").answered_status, 200);
}

TEST(Deadline, AHandlerThatHangsIsStoppedAndAnswered504) {
  World w({.deadline = std::chrono::milliseconds(20)});
  w.videos.hang = true;
  const auto x = w.get("/api/video/feed");
  EXPECT_EQ(x.answered_status, 504);
  EXPECT_EQ(x.answers, 1);
}

TEST(Deadline, BeginsWhenTheBodyIsThere) {
  World w({.deadline = std::chrono::milliseconds(200)});
  auto x = json_post("/api/user/register", kRegister);
  x.body_takes = std::chrono::milliseconds(300);
  EXPECT_EQ(w.serve(x).answered_status, 200) << x.answer_body;
}

TEST(Limits, TheEleventhRegistrationOfAnAddressIs429) {
  World w;
  for (int i = 0; i < 10; ++i) {
    auto x = json_post("/api/user/register", kRegister);
    EXPECT_EQ(w.serve(x).answered_status, 200);
    EXPECT_EQ(x.answer_header("RateLimit-Policy"), "\"register\";q=10;w=3600");
  }
  auto x = json_post("/api/user/register", kRegister);
  EXPECT_EQ(w.serve(x).answered_status, 429);
  EXPECT_EQ(x.token(), "rate_limited");
  EXPECT_EQ(x.answer_header("Retry-After"), "2");
  auto elsewhere = json_post("/api/user/register", kRegister);
  elsewhere.peer = "203.0.113.8";
  EXPECT_EQ(w.serve(elsewhere).answered_status, 200);
}

TEST(Limits, TenFailedLoginsCloseTheAccountForThatAddressOnly) {
  World w({.limits_factor = 1});
  auto attempt = [&w](std::string name, std::string password, std::string address) {
    w.cache.taken.erase("rate:login:a:" + address);  // the address' own limit is another test's
    auto x = json_post("/api/user/login",
                       R"({"username":")" + name + R"(","password":")" + password + "\"}");
    x.peer = address;
    return w.serve(x).answered_status;
  };
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(attempt(i % 2 ? "ann" : "ANN", "wrong", "203.0.113.7"), 400);
  EXPECT_EQ(attempt("ann", "right password", "203.0.113.7"), 429);
  EXPECT_EQ(attempt("ann", "right password", "203.0.113.8"), 200);
  EXPECT_EQ(attempt("bob", "right password", "203.0.113.7"), 200);
}

TEST(Limits, ACacheThatIsDownLetsRequestsThrough) {
  World w;
  w.cache.down = true;
  auto x = json_post("/api/user/register", kRegister);
  EXPECT_EQ(w.serve(x).answered_status, 200);
}

TEST(Limits, ALongNameMakesNoLongKey) {
  World w;
  auto x = json_post("/api/user/login",
                     R"({"username":")" + std::string(100'000, 'n') + R"(","password":"wrong"})");
  w.serve(x);
  ASSERT_FALSE(w.cache.taken.empty());
  for (const auto& [key, count] : w.cache.taken) EXPECT_LT(key.size(), 256u);
}

TEST(Limits, AddressesOfOneIpv6NetworkShareABucket) {
  World w;
  const auto answered = [&w](std::string peer) {
    auto x = json_post("/api/user/register", kRegister);
    x.peer = std::move(peer);
    return w.serve(x).answered_status;
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(answered("2001:db8:0:7::" + std::to_string(i + 1)), 200);
  EXPECT_EQ(answered("2001:db8:0:7:ffff::1"), 429);
  EXPECT_EQ(answered("2001:db8:0:8::1"), 200);
}

TEST(Limits, TheSwitchTurnsThemOff) {
  World w({.limits_enabled = false});
  auto x = json_post("/api/user/register", kRegister);
  w.serve(x);
  EXPECT_TRUE(w.cache.taken.empty());
  EXPECT_EQ(x.answer_header("RateLimit"), "");
}

TEST(Cors, OnlyConfiguredOriginsAreAllowed) {
  World w({.cors_origins = {"https://app.example"}});
  FakeExchange mine("OPTIONS", "/api/user/login"), other("OPTIONS", "/api/user/login");
  w.serve(mine.with("origin", "https://app.example"));
  EXPECT_EQ(mine.answered_status, 204);
  EXPECT_EQ(mine.answer_header("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_EQ(mine.answer_header("Access-Control-Max-Age"), "86400");
  w.serve(other.with("origin", "https://evil.example"));
  EXPECT_EQ(other.answered_status, 204);
  EXPECT_EQ(other.answer_header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(other.answer_header("Vary"), "Origin");
}

std::string viewer_key(World& w, const std::string& address, const std::string& agent) {
  auto guest = json_post("/api/video/view", R"({"video_id":5,"watched_ms":4000})");
  guest.peer = address;
  w.serve(guest.with("user-agent", agent));
  EXPECT_EQ(guest.answered_status, 200) << guest.answer_body;
  return w.videos.viewed.viewer_key;
}

TEST(Views, AGuestIsAHashOfAddressAndBrowserUnderTheSaltOfTheWindow) {
  World w;
  const std::string key = viewer_key(w, "203.0.113.7", "Player/1");
  EXPECT_EQ(key, base64url_encode(hmac_sha256("salt one", "203.0.113.7\nPlayer/1")));
  EXPECT_EQ(viewer_key(w, "203.0.113.7", "Player/1"), key);
  EXPECT_NE(viewer_key(w, "203.0.113.8", "Player/1"), key);
  EXPECT_NE(viewer_key(w, "203.0.113.7", "Player/2"), key);
  EXPECT_EQ(w.videos.salts, 1) << "once a window";
  w.videos.salt = "salt two";
  w.clock.advance(std::chrono::minutes(1));
  EXPECT_NE(viewer_key(w, "203.0.113.7", "Player/1"), key);
  EXPECT_EQ(w.videos.salts, 2);
}

TEST(Views, AUserIsNamedByTheToken) {
  World w;
  auto known = json_post("/api/video/view", R"({"video_id":5,"watched_ms":4000,"user_id":99})");
  w.serve(known.with("authorization", w.bearer(3)));
  EXPECT_EQ(w.videos.viewed.user_id, UserId(3));
  EXPECT_EQ(w.videos.viewed.viewer_key, "");
}

TEST(Lists, OldOnesAreArraysAndTellTheRestInHeaders) {
  World w;
  FakeExchange first("GET", "/api/auth/social/following?page_size=1");
  w.serve(first.with("authorization", w.bearer(5)));
  ASSERT_EQ(first.answered_status, 200) << first.answer_body;
  EXPECT_EQ(first.json().at("data").as_array().size(), 1U);
  EXPECT_EQ(first.answer_header("X-Next-Cursor"), "second");
  EXPECT_EQ(first.answer_header("X-Total-Count"), "2");
  EXPECT_EQ(w.social.asked.user_id, UserId(5)) << "the caller's own by default";
  FakeExchange last("GET", "/api/auth/social/following?page_size=1&cursor=second");
  w.serve(last.with("authorization", w.bearer(5)));
  EXPECT_FALSE(last.answer_head.contains("X-Next-Cursor"));
}

TEST(Answers, HaveDataOnlyWhenThereIsSomethingToTell) {
  World w;
  const auto follow = [&] {
    FakeExchange x("POST", "/api/auth/social/follow", R"({"target_user_id":9})");
    w.serve(x.with("authorization", w.bearer(5)));
    return x.answer_body;
  };
  EXPECT_EQ(follow(), R"({"code":200,"message":"success"})");
  w.social.private_target = true;
  EXPECT_EQ(follow(), R"({"code":200,"message":"success","data":{"requested":true}})");
}

}  // namespace
}  // namespace sv::gateway::testing
