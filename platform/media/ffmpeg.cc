#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <system_error>

#include "platform/media/child_process.h"
#include "platform/media/commands.h"
#include "platform/media/jail.h"
#include "platform/media/media_tools.h"
#include "platform/media/sniff.h"
#include "platform/media/source.h"
#include "platform/media/sprite.h"

namespace sv::media {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A job's private folder beside the place its result goes to; what a tool may write is here until
// it has been looked at.
class WorkFolder {
 public:
  static Result<WorkFolder> make(const fs::path& beside) {
    auto name = (fs::absolute(beside) / ".work-XXXXXX").string();
    if (!::mkdtemp(name.data())) {
      int error = errno;
      return fail(error == ENOSPC ? Errc::storage_full : Errc::internal, {},
                  fmt::format("mkdtemp {}: {}", name, std::strerror(error)));
    }
    return WorkFolder(name);
  }
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  // A result counts only as a plain file: a tool that was taken over could have left a link.
  bool plain(const fs::path& name) const {
    struct stat st{};
    return ::lstat((path_ / name).c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
           st.st_size > 0;
  }
  Result<> hand_out(const fs::path& name, const fs::path& to) const {
    std::error_code error;
    if (!plain(name))
      return fail(Errc::unprocessable, "media_unreadable", "the tool made no " + name.string());
    fs::rename(path_ / name, to, error);
    if (error)
      return fail(Errc::internal, {},
                  fmt::format("rename to {}: {}", to.string(), error.message()));
    return {};
  }

 private:
  explicit WorkFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

std::string tail(std::string_view s) {
  while (!s.empty() && s.back() == '\n') s.remove_suffix(1);
  return std::string(s.substr(s.size() - std::min<std::size_t>(s.size(), 300)));
}

Result<> judge(const ChildExit& exit) {
  if (exit.timed_out) return fail(Errc::unprocessable, "media_timeout", "wall clock");
  if (exit.code == 0) return {};
  auto said = [&](std::string_view words) { return exit.err.find(words) != exit.err.npos; };
  for (std::string_view ours : {"bwrap: ", "prlimit: ", "setpriv: "}) {
    if (exit.err.starts_with(ours)) return fail(Errc::unavailable, "media_jail", tail(exit.err));
  }
  if (exit.code == 128 + SIGXCPU) return fail(Errc::unprocessable, "media_timeout", "CPU limit");
  if (said("No space left on device") || said("Disk quota exceeded"))
    return fail(Errc::storage_full, {}, tail(exit.err));
  if (exit.code == 128 + SIGXFSZ || said("File too large") || said("Cannot allocate memory"))
    return fail(Errc::unprocessable, "media_too_large", tail(exit.err));
  if (exit.code == 128 + SIGKILL)
    return fail(Errc::unavailable, "media_killed", "killed, probably for lack of memory");
  return fail(Errc::unprocessable, "media_unreadable",
              fmt::format("exit {}: {}", exit.code, tail(exit.err)));
}

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

// Follows ffmpeg's `-progress`: key=value lines.
class ProgressReader {
 public:
  std::int64_t reached_us() const { return reached_us_; }
  // Tells whether the time has moved.
  bool feed(std::string_view piece) {
    auto before = reached_us_;
    line_ += piece;
    std::size_t end;
    while ((end = line_.find('\n')) != line_.npos) {
      std::string_view line(line_.data(), end);
      if (line.starts_with("out_time_us="))
        reached_us_ = std::max(
            reached_us_, static_cast<std::int64_t>(std::strtoll(line.data() + 12, nullptr, 10)));
      line_.erase(0, end + 1);
    }
    return reached_us_ != before;
  }

 private:
  std::string line_;
  std::int64_t reached_us_ = 0;
};

class FfmpegTools : public MediaTools {
 public:
  explicit FfmpegTools(Options options) : options_(std::move(options)), pool_("media", 8, 256) {}

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
    SV_CO_TRY(auto seen, co_await inspect(source, work));
    co_return std::move(seen.info);
  }

  Task<Result<>> poster(fs::path source, milliseconds at, fs::path out) override {
    SV_CO_TRY(auto work, WorkFolder::make(out.parent_path()));
    SV_CO_TRY(auto seen, co_await inspect(source, work));
    // A time at or behind the last frame gives no picture; the beginning always does.
    for (auto ms :
         {std::clamp<std::int64_t>(at.count(), 0, std::max<std::int64_t>(0, seen.info.duration_ms)),
          std::int64_t{0}}) {
      SV_CO_CHECK(co_await tool(source, work, commands::poster(input(source, seen), seen, ms),
                                {.cpu = seconds(60)}, seconds(60)));
      if (work.plain("poster.jpg")) break;
    }
    co_return work.hand_out("poster.jpg", out);
  }

  Task<Result<>> sprite(fs::path source, const MediaInfo& info, fs::path sprite_out,
                        fs::path vtt_out, std::string sprite_url) override {
    auto duration_ms = info.duration_ms;
    SV_CO_TRY(auto work, WorkFolder::make(sprite_out.parent_path()));
    SV_CO_TRY(auto seen, co_await inspect(source, work));
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
    SV_CO_TRY(auto seen, co_await inspect(source, work));
    auto limit = seconds(60) + seconds(expected_ms / 10000);
    std::error_code error;
    JailLimits limits{
        .file_bytes = static_cast<std::int64_t>(fs::file_size(source, error)) + (64LL << 20),
        .cpu = limit};
    SV_CO_CHECK(
        co_await tool(source, work, commands::remux(input(source, seen), seen), limits, limit));
    co_return work.hand_out("out.mp4", out);
  }

  Task<Result<std::vector<RenditionFile>>> transcode(fs::path source, const MediaInfo& info,
                                                     std::vector<Rung> rungs, fs::path folder,
                                                     Progress progress) override {
    auto expected_ms = info.duration_ms;
    if (rungs.empty()) co_return fail(Errc::internal, {}, "no rungs");
    SV_CO_TRY(auto work, WorkFolder::make(folder));
    SV_CO_TRY(auto seen, co_await inspect(source, work));
    std::error_code error;
    for (const auto& r : rungs) fs::create_directory(work.path() / r.name, error);
    // Bounds that no honest source of this length meets: 60 CPU seconds a second, twice the highest
    // cap.
    auto limit = seconds(300) + seconds(expected_ms * 60 / 1000);
    JailLimits limits{.file_bytes = (64LL << 20) + expected_ms * 1200, .cpu = limit};
    auto reader = std::make_shared<ProgressReader>();
    auto argv = commands::ladder(input(source, seen), seen, rungs, options_.max_duration.count());
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
    // ffmpeg carries on over what it cannot read; a rendition that ends early is not one.
    auto missing_ms = expected_ms - reader->reached_us() / 1000;
    if (missing_ms > std::max<std::int64_t>(500, expected_ms / 50)) {
      co_return fail(
          Errc::unprocessable, "media_truncated",
          fmt::format("{} ms of {} are missing: {}", missing_ms, expected_ms, tail(exit.err)));
    }
    co_return collect(work, rungs, folder);
  }

 private:
  static bool too_many_pixels(std::string_view err) {
    for (std::string_view words : {"max pixel count", "exceeds maximum", "Picture size",
                                   "image size", "Invalid dimensions"}) {
      if (err.find(words) != err.npos) return true;
    }
    return false;
  }

  Jail jail(const fs::path& source, const WorkFolder& work) const {
    return Jail{options_.jail, work.path(), source};
  }

  commands::Input input(const fs::path& source, const Source& seen) const {
    return {Jail{options_.jail, {}, source}.source_url(), seen.demuxer, options_.max_pixels,
            options_.threads};
  }

  static ChildSpec child(const Jail& jail, const JailLimits& limits, commands::Argv argv,
                         milliseconds wall_clock) {
    ChildSpec spec;
    spec.argv = jail.wrap(limits, std::move(argv));
    spec.folder = jail.folder;
    spec.wall_clock = wall_clock;
    return spec;
  }

  Task<Result<ChildExit>> tool(fs::path source, const WorkFolder& work, commands::Argv argv,
                               JailLimits limits, milliseconds wall_clock) {
    SV_CO_TRY(auto exit, co_await run_child(pool_, child(jail(source, work), limits,
                                                         std::move(argv), wall_clock)));
    if (auto verdict = judge(exit); !verdict) {
      if (verdict.error().token == "media_unreadable" && too_many_pixels(exit.err))
        verdict.error().token = "media_too_large";
      co_return std::unexpected(std::move(verdict.error()));
    }
    co_return exit;
  }

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

  // Every job starts here: magic bytes, the container's own boxes, ffprobe, the limits. Never
  // trusts what an earlier job saw.
  Task<Result<Source>> inspect(const fs::path& source, const WorkFolder& work) {
    SV_CO_TRY(auto container, co_await sniff_file(source));
    commands::Input in{jail(source, work).source_url(), std::string(demuxer(container)),
                       options_.max_pixels, options_.threads};
    SV_CO_TRY(auto exit,
              co_await tool(source, work, commands::probe(in), {.cpu = seconds(20)}, seconds(30)));
    auto seen = parse_probe(exit.out);
    if (!seen) {
      if (too_many_pixels(exit.err))
        co_return fail(Errc::unprocessable, "media_too_large", tail(exit.err));
      co_return std::unexpected(std::move(seen.error()));
    }
    seen->demuxer = in.demuxer;
    auto& info = seen->info;
    if (std::int64_t{info.width} * info.height > options_.max_pixels)
      co_return fail(Errc::unprocessable, "media_too_large",
                     fmt::format("{}×{}", info.width, info.height));
    std::error_code error;
    auto bytes = static_cast<std::int64_t>(fs::file_size(source, error));
    if (info.duration_ms <= 0) {
      // Recordings made in browsers do not say how long they are.
      SV_CO_TRY(auto measured, co_await tool(source, work, commands::measure(in, *seen),
                                             {.cpu = seconds(60)}, seconds(60)));
      ProgressReader reader;
      reader.feed(measured.out);
      info.duration_ms = reader.reached_us() / 1000;
      if (info.duration_ms <= 0) co_return fail(Errc::unprocessable, "media_no_video", "no frames");
    }
    if (std::max(info.duration_ms, seen->longest_ms) > options_.max_duration.count()) {
      co_return fail(Errc::unprocessable, "media_too_long",
                     fmt::format("{} ms", std::max(info.duration_ms, seen->longest_ms)));
    }
    if (info.bit_rate <= 0) info.bit_rate = bytes * 8000 / info.duration_ms;
    co_return std::move(*seen);
  }

  // Reading headers can wait for a disk, so the pool does it.
  Task<Result<Container>> sniff_file(fs::path source) {
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

  static Result<std::vector<RenditionFile>> collect(const WorkFolder& work,
                                                    const std::vector<Rung>& rungs,
                                                    const fs::path& folder) {
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

  const Options options_;
  ThreadPool pool_;  // one thread waits for each child
};

}  // namespace

std::unique_ptr<MediaTools> make_media_tools(MediaTools::Options options) {
  return std::make_unique<FfmpegTools>(std::move(options));
}

}  // namespace sv::media
