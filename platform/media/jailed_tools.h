#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "platform/media/child_process.h"
#include "platform/media/commands.h"
#include "platform/media/jail.h"
#include "platform/media/media_tools.h"

// How ffmpeg and ffprobe are run, and how their ends are judged.
namespace sv::media {

// A job's private folder beside the place its result goes to; what a tool may write is here until
// it has been looked at.
class WorkFolder {
 public:
  static Result<WorkFolder> make(const std::filesystem::path& beside);
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder();
  const std::filesystem::path& path() const { return path_; }
  // A result counts only as a plain file: a tool that was taken over could have left a link.
  bool plain(const std::filesystem::path& name) const;
  Result<> hand_out(const std::filesystem::path& name, const std::filesystem::path& to) const;

 private:
  explicit WorkFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

std::string tail(std::string_view said);  // its last 300 bytes
Result<> judge(const ChildExit& exit);    // whose fault a failure is: see MediaTools
bool too_many_pixels(std::string_view said);

// Follows ffmpeg's `-progress`: key=value lines.
class ProgressReader {
 public:
  std::int64_t reached_us() const { return reached_us_; }
  std::int64_t pictures() const { return pictures_; }
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
      if (line.starts_with("frame=")) pictures_ = std::strtoll(line.data() + 6, nullptr, 10);
      line_.erase(0, end + 1);
    }
    return reached_us_ != before;
  }

 private:
  std::string line_;
  std::int64_t reached_us_ = 0, pictures_ = 0;
};

// Thread-safe; one thread of the pool waits for each child.
class JailedTools {
 protected:
  explicit JailedTools(MediaTools::Options options)
      : options_(std::move(options)), pool_("media", 8, 256) {}

  Jail jail(const std::filesystem::path& source, const WorkFolder& work) const;
  commands::Input input(const std::filesystem::path& source, const Source& seen) const;
  static ChildSpec child(const Jail& jail, const JailLimits& limits, commands::Argv argv,
                         std::chrono::milliseconds wall_clock);
  Task<Result<ChildExit>> tool(std::filesystem::path source, const WorkFolder& work,
                               commands::Argv argv, JailLimits limits,
                               std::chrono::milliseconds wall_clock);

  const MediaTools::Options options_;
  ThreadPool pool_;
};

}  // namespace sv::media
