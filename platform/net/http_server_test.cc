#include "platform/net/http_server.h"

#include <fcntl.h>

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "platform/net/http_testing.h"

namespace sv::net {
namespace {

std::string pattern(std::size_t n) {
  std::string s(n, '\0');
  for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>('a' + i * 7 % 26);
  return s;
}

// A file or memory, as a store would give it.
class Blob final : public ObjectReader {
 public:
  explicit Blob(std::string bytes, bool as_file) : bytes_(std::move(bytes)) {
    if (!as_file) return;
    char name[] = "/tmp/sv_net_test.XXXXXX";
    file_ = ::mkstemp(name);
    ::unlink(name);
    if (::write(file_, bytes_.data(), bytes_.size()) != static_cast<ssize_t>(bytes_.size()))
      std::abort();
  }
  ~Blob() override {
    if (file_ >= 0) ::close(file_);
  }
  std::uint64_t size() const override { return bytes_.size(); }
  Task<Result<std::size_t>> read(std::uint64_t offset, std::span<std::byte> into) override {
    std::size_t n = std::min(into.size(), bytes_.size() - offset);
    std::memcpy(into.data(), bytes_.data() + offset, n);
    co_return n;
  }
  int native_handle() const override { return file_; }

 private:
  std::string bytes_;
  int file_ = -1;
};

Task<> app(Exchange& x) {
  constexpr std::string_view kText = "Content-Type: text/plain\r\n";
  std::string_view path = x.path();
  if (path == "/hello") {
    (void)co_await x.send(200, kText, "hello");
  } else if (path == "/describe") {
    std::string text(x.method());
    text += " " + std::string(x.path()) + " ?" + std::string(x.query()) + " " +
            std::string(x.header("x-name")) + " " + std::string(x.peer_address());
    (void)co_await x.send(200, kText, text);
  } else if (path == "/pieces") {
    std::vector<std::string> owned;
    for (int i = 0; i < 3000; ++i) owned.push_back(std::to_string(i) + ",");
    std::vector<std::string_view> pieces(owned.begin(), owned.end());
    (void)co_await x.send(200, kText, pieces);
  } else if (path == "/big") {
    (void)co_await x.send(200, kText, pattern(8 << 20));
  } else if (path == "/echo") {
    auto body = co_await x.read_all(16 << 20);
    if (body) {
      (void)co_await x.send(200, kText, *body);
    } else {
      (void)co_await x.send(http_status(body.error().code), kText, body.error().token);
    }
  } else if (path == "/small") {
    auto body = co_await x.read_all(10);
    (void)co_await x.send(body ? 200 : http_status(body.error().code), kText, "");
  } else if (path == "/count") {
    for (;;) {
      auto bytes = co_await x.read_some();
      if (!bytes) co_return;
      if (bytes->empty()) break;
    }
    (void)co_await x.send(200, kText, std::to_string(x.bytes_in()));
  } else if (path == "/ignore") {
    (void)co_await x.send(200, kText, "ignored");
  } else if (path == "/stream") {
    (void)co_await x.begin(200, kText, std::nullopt);
    for (int i = 0; i < 5; ++i)
      (void)co_await x.write(std::as_bytes(std::span(std::string_view("piece "))));
    (void)co_await x.finish();
  } else if (path == "/known") {
    (void)co_await x.begin(200, kText, 6);
    (void)co_await x.write(std::as_bytes(std::span(std::string_view("abcdef"))));
    (void)co_await x.finish();
  } else if (path == "/short") {
    (void)co_await x.begin(200, kText, 6);
    (void)co_await x.write(std::as_bytes(std::span(std::string_view("abc"))));
    (void)co_await x.finish();
  } else if (path == "/file" || path == "/memory") {
    Blob blob(pattern(3 << 20), path == "/file");
    (void)co_await x.send_object(206, kText, blob, 1000, (2 << 20) + 5);
  } else if (path == "/throw") {
    throw std::runtime_error("a bug");
  } else if (path == "/close") {
    x.close_after();
    (void)co_await x.send(200, kText, "bye");
  } else if (path == "/empty") {
    (void)co_await x.send(204, "", "");
  }  // else: no answer
}

std::string get(RawClient& c, std::string_view path, std::string_view method = "GET") {
  c.send(std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n");
  return c.answer(method == "HEAD");
}

bool ok(const std::string& answer, std::string_view body) {
  return answer.starts_with("HTTP/1.1 200 OK\r\n") &&
         answer.ends_with("\r\n\r\n" + std::string(body));
}

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  TestServer server(app);
  RawClient c(server.port());
  for (int i = 0; i < 3; ++i) {
    std::string a = get(c, "/hello");
    EXPECT_TRUE(ok(a, "hello")) << a;
    EXPECT_NE(a.find("Content-Length: 5\r\n"), std::string::npos);
    EXPECT_NE(a.find("\r\nDate: "), std::string::npos);
    EXPECT_NE(a.find(" GMT\r\n"), std::string::npos);
    EXPECT_EQ(a.find("Connection:"), std::string::npos);
  }
  EXPECT_EQ(server->connections(), 1u);
}

TEST(HttpServer, GivesTheHandlerTheRequest) {
  TestServer server(app);
  RawClient c(server.port());
  c.send("PATCH /describe?a=b%20c&d HTTP/1.1\r\nHost: a:80\r\nX-NAME: \tvalue \r\n\r\n");
  EXPECT_TRUE(ok(c.answer(), "PATCH /describe ?a=b%20c&d value 127.0.0.1"));
  c.send("GET http://other.example/describe?x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(ok(c.answer(), "GET /describe ?x  127.0.0.1"));
  c.send("\r\nGET /describe HTTP/1.1\r\nHost:\r\n\r\n");  // an empty line in front is forgiven
  EXPECT_TRUE(ok(c.answer(), "GET /describe ?  127.0.0.1"));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server(app);
  RawClient c(server.port());
  std::string requests;
  for (int i = 0; i < 200; ++i)
    requests += i % 2 ? "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                      : "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" +
                            std::to_string(100 + i);
  c.send(requests);
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(ok(c.answer(), i % 2 ? "hello" : std::to_string(100 + i))) << i;
}

TEST(HttpServer, ReadsARequestThatComesByteByByte) {
  TestServer server(app);
  RawClient c(server.port());
  std::string request =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
  for (char b : request) c.send({&b, 1});
  EXPECT_TRUE(ok(c.answer(), "abc0123456789"));
  EXPECT_TRUE(ok(get(c, "/hello"), "hello"));
}

TEST(HttpServer, SendsManyPiecesAsOneBody) {
  TestServer server(app);
  RawClient c(server.port());
  std::string expected;
  for (int i = 0; i < 3000; ++i) expected += std::to_string(i) + ",";
  EXPECT_TRUE(ok(get(c, "/pieces"), expected));
}

TEST(HttpServer, SendsALargeBodyToAReaderWithASmallBuffer) {
  TestServer server(app);
  RawClient c(server.port(), 4096);
  std::string a = get(c, "/big");
  EXPECT_TRUE(ok(a, pattern(8 << 20))) << a.size();
}

TEST(HttpServer, StreamsBodiesIn) {
  TestServer server(app);
  RawClient c(server.port());
  std::string body = pattern(5 << 20);
  c.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body);
  EXPECT_TRUE(ok(c.answer(), std::to_string(body.size())));
  std::string chunked;
  for (int i = 0; i < 50; ++i) chunked += "7d0\r\n" + pattern(2000) + "\r\n";
  c.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunked +
         "0\r\n\r\n");
  std::string a = c.answer();
  EXPECT_EQ(a.size() - a.find("\r\n\r\n") - 4, 100'000u);
}

TEST(HttpServer, StreamsAnswersOut) {
  TestServer server(app);
  RawClient c(server.port());
  EXPECT_TRUE(ok(get(c, "/stream"), "piece piece piece piece piece "));
  EXPECT_TRUE(ok(get(c, "/known"), "abcdef"));
  c.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");  // HTTP/1.0 knows no chunks:
                                                                     // the end is the close
  std::string a = c.rest();
  EXPECT_TRUE(ok(a, "piece piece piece piece piece ")) << a;
  EXPECT_EQ(a.find("chunked"), std::string::npos);
}

TEST(HttpServer, CutsAnAnswerThatFellShort) {
  TestServer server(app);
  RawClient c(server.port());
  EXPECT_TRUE(get(c, "/short").ends_with("abc<cut>"));
}

TEST(HttpServer, SendsObjectsFromFilesAndFromMemory) {
  TestServer server(app);
  for (std::string path : {"/file", "/memory"}) {
    RawClient c(server.port(), 16384);
    std::string a = get(c, path);
    EXPECT_TRUE(a.starts_with("HTTP/1.1 206 ")) << path;
    EXPECT_EQ(a.substr(a.find("\r\n\r\n") + 4), pattern(3 << 20).substr(1000, (2 << 20) + 5))
        << path;
    EXPECT_TRUE(ok(get(c, "/hello"), "hello"));
  }
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  TestServer server(app);
  RawClient c(server.port());
  EXPECT_NE(get(c, "/hello", "HEAD").find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(get(c, "/file", "HEAD").find("Content-Length: 2097157\r\n"), std::string::npos);
  EXPECT_NE(get(c, "/known", "HEAD").find("Content-Length: 6\r\n"), std::string::npos);
  get(c, "/stream", "HEAD");
  EXPECT_TRUE(get(c, "/empty").ends_with("\r\n\r\n"));
  EXPECT_TRUE(ok(get(c, "/hello"), "hello"));  // nothing of the bodies is in the way
}

TEST(HttpServer, SendsContinueOnlyWhenTheBodyIsWanted) {
  TestServer server(app);
  RawClient c(server.port());
  c.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(c.answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  c.send("abc");
  EXPECT_TRUE(ok(c.answer(), "abc"));
  c.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  std::string a =
      c.rest();  // the client may or may not send the body now: the connection cannot be kept
  EXPECT_TRUE(a.starts_with("HTTP/1.1 413 ")) << a;
  EXPECT_NE(a.find("Connection: close\r\n"), std::string::npos);
}

TEST(HttpServer, RefusesBodiesBeyondTheHandlersLimit) {
  TestServer server(app);
  RawClient known(server.port()), chunked(server.port());
  known.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890");
  EXPECT_TRUE(known.answer().starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(ok(get(known, "/hello"), "hello"));
  chunked.send(
      "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
  EXPECT_TRUE(chunked.answer().starts_with("HTTP/1.1 413 "));
}

TEST(HttpServer, DrainsALittleOfAnUnreadBodyAndClosesOnMore) {
  TestServer server(app);
  RawClient little(server.port()), much(server.port());
  little.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
              pattern(100'000));
  EXPECT_TRUE(ok(little.answer(), "ignored"));
  EXPECT_TRUE(ok(get(little, "/hello"), "hello"));
  much.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" +
            pattern(3'000'000));
  much.finish_sending();
  std::string a = much.rest();
  EXPECT_TRUE(ok(a, "ignored"));
  EXPECT_NE(a.find("Connection: close\r\n"), std::string::npos);
}

TEST(HttpServer, AnswersFiveHundredForAHandlerThatThrowsOrForgets) {
  TestServer server(app);
  for (std::string path : {"/throw", "/nowhere"}) {
    RawClient c(server.port());
    EXPECT_TRUE(get(c, path).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
    EXPECT_TRUE(c.closed_by_server());
  }
}

TEST(HttpServer, ClosesWhenEitherSideAsksForIt) {
  TestServer server(app);
  RawClient mine(server.port()), theirs(server.port()), old(server.port());
  EXPECT_NE(get(mine, "/close").find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(mine.closed_by_server());
  theirs.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Foo, close\r\n\r\n");
  EXPECT_TRUE(ok(theirs.rest(), "hello"));
  old.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(old.answer().find("Connection: keep-alive\r\n"), std::string::npos);
  old.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(ok(old.rest(), "hello"));
}

TEST(HttpServer, SaysWhichAddressCannotBeBound) {
  TestServer server(app);
  asio::io_context context;
  HttpServerOptions taken{.host = "127.0.0.1", .port = server.port(), .limits = {}},
      nonsense{.host = "nowhere", .port = 0, .limits = {}};
  auto second =
      make_http_server(taken, {context.get_executor(), context.get_executor()}, app, nullptr)
          ->start();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find("127.0.0.1:" + std::to_string(server.port())),
            std::string::npos);
  auto bad = make_http_server(nonsense, {context.get_executor()}, app, nullptr)->start();
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().detail.find("nowhere"), std::string::npos);
}

}  // namespace
}  // namespace sv::net
