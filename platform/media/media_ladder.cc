// media_ladder SOURCE FOLDER [SHORT_SIDE]: makes the ladder of a file up to SHORT_SIDE, as the
// worker does but outside the jail, whose first process nobody waits for, so that the CPU time
// within would not be counted. For bench/media_ladder.py.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "platform/media/media_tools.h"

namespace {

using sv::media::MediaTools;

sv::Task<> make_ladder(MediaTools& tools, std::filesystem::path source,
                       std::filesystem::path folder, int short_side) {
  auto info = co_await tools.probe(source);
  if (!info) throw std::runtime_error(info.error().token + ": " + info.error().detail);
  auto rungs = sv::media::ladder_for(*info);
  std::erase_if(rungs, [&](const auto& r) { return std::min(r.width, r.height) > short_side; });
  auto made = co_await tools.transcode(source, *info, std::move(rungs), folder, {});
  if (!made) throw std::runtime_error(made.error().token + ": " + made.error().detail);
  for (const auto& r : *made) std::printf("%s %dx%d\n", r.mp4.c_str(), r.rung.width, r.rung.height);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: media_ladder SOURCE FOLDER [SHORT_SIDE]\n"), 2;
  auto tools = sv::media::make_media_tools({.scratch = argv[2], .jail = false});
  boost::asio::io_context io;
  int code = 0;
  boost::asio::co_spawn(io,
                        make_ladder(*tools, argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 1080),
                        [&](std::exception_ptr failure) {
                          try {
                            if (failure) std::rethrow_exception(failure);
                          } catch (const std::exception& e) {
                            std::fprintf(stderr, "media_ladder: %s\n", e.what());
                            code = 1;
                          }
                        });
  io.run();
  return code;
}
