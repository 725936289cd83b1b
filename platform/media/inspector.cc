#include "platform/media/inspector.h"

#include <cstdio>
#include <set>
#include <system_error>

#include "platform/media/packets.h"
#include "platform/media/sniff.h"

namespace sv::media {

namespace fs = std::filesystem;
using std::chrono::seconds;

Task<Result<Source>> Inspector::inspect(const fs::path& source, const WorkFolder& work, Look look) {
  SV_CO_TRY(auto container, co_await sniff_file(source));
  commands::Input in{jail(source, work).source_url(), std::string(demuxer(container)),
                     options_.max_pixels, options_.threads};
  SV_CO_TRY(auto exit,
            co_await tool(source, work, commands::probe(in), {.cpu = seconds(20)}, seconds(30)));
  auto seen = parse_probe(exit.out, {}, {});
  if (seen && (look == Look::packets || seen->films > 1)) {
    if (seen->films == 1) SV_CO_CHECK(check_limits(*seen));
    SV_CO_TRY(const auto tracks, co_await read_packets(source, work, in));
    if (tracks.empty()) co_return fail(Errc::unprocessable, "media_no_video", "no packets");
    std::set<int> mute;
    seen = parse_probe(exit.out, tracks, mute);
    while (seen && look == Look::packets && seen->audio >= 0) {
      SV_CO_TRY(const auto sound, co_await hear(source, work, in, seen->audio));
      if (sound == Sound::odd) seen->info.plain = false;
      if (sound != Sound::none) break;
      mute.insert(seen->audio);
      seen = parse_probe(exit.out, tracks, mute);
    }
  }
  if (!seen) {
    if (too_many_pixels(exit.err))
      co_return fail(Errc::unprocessable, "media_too_large", tail(exit.err));
    co_return std::unexpected(std::move(seen.error()));
  }
  seen->demuxer = in.demuxer;
  SV_CO_CHECK(check_limits(*seen));
  auto& info = seen->info;
  std::error_code error;
  if (info.bit_rate <= 0 && info.duration_ms > 0)
    info.bit_rate =
        static_cast<std::int64_t>(fs::file_size(source, error)) * 8000 / info.duration_ms;
  co_return std::move(*seen);
}

Result<> Inspector::check_limits(const Source& seen) const {
  const auto& info = seen.info;
  if (std::int64_t{info.width} * info.height > options_.max_pixels)
    return fail(Errc::unprocessable, "media_too_large",
                fmt::format("{}×{}", info.width, info.height));
  const auto length = std::max(info.duration_ms, seen.longest_ms);
  if (length > options_.max_duration.count())
    return fail(Errc::unprocessable, "media_too_long", fmt::format("{} ms", length));
  return {};
}

Task<Result<Tracks>> Inspector::read_packets(const fs::path& source, const WorkFolder& work,
                                             const commands::Input& in) {
  std::error_code error;
  const auto limit =
      seconds(60) + seconds(static_cast<std::int64_t>(fs::file_size(source, error)) >> 25);
  auto reader = std::make_shared<PacketReader>();
  auto spec = child(jail(source, work), {.cpu = limit}, commands::packets(in), limit);
  spec.output_limit = 1 << 16;
  spec.on_output = [reader](std::string_view piece) { reader->feed(piece); };
  SV_CO_TRY(auto exit, co_await run_child(pool_, std::move(spec)));
  SV_CO_CHECK(judge(exit));
  co_return reader->finish();
}

Task<Result<Inspector::Sound>> Inspector::hear(const fs::path& source, const WorkFolder& work,
                                               const commands::Input& in, int stream) {
  auto exit =
      co_await tool(source, work, commands::sound(in, stream), {.cpu = seconds(20)}, seconds(30));
  if (!exit) {
    if (exit.error().code == Errc::unprocessable) co_return Sound::none;
    co_return std::unexpected(std::move(exit.error()));
  }
  auto sound = Sound::none;
  for (std::string_view rest = exit->out; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    int samples = 0, channels = 0;
    if (std::sscanf(std::string(line).c_str(), "%d,%d", &samples, &channels) != 2) continue;
    if (sound != Sound::odd) sound = Sound::plain;
    if (samples > 1024 || channels > 2) sound = Sound::odd;
  }
  co_return sound;
}

// Reading headers can wait for a disk, so the pool does it.
Task<Result<Container>> Inspector::sniff_file(fs::path source) {
  auto look = [source, max_pixels = options_.max_pixels]() -> Result<Container> {
    SV_TRY(auto head, read_head(source));
    auto container = sniff(head.bytes);
    if (container == Container::unknown)
      return fail(Errc::unprocessable, "media_unreadable",
                  head.file_size == 0 ? "empty file" : "unknown magic bytes");
    SV_CHECK(check_structure(source, container, max_pixels));
    return container;
  };
  auto done = co_await offload(pool_, std::move(look));
  if (!done)
    co_return fail(Errc::unavailable, "media_busy", "too many media processes are waiting");
  co_return std::move(*done);
}

}  // namespace sv::media
