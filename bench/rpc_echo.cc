// A server whose services answer at once, so that what is measured is the way there: bench/rpc.py.
//   rpc_echo PORT_OF_VERIFY PORT_OF_FEED     serves until it is ended
//   rpc_echo --in-process                    what a call between two services of one process costs
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "idl/services.h"
#include "platform/core/block_on.h"
#include "platform/rpc/server.h"

namespace sv {
namespace {

struct EchoUsers final : user::UserAbsent {
  Task<Result<bool>> verify_token(const Ctx&, const std::string&) override { co_return true; }
};

// Twenty videos, about 5 KB; made once, as the service has what it shows in memory.
video::FeedResp twenty_videos() {
  video::FeedResp out;
  for (std::int64_t n = 1; n <= 20; ++n) {
    Video& v = out.videos.emplace_back();
    v.id = VideoId{n};
    v.author_id = UserId{n};
    v.url = "/media/787354452754432/787354452754433/787354439133184/360.mp4";
    v.cover_url = "/media/787354452754432/787354452754433/787354439133184/poster.jpg";
    v.like_count = 7;
    v.comment_count = 3;
    v.title = "a title of some length";
    v.publish_time = 1'764'200'000'000;
    v.description = "and a description that is a little longer";
  }
  out.next_time = 1;
  return out;
}

struct EchoVideos final : video::VideoAbsent {
  Task<Result<video::FeedResp>> get_feed(const Ctx&, const video::FeedReq&) override {
    co_return page;
  }
  const video::FeedResp page = twenty_videos();
};

Task<Result<bool>> in_process(user::UserApi& users) {
  constexpr int kCalls = 2'000'000;
  const Ctx ctx;
  const std::string token(100, 't');
  const auto start = std::chrono::steady_clock::now();
  bool all = true;
  for (int i = 0; i < kCalls; ++i) all = co_await users.verify_token(ctx, token) && all;
  const auto took = std::chrono::steady_clock::now() - start;
  fmt::print("{{\"ns_a_call\": {:.1f}}}\n",
             std::chrono::duration<double, std::nano>(took).count() / kCalls);
  co_return all;
}

int serve(const char* verify, const char* feed) {
  asio::io_context io(1);
  EchoUsers users;
  EchoVideos videos;
  Services services;
  services.user = &users;
  services.video = &videos;
  std::unique_ptr<rpc::Server> servers[2];
  const std::pair<const char*, const char*> ports[] = {{"user", verify}, {"video", feed}};
  for (std::size_t i = 0; i < 2; ++i) {
    servers[i] = rpc::make_server({.port = static_cast<std::uint16_t>(std::atoi(ports[i].second)),
                                   .trusts = [](const asio::ip::address&) { return true; },
                                   .service = ports[i].first},
                                  {io.get_executor()}, dispatcher_of(services, ports[i].first));
    if (auto started = servers[i]->start(); !started) {
      fmt::print(stderr, "{}\n", started.error().detail);
      return 1;
    }
  }
  io.run();
  return 0;
}

}  // namespace
}  // namespace sv

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--in-process") {
    sv::EchoUsers users;
    return sv::block_on(sv::in_process(users)) ? 0 : 1;
  }
  if (argc == 3) return sv::serve(argv[1], argv[2]);
  fmt::print(stderr, "usage: rpc_echo PORT_OF_VERIFY PORT_OF_FEED | --in-process\n");
  return 2;
}
