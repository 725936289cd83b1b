#include "platform/net/http_pool.h"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "platform/net/http_testing.h"
#include "platform/net/tls.h"
#include "platform/net/tls_testing.h"

namespace sv::net {
namespace {

Task<> repeat(Exchange& x) {
  auto body = co_await x.read_all(64u << 20);
  if (body) (void)co_await x.send(200, "X-Seen: yes\r\n", *body + std::string(x.path()));
}

// A pool and its loop, which runs while it is asked.
struct Asker {
  explicit Asker(HttpOrigin origin) : pool(loop.get_executor(), std::move(origin)) {}
  Result<HttpAnswer> call(const HttpAsk& ask) {
    loop.restart();
    auto out = asio::co_spawn(loop, pool.call(ask), asio::use_future);
    loop.run();
    return out.get();
  }
  asio::io_context loop{1};
  HttpPool pool;
};

HttpOrigin at(const TestServer& server, std::string host = "127.0.0.1") {
  return {.host = std::move(host), .port = std::to_string(server.port())};
}

TEST(HttpPool, AsksAndAnswersOverOneConnection) {
  TestServer server(repeat, {}, 1);
  Asker asker(at(server));
  const std::string big(3u << 20, 'x');
  for (int i = 0; i < 3; ++i) {
    const auto said = asker.call({.method = "PUT", .target = "/a", .body = big});
    ASSERT_TRUE(said) << said.error().detail;
    EXPECT_EQ(said->status, 200);
    EXPECT_EQ(said->header("x-seen"), "yes");
    EXPECT_TRUE(said->body == big + "/a");
  }
}

TEST(HttpPool, AConnectionThatEndedMeanwhileCostsNothing) {
  auto server = std::make_unique<TestServer>(repeat, HttpLimits{}, 1);
  Asker asker(at(*server));
  ASSERT_TRUE(asker.call({.target = "/a"}));
  server.reset();
  const auto gone = asker.call({.target = "/a"});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::unavailable);
  EXPECT_NE(gone.error().detail.find("does not answer"), std::string::npos);
}

TEST(HttpPool, OverTlsTheNameIsChecked) {
  TestCertificate files;
  files.make("localhost");
  TestServer server(repeat, {}, 1, TlsIdentity::load(files.certificate, files.key).value());
  HttpOrigin origin = at(server, "localhost");
  origin.tls = true;
  origin.authority = files.certificate.string();
  Asker asker(origin);
  for (int i = 0; i < 2; ++i) {
    const auto said = asker.call({.method = "POST", .target = "/b", .body = "text"});
    ASSERT_TRUE(said) << said.error().detail;
    EXPECT_EQ(said->body, "text/b");
  }
  origin.host = "127.0.0.1";
  EXPECT_FALSE(Asker(origin).call({.target = "/"})) << "a certificate for another name";
  origin.host = "localhost";
  origin.authority = {};
  EXPECT_FALSE(Asker(origin).call({.target = "/"})) << "an authority that nobody trusts";
  origin.authority = "/nowhere.pem";
  const auto missing = Asker(origin).call({.target = "/"});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().detail.find("/nowhere.pem"), std::string::npos);
}

}  // namespace
}  // namespace sv::net
