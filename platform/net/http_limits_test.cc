#include <gtest/gtest.h>
#include <boost/asio/steady_timer.hpp>

#include "platform/net/http_testing.h"

namespace sv::net {
namespace {

using std::chrono::milliseconds;

std::atomic<int> answers_failed{0};

Task<> app(Exchange& x) {
  if (x.path() == "/endless") {
    std::string piece(64 * 1024, 'x');
    (void)co_await x.begin(200, "", std::nullopt);
    for (;;) {
      auto sent = co_await x.write(std::as_bytes(std::span(std::string_view(piece))));
      if (!sent) {
        ++answers_failed;
        co_return;
      }
    }
  }
  if (x.path() == "/upload") {  // reads piece by piece, and takes its time
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (;;) {
      auto piece = co_await x.read_some();
      if (!piece || piece->empty()) break;
      if (x.query() == "pause") {
        pause.expires_after(milliseconds(300));
        co_await pause.async_wait(asio::use_awaitable);
      }
    }
    (void)co_await x.send(200, "", "ok");
    co_return;
  }
  auto body = co_await x.read_all(1 << 20);
  auto sent = co_await x.send(200, "", body ? "ok" : "failed");
  if (!sent) ++answers_failed;
}

HttpLimits quick() {
  HttpLimits limits;
  limits.header_timeout = limits.body_idle = limits.keep_alive_idle = milliseconds(150);
  return limits;
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(HttpLimits, HeadsOfSixteenKibibytesAreTaken) {
  TestServer server(app);
  RawClient fits(server.port()), over(server.port()), endless(server.port());
  std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  fits.send(start + std::string(16 * 1024 - start.size() - 4, 'x') + "\r\n\r\n");
  EXPECT_TRUE(fits.answer().starts_with("HTTP/1.1 200 "));
  over.send(start + std::string(16 * 1024 - start.size() - 3, 'x') + "\r\n\r\n");
  std::string a = over.rest();
  EXPECT_TRUE(a.starts_with("HTTP/1.1 431 ")) << a.substr(0, 100);
  EXPECT_TRUE(a.ends_with("{\"code\":431}"));
  endless.send("GET /" + std::string(100'000, 'x'));
  EXPECT_TRUE(endless.rest().starts_with("HTTP/1.1 431 "));
}

TEST(HttpLimits, HeadsOfAHundredFieldsAreTaken) {
  TestServer server(app);
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i) head += "X: y\r\n";
  RawClient fits(server.port()), over(server.port());
  fits.send(head + "\r\n");
  EXPECT_TRUE(fits.answer().starts_with("HTTP/1.1 200 "));
  over.send(head + "X: y\r\n\r\n");
  EXPECT_TRUE(over.rest().starts_with("HTTP/1.1 431 "));
}

TEST(HttpLimits, AHeadThatDripsInIsTimedOutHoweverAliveItLooks) {
  TestServer server(app, quick());
  RawClient c(server.port());
  ASSERT_TRUE(c.send("GET / HTTP/1.1\r\n"));
  std::thread drip([&] {
    for (int i = 0; i < 400 && c.send("X: y\r\n"); ++i)
      std::this_thread::sleep_for(milliseconds(10));
  });
  std::string a = c.rest();
  drip.join();
  EXPECT_TRUE(a.starts_with("HTTP/1.1 408 ") || a.starts_with("HTTP/1.1 431 ")) << a;
  EXPECT_TRUE(a.starts_with("HTTP/1.1 408 ")) << a;
}

TEST(HttpLimits, ABodyThatStopsIsAnsweredFourHundredEight) {
  TestServer server(app, quick());
  RawClient c(server.port());
  answers_failed = 0;
  c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  std::string a = c.rest();
  EXPECT_TRUE(a.starts_with("HTTP/1.1 408 ")) << a;
  EXPECT_EQ(a.find("failed"), std::string::npos);  // the handler's own answer comes too late
  EXPECT_TRUE(eventually([] { return answers_failed == 1; }));
}

// Sends a body of `pieces` times `piece`, with a pause before each; what the server says to it.
std::string drip(std::uint16_t port, std::string_view path, std::string piece, std::size_t pieces,
                 milliseconds pause) {
  RawClient c(port);
  c.send("POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
         "Content-Length: " + std::to_string(piece.size() * pieces) + "\r\n\r\n");
  std::thread sender([&] {
    for (std::size_t i = 0; i < pieces && c.send(piece); ++i) std::this_thread::sleep_for(pause);
  });
  std::string answer = c.rest();
  sender.join();
  return answer;
}

TEST(HttpLimits, ABodyBelowTheMinimumRateIsAnswered408HoweverAliveItLooks) {
  HttpLimits limits = quick();
  limits.body_rate = 1000;
  TestServer server(app, limits);
  for (std::string_view path : {"/", "/upload"}) {
    std::string a = drip(server.port(), path, "x", 400, milliseconds(10));
    EXPECT_TRUE(a.starts_with("HTTP/1.1 408 ")) << path << a;
    EXPECT_NE(a.find("Connection: close\r\n"), std::string::npos) << a;
  }
}

TEST(HttpLimits, ABodyAboveTheMinimumRateIsTakenHoweverLongItTakes) {
  HttpLimits limits = quick();
  limits.body_idle = milliseconds(1000);
  limits.body_rate = 1000;
  TestServer server(app, limits);
  for (std::string_view path : {"/", "/upload"}) {
    std::string a = drip(server.port(), path, std::string(1000, 'x'), 30, milliseconds(50));
    EXPECT_TRUE(a.starts_with("HTTP/1.1 200 ")) << path << a;
  }
}

TEST(HttpLimits, WhatTheHandlerTakesBetweenTwoReadsIsNotTheClients) {
  TestServer server(app, quick());
  RawClient c(server.port());
  c.send(
      "POST /upload?pause HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
      "Content-Length: 200000\r\n\r\n" +
      std::string(200'000, 'x'));
  EXPECT_TRUE(c.rest().starts_with("HTTP/1.1 200 "));
}

TEST(HttpLimits, IdleConnectionsAreClosedWithoutAWord) {
  TestServer server(app, quick());
  RawClient kept(server.port()), silent(server.port());
  kept.send(kGet);
  EXPECT_TRUE(kept.answer().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(kept.rest(), "");
  EXPECT_EQ(silent.rest(), "");
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST(HttpLimits, AClientThatDoesNotReadIsCut) {
  TestServer server(app, quick());
  answers_failed = 0;
  RawClient c(server.port(), 4096);
  c.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([] { return answers_failed == 1; }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST(HttpLimits, AnEndlessAnswerToAFastClientStarvesNobody) {
  TestServer server(app, {}, 1);
  RawClient greedy(server.port()), other(server.port());
  greedy.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  std::thread reader([&] { greedy.answer(); });
  for (int i = 0; i < 20; ++i) {
    other.send(kGet);
    EXPECT_TRUE(other.answer().starts_with("HTTP/1.1 200 "));
  }
  server->stop(milliseconds(0));
  reader.join();
}

TEST(HttpLimits, ConnectionsBeyondTheLimitAreToldFiveHundredThree) {
  HttpLimits limits;
  limits.connections = 2;
  TestServer server(app, limits);
  RawClient third_later(server.port());
  {
    RawClient a(server.port());
    for (RawClient* c : {&a, &third_later}) {
      c->send(kGet);
      EXPECT_TRUE(c->answer().starts_with("HTTP/1.1 200 "));
    }
    RawClient b(server.port());
    b.send(kGet);
    std::string refused = b.answer();
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
    EXPECT_TRUE(refused.ends_with("{\"code\":503}"));
  }
  EXPECT_TRUE(eventually([&] { return server->connections() == 1; }));
  RawClient again(server.port());
  again.send(kGet);
  EXPECT_TRUE(again.answer().starts_with("HTTP/1.1 200 "));
}

Task<Result<>> takes(milliseconds time) {
  asio::steady_timer pause(co_await asio::this_coro::executor, time);
  co_await pause.async_wait(asio::use_awaitable);
  co_return Result<>{};
}

Task<Result<>> throws() {
  throw std::runtime_error("odd");
  co_return Result<>{};
}

// "/200" takes as many milliseconds, of which it may take 50; "/odd" throws.
Task<> timed(Exchange& x) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(50);
  auto work =
      x.path() == "/odd" ? throws() : takes(milliseconds(std::stoi(x.path().substr(1).data())));
  const auto done = co_await x.in_time(deadline, std::move(work));
  (void)co_await x.send(done ? 200 : 504, "", done ? "ok" : errc_token(done.error().code));
}

TEST(HttpLimits, AHandlerThatIsLateIsStoppedAndItsConnectionGoesOn) {
  TestServer server(timed, quick());
  RawClient c(server.port());
  const auto get = [&c](const std::string& path) {
    c.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    return c.answer();
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(get("/600000").ends_with("deadline_exceeded"));
    EXPECT_TRUE(get("/0").ends_with("ok"));
  }
  EXPECT_TRUE(get("/odd").starts_with("HTTP/1.1 500 "));
}

TEST(HttpLimits, AServerThatStopsTakesAHandlerThatIsLateWithIt) {
  TestServer server(timed, {}, 1);
  RawClient late(server.port()), later(server.port());
  for (RawClient* c : {&late, &later}) c->send("GET /600000 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server->in_flight() == 2; }));
  server->stop(milliseconds(0));
  EXPECT_EQ(server->connections(), 0U);
}

}  // namespace
}  // namespace sv::net
