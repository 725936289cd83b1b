#include "platform/media/jailed_tools.h"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace sv::media {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

Result<WorkFolder> WorkFolder::make(const fs::path& beside) {
  auto name = (fs::absolute(beside) / ".work-XXXXXX").string();
  if (!::mkdtemp(name.data())) {
    int error = errno;
    return fail(error == ENOSPC ? Errc::storage_full : Errc::internal, {},
                fmt::format("mkdtemp {}: {}", name, std::strerror(error)));
  }
  return WorkFolder(name);
}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

bool WorkFolder::plain(const fs::path& name) const {
  struct stat st{};
  return ::lstat((path_ / name).c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
         st.st_size > 0;
}

Result<> WorkFolder::hand_out(const fs::path& name, const fs::path& to) const {
  std::error_code error;
  if (!plain(name))
    return fail(Errc::unprocessable, "media_unreadable", "the tool made no " + name.string());
  fs::rename(path_ / name, to, error);
  if (error)
    return fail(Errc::internal, {}, fmt::format("rename to {}: {}", to.string(), error.message()));
  return {};
}

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

bool too_many_pixels(std::string_view err) {
  for (std::string_view words :
       {"max pixel count", "exceeds maximum", "Picture size", "image size", "Invalid dimensions"}) {
    if (err.find(words) != err.npos) return true;
  }
  return false;
}

Jail JailedTools::jail(const fs::path& source, const WorkFolder& work) const {
  return Jail{options_.jail, work.path(), source};
}

commands::Input JailedTools::input(const fs::path& source, const Source& seen) const {
  return {Jail{options_.jail, {}, source}.source_url(), seen.demuxer, options_.max_pixels,
          options_.threads};
}

ChildSpec JailedTools::child(const Jail& jail, const JailLimits& limits, commands::Argv argv,
                             milliseconds wall_clock) {
  ChildSpec spec;
  spec.argv = jail.wrap(limits, std::move(argv));
  spec.folder = jail.folder;
  spec.wall_clock = wall_clock;
  return spec;
}

Task<Result<ChildExit>> JailedTools::tool(fs::path source, const WorkFolder& work,
                                          commands::Argv argv, JailLimits limits,
                                          milliseconds wall_clock) {
  SV_CO_TRY(auto exit, co_await run_child(
                           pool_, child(jail(source, work), limits, std::move(argv), wall_clock)));
  if (auto verdict = judge(exit); !verdict) {
    if (verdict.error().token == "media_unreadable" && too_many_pixels(exit.err))
      verdict.error().token = "media_too_large";
    co_return std::unexpected(std::move(verdict.error()));
  }
  co_return exit;
}

}  // namespace sv::media
