#include "gateway/address.h"
#include "gateway/cors.h"
#include "gateway/router.h"
#include "gateway/test_support.h"

namespace sv::gateway::testing {
namespace {

TEST(Health, IsPlainAndReadinessNamesEachDependency) {
  World w;
  EXPECT_EQ(w.get("/health").answer_body, R"({"status":"OK"})");
  const auto good = w.get("/health/ready");
  EXPECT_EQ(good.answered_status, 200);
  EXPECT_EQ(good.json().at("mode").as_string(), "embedded");
  EXPECT_EQ(good.json().at("checks").at(0).at("name").as_string(), "database");
  w.dependency_ok = false;
  EXPECT_EQ(w.get("/health/ready").answered_status, 503);
}

TEST(Health, WithoutWhatItCanDoWithoutAProcessIsSentRequests) {
  World w;
  w.objects_ok = false;
  const auto degraded = w.get("/health/ready");
  EXPECT_EQ(degraded.answered_status, 200);
  EXPECT_EQ(degraded.json().at("status").as_string(), "degraded");
  EXPECT_FALSE(degraded.json().at("checks").at(1).at("ok").as_bool());
  w.dependency_ok = false;
  EXPECT_EQ(w.get("/health/ready").json().at("status").as_string(), "not_ready");
  // A loop that waits for an engine names it, and waits.
  World other;
  SupervisedLoop& loop = other.supervisor.loop("events.kafka");
  Error why{.code = Errc::unavailable, .token = "events_unavailable", .field = {}, .detail = {}};
  for (int i = 0; i < 3; ++i) loop.failed(why);
  const auto waiting = other.get("/health/ready");
  EXPECT_EQ(waiting.answered_status, 200);
  EXPECT_EQ(waiting.json().at("status").as_string(), "degraded");
  EXPECT_EQ(waiting.json().at("checks").at(2).at("name").as_string(), "loop.events.kafka");
  why.token = "database_unreachable";
  loop.failed(why);
  EXPECT_EQ(other.get("/health/ready").answered_status, 503);
}

TEST(Health, ALoopThatKeepsFailingIsNamedWithItsReasonUntilItWorksAgain) {
  World w;
  SupervisedLoop& loop = w.supervisor.loop("video.views");
  const Error why{.code = Errc::storage_full,
                  .token = "storage_full",
                  .field = {},
                  .detail = "cannot write /data/x"};
  loop.failed(why);
  EXPECT_EQ(w.get("/health/ready").answered_status, 200) << "once is no trouble";
  loop.failed(why);
  loop.failed(why);
  const auto bad = w.get("/health/ready");
  EXPECT_EQ(bad.answered_status, 503);
  EXPECT_EQ(bad.json().at("status").as_string(), "not_ready");
  const auto check = bad.json().at("checks").at(2);
  EXPECT_EQ(check.at("name").as_string(), "loop.video.views");
  EXPECT_FALSE(check.at("ok").as_bool());
  EXPECT_EQ(check.at("error").as_string(), "storage_full") << "no paths for strangers";
  FakeExchange local("GET", "/health/ready");
  local.peer = "127.0.0.1";
  w.serve(local);
  EXPECT_EQ(local.json().at("checks").at(2).at("error").as_string(),
            "storage_full: cannot write /data/x");
  loop.succeeded();
  EXPECT_EQ(w.get("/health/ready").answered_status, 200);
}

TEST(Health, ADrainingProcessIsNotReady) {
  World w;
  w.gateway->drain();
  const auto x = w.get("/health/ready");
  EXPECT_EQ(x.answered_status, 503);
  EXPECT_EQ(x.json().at("status").as_string(), "draining");
}

TEST(Metrics, CountRequestsByRouteForLocalReadersOnly) {
  World w({.trusted_proxies = {"127.0.0.1"}});
  w.get("/api/video/detail?id=5");
  w.get("/api/video/detail?id=6");
  EXPECT_EQ(w.get("/metrics").answered_status, 404);
  FakeExchange proxied("GET", "/metrics");
  proxied.peer = "127.0.0.1";
  EXPECT_EQ(w.serve(proxied.with("x-forwarded-for", "198.51.100.1")).answered_status, 404);
  FakeExchange local("GET", "/metrics");
  local.peer = "127.0.0.1";
  w.serve(local);
  EXPECT_EQ(local.answered_status, 200);
  EXPECT_TRUE(local.answer_body.contains(
      R"(http_requests_total{method="GET",route="/api/video/detail",status="404"} 1)"))
      << local.answer_body;
  EXPECT_TRUE(local.answer_body.contains(
      R"(http_request_duration_seconds_count{method="GET",route="/api/video/detail"} 2)"));
  EXPECT_TRUE(local.answer_body.contains("process_resident_memory_bytes "));
}

// The document names every row, with its parameters, its body and its answers; nothing in it points
// nowhere.
TEST(OpenApi, DescribesEveryRoute) {
  World w;
  const auto document = w.get("/openapi.json").json();
  const auto& paths = document.at("paths").as_object();
  const Router router;
  for (const Route& route : router.routes()) {
    ASSERT_TRUE(paths.contains(std::string(route.path))) << route.path;
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(c | 0x20);
    const auto& path = paths.at(std::string(route.path)).as_object();
    ASSERT_TRUE(path.contains(method)) << method << " " << route.path;
    const auto& operation = path.at(method).as_object();
    EXPECT_EQ(operation.contains("requestBody"),
              route.body == Body::json || route.body == Body::multipart)
        << route.path;
    EXPECT_TRUE(operation.at("responses").as_object().contains("200"));
  }
  const auto& feed = paths.at("/api/video/feed").at("get").at("parameters").as_array();
  EXPECT_EQ(feed.size(), 3u);
  const std::string text = boost::json::serialize(document);
  const auto& schemas = document.at("components").at("schemas").as_object();
  constexpr std::string_view kRef = "#/components/schemas/";
  for (auto at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at + 1)) {
    const auto name = text.substr(at + kRef.size(), text.find('"', at) - at - kRef.size());
    EXPECT_TRUE(schemas.contains(name)) << name;
  }
}

TEST(OpenApi, SaysThatOldListsAreArraysWithHeaders) {
  World w;
  const auto document = w.get("/openapi.json").json();
  const auto& answer = document.at("paths")
                           .at("/api/auth/social/following")
                           .at("get")
                           .at("responses")
                           .at("200")
                           .as_object();
  EXPECT_TRUE(answer.at("headers").as_object().contains("X-Next-Cursor"));
  const auto& data =
      answer.at("content").at("application/json").at("schema").at("properties").at("data");
  EXPECT_EQ(boost::json::serialize(data),
            R"({"type":"array","items":{"$ref":"#/components/schemas/User"}})");
  const auto& follow =
      document.at("paths").at("/api/auth/social/follow").at("post").at("responses").at("200");
  EXPECT_EQ(
      follow.at("content").at("application/json").at("schema").at("required").as_array().size(), 2U)
      << "data may be absent";
}

TEST(Web, EveryPagePathAnswersTheClientWithItsPolicy) {
  World w;
  for (const char* path : {"/", "/following", "/video/1", "/user/1", "/search", "/upload",
                           "/messages/4", "/login", "/register"}) {
    const auto x = w.get(path);
    EXPECT_EQ(x.answered_status, 200) << path;
    EXPECT_EQ(x.answer_header("Content-Type"), "text/html; charset=utf-8");
    EXPECT_TRUE(x.answer_header("Content-Security-Policy").contains("frame-ancestors 'none'"));
  }
  const auto script = w.get("/web/app.js");
  EXPECT_EQ(script.answer_header("Content-Type"), "text/javascript; charset=utf-8");
  FakeExchange again("GET", "/web/app.js");
  EXPECT_EQ(w.serve(again.with("if-none-match", script.answer_header("ETag"))).answered_status,
            304);
  EXPECT_EQ(w.get("/web/../auth").answered_status, 404);
}

TEST(Web, AVideoPageCarriesEscapedOpenGraphTags) {
  World w({.public_url = "https://sv.example"});
  const auto x = w.get("/video/5");
  EXPECT_TRUE(x.answer_body.contains(
      R"(<meta property="og:title" content="&lt;b&gt;&quot;A&quot; &amp; B&lt;/b&gt;">)"));
  EXPECT_TRUE(x.answer_body.contains(
      R"(<meta property="og:image" content="https://sv.example/media/5/1/poster.jpg">)"));
  EXPECT_FALSE(w.get("/video/6").answer_body.contains("og:title"));
}

TEST(Address, OnlyTrustedProxiesSpeakForOthers) {
  const TrustedProxies none({}), some({"10.0.0.0/8", "::1"});
  EXPECT_EQ(none.client_of("10.0.0.1", "198.51.100.1"), "10.0.0.1");
  EXPECT_EQ(some.client_of("10.0.0.1", "198.51.100.1"), "198.51.100.1");
  EXPECT_EQ(some.client_of("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.2.3.4"), "198.51.100.1");
  EXPECT_EQ(some.client_of("203.0.113.1", "198.51.100.1"), "203.0.113.1");
  EXPECT_EQ(some.client_of("::ffff:10.0.0.1", "198.51.100.1"), "198.51.100.1");
  EXPECT_EQ(some.client_of("10.0.0.1", "not an address"), "10.0.0.1");
  EXPECT_THROW(TrustedProxies({"10.0.0.0/99"}), std::invalid_argument);
}

TEST(Address, AProxyIsAnAddressOrANetwork) {
  for (const char* good : {"10.0.0.0/8", "127.0.0.1", "::1", "2001:db8::/32", "0.0.0.0/0"})
    EXPECT_TRUE(check_proxy(good)) << good;
  for (const char* bad : {"", "localhost", "10.0.0.0/99", "10.0.0.0/", "10.0.0", "\"10.0.0.1\"",
                          "10.0.0.1:80", "2001:db8::/129"})
    EXPECT_FALSE(check_proxy(bad)) << bad;
}

TEST(Cors, AnOriginHasASchemeAHostAndMaybeAPort) {
  for (const char* good :
       {"*", "https://app.example", "http://localhost:3000", "https://app.example:65535",
        "http://127.0.0.1:8080", "http://[::1]", "http://[::1]:80", "capacitor://localhost"})
    EXPECT_TRUE(check_origin(good)) << good;
  for (const char* bad : {"",
                          "app.example",
                          "null",
                          "1http://app.example",
                          "https://",
                          "https:///",
                          "https://app.example/",
                          "https://app.example/path",
                          "https://app.example:",
                          "https://app.example:0",
                          "https://app.example:65536",
                          "https://app.example:x",
                          "https://*.example",
                          "https://me@app.example",
                          "https://a b",
                          "http://::1",
                          "http://[::1",
                          "http://[]",
                          "http://[::1]x",
                          "[https://app.example]",
                          "\"https://app.example\"",
                          "https://a?b",
                          "https://a#b"})
    EXPECT_FALSE(check_origin(bad)) << bad;
}

TEST(Address, Ipv6CountsByItsNetwork) {
  EXPECT_EQ(address_bucket("2001:db8:1:2:3:4:5:6"), address_bucket("2001:db8:1:2::9"));
  EXPECT_NE(address_bucket("2001:db8:1:2::1"), address_bucket("2001:db8:1:3::1"));
  EXPECT_EQ(address_bucket("::ffff:192.0.2.1"), "192.0.2.1");
}

}  // namespace
}  // namespace sv::gateway::testing
