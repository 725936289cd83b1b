#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "gateway/test_support.h"

namespace sv::gateway::testing {
namespace {

// The gateway behind the real HTTP server, on a port of its own.
class Served : public ::testing::Test {
 protected:
  Served()
      : work(asio::make_work_guard(io)),
        server(net::make_http_server({.host = "127.0.0.1", .port = 0, .limits = {}},
                                     {io.get_executor()}, w.gateway->handler(),
                                     w.gateway->error_body())) {
    EXPECT_TRUE(server->start());
    thread = std::thread([this] { io.run(); });
  }
  ~Served() override { stop(); }
  // After it the fakes may be looked at.
  void stop() {
    if (!thread.joinable()) return;
    server->stop(std::chrono::seconds(1));
    work.reset();
    thread.join();
  }
  // Sends the text and returns all that comes back until the server closes.
  std::string talk(const std::string& request) {
    asio::io_context client;
    asio::ip::tcp::socket socket(client);
    socket.connect({asio::ip::make_address("127.0.0.1"), server->port()});
    asio::write(socket, asio::buffer(request));
    std::string out;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(out), end);
    return out;
  }

  // Sends the text, hangs up, and waits until the server is done with the connection.
  void talk_and_leave(const std::string& request) {
    asio::io_context client;
    asio::ip::tcp::socket socket(client);
    socket.connect({asio::ip::make_address("127.0.0.1"), server->port()});
    asio::write(socket, asio::buffer(request));
    socket.shutdown(asio::ip::tcp::socket::shutdown_send);
    std::string out;
    boost::system::error_code end;
    asio::read(socket, asio::dynamic_buffer(out), end);
  }

  World w;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::unique_ptr<net::HttpServer> server;
  std::thread thread;
};

TEST_F(Served, TheFeedComesWithItsHeadersTwiceOnOneConnection) {
  const std::string answer = talk(
      "GET /api/video/feed?page_size=20 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /api/video/feed?page_size=20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(answer.find("HTTP/1.1 200 OK\r\n", 1) != std::string::npos);
  EXPECT_TRUE(answer.contains("X-Request-Id: "));
  EXPECT_TRUE(answer.contains("RateLimit: \"read\";r=99;"));
  stop();
  EXPECT_EQ(w.videos.feeds, 1);
}

TEST_F(Served, AFormIsReceivedInPieces) {
  const std::string video(300'000, 'v');
  const std::string body =
      "--B\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nt\r\n"
      "--B\r\nContent-Disposition: form-data; name=\"video\"; filename=\"x\"\r\n\r\n" +
      video + "\r\n--B--\r\n";
  const std::string answer = talk(
      "POST /api/auth/video/upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: " +
      w.bearer(4) + "\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  stop();
  EXPECT_EQ(w.objects.objects["uploads/9"], video);
}

TEST_F(Served, ARequestThatIsNotHttpGetsTheEnvelope) {
  const std::string answer = talk("NONSENSE\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_TRUE(answer.contains(R"({"code":400,)")) << answer;
  EXPECT_TRUE(answer.contains(R"("error":"bad_request")")) << answer;
}

TEST_F(Served, AClientThatLeavesDuringAnUploadIsAborted) {
  talk_and_leave(
      "POST /api/auth/video/upload HTTP/1.1\r\nHost: a\r\nAuthorization: " + w.bearer(4) +
      "\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n"
      "--B\r\nContent-Disposition: form-data; name=\"video\"; filename=\"x\"\r\n\r\nabc");
  stop();
  EXPECT_EQ(w.videos.aborted, 1);
  EXPECT_TRUE(w.objects.objects.empty());
}

}  // namespace
}  // namespace sv::gateway::testing
