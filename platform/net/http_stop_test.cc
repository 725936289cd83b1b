#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "platform/net/http_testing.h"

namespace sv::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Task<> app(Exchange& x) {
  if (x.path() == "/stuck") {
    asio::steady_timer timer(co_await asio::this_coro::executor, seconds(600));
    co_await timer.async_wait(asio::use_awaitable);
  }
  auto body = co_await x.read_all(1 << 20);
  (void)co_await x.send(200, "", body ? *body : std::string("failed"));
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(HttpStop, AnUploadThatIsUnderWayFinishes) {
  TestServer server(app);
  RawClient c(server.port());
  c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
  ASSERT_TRUE(eventually([&] { return server->in_flight() == 1; }));
  std::thread stop([&] { server->stop(seconds(60)); });
  // New connections are refused once the stop has begun.
  EXPECT_TRUE(eventually([&] {
    RawClient probe(server.port());
    return !probe.connected();
  }));
  c.send("def");
  std::string a = c.rest();
  stop.join();
  EXPECT_TRUE(a.starts_with("HTTP/1.1 200 ")) << a;
  EXPECT_TRUE(a.ends_with("abcdef")) << a;
  EXPECT_NE(a.find("Connection: close\r\n"), std::string::npos);
}

TEST(HttpStop, IdleConnectionsAreClosed) {
  TestServer server(app);
  RawClient c(server.port());
  c.send(kGet);
  EXPECT_TRUE(c.answer().starts_with("HTTP/1.1 200 "));
  auto before = std::chrono::steady_clock::now();
  server->stop(seconds(60));
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10));
  EXPECT_EQ(c.rest(), "");
}

TEST(HttpStop, TheBacklogIsServed) {
  // Nothing runs the server's thread until stop() has been called, so every connection waits in the
  // backlog.
  asio::io_context context(1);
  auto server = make_http_server({.host = "127.0.0.1", .port = 0, .limits = {}},
                                 {context.get_executor()}, app, [](int) { return std::string(); });
  ASSERT_TRUE(server->start());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->port()));
    clients.back()->send(kGet);
  }
  std::thread stop([&] { server->stop(seconds(60)); });
  std::thread run([&] {
    auto guard = asio::make_work_guard(context);
    context.run_for(seconds(60));
  });
  for (auto& c : clients) EXPECT_TRUE(c->rest().starts_with("HTTP/1.1 200 "));
  stop.join();
  context.stop();
  run.join();
}

TEST(HttpStop, WhatIsStuckIsCutWhenTheGraceIsOver) {
  TestServer server(app);
  RawClient c(server.port());
  c.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server->in_flight() == 1; }));
  auto before = std::chrono::steady_clock::now();
  server->stop(milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(10));
  EXPECT_EQ(c.rest(), "");
  EXPECT_EQ(server->in_flight(), 0u);
  EXPECT_EQ(server->connections(), 0u);
}

TEST(HttpStop, ClientsInALoopLoseNothing) {
  TestServer server(app);
  std::atomic<int> served{0}, lost{0};
  std::vector<std::thread> loops;
  for (int i = 0; i < 8; ++i)
    loops.emplace_back([&] {
      RawClient c(server.port());
      for (;;) {
        if (!c.send(kGet)) {
          ++lost;
          return;
        }
        std::string a = c.answer();
        if (!a.starts_with("HTTP/1.1 200 ")) {
          ++lost;
          return;
        }
        ++served;
        if (a.find("Connection: close\r\n") != std::string::npos) return;
      }
    });
  EXPECT_TRUE(eventually([&] { return served > 1000; }));
  server->stop(seconds(60));
  for (auto& t : loops) t.join();
  EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace sv::net
