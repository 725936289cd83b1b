#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include "platform/media/hls.h"
#include "platform/media/inspector.h"
#include "platform/media/mp4.h"
#include "platform/media/sniff.h"
#include "platform/media/sprite.h"

namespace sv::media {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMaxIndex = 16 << 20;  // of an MP4's `moov`

bool installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    auto end = std::min(rest.find(':'), rest.size());
    if (::access((fs::path(rest.substr(0, end)) / program).c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

class FfmpegTools final : public MediaTools, Inspector {
 public:
  explicit FfmpegTools(Options options) : Inspector(std::move(options)) {}

  Task<Result<>> check() override {
    for (std::string program :
         {"ffmpeg", "ffprobe", "prlimit", options_.jail ? "bwrap" : "setpriv"}) {
      if (!installed(program))
        co_return fail(Errc::unavailable, "media_jail",
                       program + " is not installed: apt-get install ffmpeg bubblewrap util-linux");
    }
    std::error_code ignored;
    fs::create_directories(options_.scratch, ignored);
    SV_CO_TRY(auto work, WorkFolder::make(options_.scratch));
    ChildSpec spec = child(Jail{options_.jail, work.path(), {}}, {.cpu = seconds(20)},
                           {"ffmpeg", "-nostdin", "-hide_banner", "-encoders"}, seconds(30));
    SV_CO_TRY(auto exit, co_await run_child(pool_, std::move(spec)));
    if (exit.code != 0)
      co_return fail(Errc::unavailable, "media_jail",
                     "ffmpeg does not run in its jail: " + tail(exit.err));
    for (std::string_view encoder : {" libx264 ", " aac ", " mjpeg "}) {
      if (exit.out.find(encoder) == exit.out.npos)
        co_return fail(Errc::unavailable, "media_jail",
                       fmt::format("this ffmpeg has no encoder{}", encoder));
    }
    co_return Result<>{};
  }

  Task<Result<MediaInfo>> probe(fs::path source) override {
    SV_CO_TRY(auto work, WorkFolder::make(fs::absolute(source).parent_path()));
    SV_CO_TRY(auto seen, co_await inspect(source, work, Look::packets));
    co_return std::move(seen.info);
  }

  Task<Result<>> poster(fs::path source, milliseconds at, fs::path out) override {
    SV_CO_TRY(auto work, WorkFolder::make(out.parent_path()));
    SV_CO_TRY(auto seen, co_await inspect(source, work, Look::headers));
    // A time at or behind the last frame, or in a broken part, gives no picture; the beginning may.
    for (auto ms : {std::max<std::int64_t>(0, at.count()), std::int64_t{0}}) {
      auto done = co_await tool(source, work, commands::poster(input(source, seen), seen, ms),
                                {.cpu = seconds(60)}, seconds(60));
      if (!done && (ms == 0 || done.error().token != "media_unreadable"))
        co_return std::unexpected(std::move(done.error()));
      if (work.plain("poster.jpg")) break;
    }
    co_return work.hand_out("poster.jpg", out);
  }

  Task<Result<>> sprite(fs::path source, const MediaInfo& info, fs::path sprite_out,
                        fs::path vtt_out, std::string sprite_url) override {
    auto duration_ms = info.duration_ms;
    SV_CO_TRY(auto work, WorkFolder::make(sprite_out.parent_path()));
    SV_CO_TRY(auto seen, co_await inspect(source, work, Look::headers));
    auto plan = plan_sprite(seen.info.width, seen.info.height, duration_ms);
    auto limit = seconds(120) + seconds(duration_ms / 2000);
    SV_CO_TRY(auto exit,
              co_await tool(source, work,
                            commands::key_frames(input(source, seen), seen, plan.tile_width,
                                                 plan.tile_height, plan.interval_s),
                            {.cpu = limit}, limit));
    auto times = key_frame_times(exit.err);
    if (times.empty() || !work.plain("grid.bmp"))
      co_return fail(Errc::unprocessable, "media_unreadable", "no key frame");
    auto grid = grid_for(times.size());
    SV_CO_CHECK(co_await tool(
        {}, work, commands::crop_grid(grid.columns * plan.tile_width, grid.rows * plan.tile_height),
        {.cpu = seconds(30)}, seconds(30)));
    std::ofstream vtt(work.path() / "sprite.vtt", std::ios::binary);
    vtt << write_vtt(times, duration_ms, plan, sprite_url);
    vtt.close();
    if (!vtt) co_return fail(Errc::storage_full, {}, "cannot write the WebVTT file");
    SV_CO_CHECK(work.hand_out("sprite.jpg", sprite_out));
    co_return work.hand_out("sprite.vtt", vtt_out);
  }

  Task<Result<>> image(fs::path source, int short_side, fs::path out) override {
    SV_CO_TRY(auto kind, picture_demuxer(source));
    if (kind.empty())
      co_return fail(Errc::unprocessable, "media_unreadable",
                     "not a JPEG, PNG, WebP or GIF picture");
    SV_CO_TRY(auto work, WorkFolder::make(out.parent_path()));
    auto argv = commands::image(
        {jail(source, work).source_url(), kind, options_.max_pixels, options_.threads}, short_side);
    co_return co_await redraw(source, work, std::move(argv), out);
  }

  Task<Result<>> avatar(fs::path source, int short_side, fs::path out) override {
    SV_CO_TRY(auto kind, picture_demuxer(source));
    if (kind.empty())
      co_return fail(Errc::unsupported_media, {}, "not a JPEG, PNG, WebP or GIF picture");
    SV_CO_TRY(auto work, WorkFolder::make(out.parent_path()));
    auto argv = commands::avatar(
        {jail(source, work).source_url(), kind, kAvatarPixels, options_.threads}, short_side);
    co_return co_await redraw(source, work, std::move(argv), out);
  }

  Task<Result<>> remux(fs::path source, const MediaInfo& info, fs::path out) override {
    auto expected_ms = info.duration_ms;
    SV_CO_TRY(auto work, WorkFolder::make(out.parent_path()));
    SV_CO_TRY(auto seen, co_await inspect(source, work, Look::packets));
    if (!seen.info.plain)
      co_return fail(Errc::unsupported_media, "media_unsupported", "must be encoded");
    auto limit = seconds(60) + seconds(expected_ms / 10000);
    std::error_code error;
    JailLimits limits{
        .file_bytes = static_cast<std::int64_t>(fs::file_size(source, error)) + (64LL << 20),
        .cpu = limit};
    auto copied =
        co_await tool(source, work, commands::remux(input(source, seen), seen), limits, limit);
    if (!copied) {
      auto why = std::move(copied.error());
      // The streams do not fit into an MP4.
      if (why.token == "media_unreadable")
        why.code = Errc::unsupported_media, why.token = "media_unsupported";
      co_return std::unexpected(std::move(why));
    }
    SV_CO_CHECK(co_await check_copy(work, seen));
    co_return work.hand_out("out.mp4", out);
  }

  Task<Result<std::vector<RenditionFile>>> transcode(fs::path source, const MediaInfo& info,
                                                     std::vector<Rung> rungs, fs::path folder,
                                                     Progress progress) override {
    auto expected_ms = info.duration_ms;
    if (rungs.empty()) co_return fail(Errc::internal, {}, "no rungs");
    SV_CO_TRY(auto work, WorkFolder::make(folder));
    SV_CO_TRY(auto seen, co_await inspect(source, work, Look::packets));
    const auto timing = plan_timing(seen.pictures, seen.pictures_end, seen.end);
    std::error_code error;
    for (const auto& r : rungs) fs::create_directory(work.path() / r.name, error);
    // Bounds that no honest source of this length meets: 60 CPU seconds a second, twice the highest
    // cap.
    auto limit = seconds(300) + seconds(expected_ms * 60 / 1000);
    JailLimits limits{.file_bytes = (64LL << 20) + expected_ms * 1200, .cpu = limit};
    auto reader = std::make_shared<ProgressReader>();
    auto argv =
        commands::ladder(input(source, seen), seen, timing, rungs, options_.max_duration.count());
    auto spec = child(jail(source, work), limits, std::move(argv), limit);
    spec.on_output = [reader, progress = std::move(progress),
                      executor = co_await asio::this_coro::executor,
                      expected_ms](std::string_view piece) {
      if (!reader->feed(piece) || !progress || expected_ms <= 0) return;
      int percent = static_cast<int>(
          std::clamp<std::int64_t>(reader->reached_us() / 10 / expected_ms, 0, 99));
      asio::post(executor, [progress, percent] { progress(percent); });
    };
    SV_CO_TRY(auto exit, co_await run_child(pool_, std::move(spec)));
    SV_CO_CHECK(judge(exit));
    // ffmpeg carries on over what it cannot read. Less than half: interlaced pictures may come in
    // two packets.
    const auto expected = static_cast<std::int64_t>(seen.pictures.size()) / timing.keep_every;
    if (reader->pictures() * 5 < expected * 2)
      co_return fail(
          Errc::unprocessable, "media_unreadable",
          fmt::format("{} pictures of {}: {}", reader->pictures(), expected, tail(exit.err)));
    co_return collect(work, rungs, folder, milliseconds((seen.end + 500) / 1000));
  }

 private:
  static Result<std::string> picture_demuxer(const fs::path& source) {
    SV_TRY(auto head, read_head(source));
    return std::string(demuxer(sniff_picture(head.bytes)));
  }

  Task<Result<>> redraw(fs::path source, const WorkFolder& work, commands::Argv argv,
                        fs::path out) {
    SV_CO_TRY(auto done,
              co_await tool(source, work, std::move(argv), {.cpu = seconds(30)}, seconds(30)));
    if (!work.plain("image.jpg") && too_many_pixels(done.err))
      co_return fail(Errc::unprocessable, "media_too_large", tail(done.err));
    co_return work.hand_out("image.jpg", out);
  }

  // A copy is watchable when pictures come out of it, and when what it says of its own sound is
  // what every player understands.
  Task<Result<>> check_copy(const WorkFolder& work, const Source& seen) {
    constexpr int kEnough = 5;
    SV_CO_TRY(auto exit, co_await tool({}, work, commands::pictures("out.mp4", kEnough),
                                       {.cpu = seconds(30)}, seconds(30)));
    ProgressReader reader;
    reader.feed(exit.out);
    if (reader.pictures() < std::min<std::int64_t>(kEnough, std::ssize(seen.pictures)))
      co_return fail(Errc::unprocessable, "media_unreadable",
                     "pictures cannot be decoded: " + tail(exit.err));
    auto look = [path = work.path() / "out.mp4"]() -> Result<Mp4Facts> {
      std::ifstream file(path, std::ios::binary);
      std::string head(kMaxIndex, '\0');
      file.read(head.data(), static_cast<std::streamsize>(head.size()));
      head.resize(static_cast<std::size_t>(file.gcount()));
      return read_mp4(head);
    };
    auto facts = co_await offload(pool_, std::move(look));
    if (!facts)
      co_return fail(Errc::unavailable, "media_busy", "too many media processes are waiting");
    const bool sound = seen.audio >= 0;
    if (!*facts || (sound && ((*facts)->audio_codec != "mp4a.40.2" ||
                              (*facts)->audio_channels < 1 || (*facts)->audio_channels > 2)))
      co_return fail(Errc::unsupported_media, "media_unsupported", "sound that is not plain");
    co_return Result<>{};
  }

  static Result<> mend_playlist(const fs::path& playlist, milliseconds duration) {
    std::stringstream text;
    text << std::ifstream(playlist, std::ios::binary).rdbuf();
    std::ofstream out(playlist, std::ios::binary);
    out << mend_media_playlist(text.str(), duration);
    out.close();
    if (!out) return fail(Errc::storage_full, {}, "cannot write " + playlist.string());
    return {};
  }

  static Result<std::vector<RenditionFile>> collect(const WorkFolder& work,
                                                    const std::vector<Rung>& rungs,
                                                    const fs::path& folder, milliseconds duration) {
    std::vector<RenditionFile> files;
    std::error_code error;
    for (const auto& rung : rungs) {
      auto from = work.path() / rung.name, to = folder / rung.name;
      RenditionFile file{.rung = rung,
                         .mp4 = folder / (rung.name + ".mp4"),
                         .playlist = to / "index.m3u8",
                         .segments = {to / "init.mp4"}};
      auto missing = [&](const fs::path& name) {
        return fail(Errc::unprocessable, "media_unreadable", "no " + name.string());
      };
      if (!work.plain(fs::path(rung.name) / "index.m3u8")) return missing(file.playlist);
      if (!work.plain(fs::path(rung.name) / "init.mp4")) return missing(file.segments[0]);
      for (int i = 0; work.plain(fs::path(rung.name) / fmt::format("{:05}.m4s", i)); ++i)
        file.segments.push_back(to / fmt::format("{:05}.m4s", i));
      auto made = std::distance(fs::directory_iterator(from, error), fs::directory_iterator());
      if (file.segments.size() < 2 || static_cast<std::size_t>(made) != file.segments.size() + 1)
        return missing(to / "segments");
      SV_CHECK(mend_playlist(from / "index.m3u8", duration));
      SV_CHECK(work.hand_out(rung.name + ".mp4", file.mp4));
      fs::remove_all(to, error);  // of an earlier attempt
      fs::rename(from, to, error);
      if (error)
        return fail(Errc::internal, {},
                    fmt::format("rename to {}: {}", to.string(), error.message()));
      files.push_back(std::move(file));
    }
    return files;
  }
};

}  // namespace

std::unique_ptr<MediaTools> make_media_tools(MediaTools::Options options) {
  return std::make_unique<FfmpegTools>(std::move(options));
}

}  // namespace sv::media
