#include "platform/media/jail.h"

#include <fmt/format.h>

namespace sv::media {
namespace {

constexpr std::string_view kFolder = "/job";
constexpr std::string_view kSource = "/source";

void append(std::vector<std::string>& to, std::initializer_list<std::string_view> words) {
  for (auto w : words) to.emplace_back(w);
}

}  // namespace

std::string Jail::source_url() const {
  return "file:" + (enabled ? std::string(kSource) : std::filesystem::absolute(source).string());
}

std::vector<std::string> Jail::wrap(const JailLimits& limits,
                                    std::vector<std::string> program) const {
  std::vector<std::string> argv;
  // bubblewrap ends with us by itself.
  if (!enabled) append(argv, {"setpriv", "--pdeathsig", "KILL", "--no-new-privs"});
  auto cpu = limits.cpu.count();
  // The soft limit sends SIGXCPU, which tells this end from any other; the hard one is for who
  // ignores it.
  append(argv, {"prlimit", fmt::format("--as={}", limits.address_space),
                fmt::format("--cpu={}:{}", cpu, cpu + 2),
                fmt::format("--fsize={}", limits.file_bytes), "--nofile=256", "--core=0", "--"});
  if (enabled) {
    append(argv,
           {"bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--uid", "65534",
            "--gid", "65534", "--cap-drop", "ALL", "--clearenv", "--setenv", "PATH",
            "/usr/local/bin:/usr/bin", "--setenv", "LC_ALL", "C.UTF-8",
            // An arena a thread would use up the address space limit.
            "--setenv", "MALLOC_ARENA_MAX", "2", "--ro-bind", "/usr", "/usr", "--symlink",
            "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
            // Debian's ffmpeg finds libblas through alternatives.
            "--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try",
            "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev", "/dev", "--size", "16777216",
            "--tmpfs", "/tmp"});
    if (!source.empty())
      append(argv, {"--ro-bind", std::filesystem::absolute(source).string(), kSource});
    append(argv, {"--bind", std::filesystem::absolute(folder).string(), kFolder, "--remount-ro",
                  "/", "--chdir", kFolder, "--"});
  }
  argv.insert(argv.end(), std::make_move_iterator(program.begin()),
              std::make_move_iterator(program.end()));
  return argv;
}

}  // namespace sv::media
