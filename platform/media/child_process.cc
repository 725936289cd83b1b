#include "platform/media/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 forgot the linkage
}
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>

#include "platform/core/fd.h"

namespace sv::media {
namespace {

struct Pipe {
  Fd read, write;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) == 0) {
      read = Fd(fds[0]);
      write = Fd(fds[1]);
    }
  }
};

// Shared by the awaiting side, which may ask for the end, and the thread that watches the child.
struct Cancel {
  Fd event{::eventfd(0, EFD_CLOEXEC)};
  void request() const {
    std::uint64_t one = 1;
    [[maybe_unused]] auto n = ::write(event.get(), &one, sizeof one);
  }
};

std::unexpected<Error> cannot(std::string_view what, int error) {
  return fail(Errc::unavailable, {}, fmt::format("{}: {}", what, std::strerror(error)));
}

Result<pid_t> spawn(const ChildSpec& spec, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (!spec.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, spec.folder.c_str());
  // A server ignores SIGPIPE and may block signals; its children start with the defaults.
  sigset_t all, none;
  sigfillset(&all);
  sigdelset(&all, SIGKILL);
  sigdelset(&all, SIGSTOP);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  std::vector<char*> argv;
  for (const auto& a : spec.argv) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  int rc = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (rc != 0) return cannot("cannot start " + spec.argv[0], rc);
  return pid;
}

// Reads what is there; closes at the end of the stream.
void drain(Fd& fd, std::string& into, ChildExit& exit, const ChildSpec& spec, bool report) {
  char buffer[16384];
  auto n = ::read(fd.get(), buffer, sizeof buffer);
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) return fd.reset();
  auto size = static_cast<std::size_t>(n);
  if (report && spec.on_output) spec.on_output({buffer, size});
  auto room = std::min(size, spec.output_limit - std::min(spec.output_limit, into.size()));
  into.append(buffer, room);
  if (room < size) exit.output_dropped = true;
}

// Runs on a pool thread. The pipes reach their end only when every process that holds them is gone:
// with a jail, that is every process in its pid namespace; without one, whoever left the group and
// kept the pipe is given up after a second.
Result<ChildExit> supervise(const ChildSpec& spec, const Cancel& cancel) {
  Pipe out, err;
  if (!out.write || !err.write || !cancel.event) return cannot("pipe", errno);
  SV_TRY(pid_t pid, spawn(spec, out.write.get(), err.write.get()));
  out.write.reset();
  err.write.reset();
  Fd process(::pidfd_open(pid, 0));
  ChildExit exit;
  using Clock = std::chrono::steady_clock;
  auto deadline = Clock::now() + spec.wall_clock;
  bool killed = false, reaped = false;
  auto kill_all = [&] {
    ::kill(-pid, SIGKILL);
    killed = true;
    deadline = Clock::now() + std::chrono::seconds(1);
  };
  if (!process) kill_all();
  while (!reaped || out.read || err.read) {
    auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      if (killed && reaped) break;
      if (!killed) exit.timed_out = !reaped;
      kill_all();
      continue;
    }
    // A negative descriptor is skipped by poll.
    pollfd fds[] = {{out.read.get(), POLLIN, 0},
                    {err.read.get(), POLLIN, 0},
                    {reaped ? -1 : process.get(), POLLIN, 0},
                    {killed ? -1 : cancel.event.get(), POLLIN, 0}};
    if (!process && !reaped) {
      fds[2].fd = -1;
      left = std::min<std::int64_t>(left, 10);
    }
    if (::poll(fds, 4, static_cast<int>(std::min<std::int64_t>(left, 60000))) < 0 && errno != EINTR)
      kill_all();
    if (fds[0].revents) drain(out.read, exit.out, exit, spec, true);
    if (fds[1].revents) drain(err.read, exit.err, exit, spec, false);
    if (fds[3].revents) kill_all();
    if (!reaped && (fds[2].revents || !process)) {
      siginfo_t info{};
      // Kill the rest of the group while the dead leader still holds its number: afterwards it
      // could be another's.
      if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
          info.si_pid == 0)
        continue;
      ::kill(-pid, SIGKILL);
      int status = 0;
      if (::waitpid(pid, &status, 0) == pid)
        exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      reaped = true;
      if (!killed) deadline = std::min(deadline, Clock::now() + std::chrono::seconds(1));
      killed = true;
    }
  }
  return exit;
}

}  // namespace

Task<Result<ChildExit>> run_child(ThreadPool& pool, ChildSpec spec) {
  auto cancel = std::make_shared<Cancel>();
  // offload() waits for the work to end; the slot of this await only makes that soon.
  auto state = co_await asio::this_coro::cancellation_state;
  auto slot = state.slot();
  struct Disarm {
    asio::cancellation_slot slot;
    ~Disarm() { slot.clear(); }
  } disarm{slot};
  if (slot.is_connected()) {
    slot.assign([cancel](asio::cancellation_type) { cancel->request(); });
  }
  auto work = [spec = std::move(spec), cancel]() -> Result<ChildExit> {
    return supervise(spec, *cancel);
  };
  auto done = co_await offload(pool, std::move(work));
  // A cancelled coroutine may not go on: the next await throws operation_aborted.
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  if (!done)
    co_return fail(Errc::unavailable, "media_busy", "too many media processes are waiting");
  co_return std::move(*done);
}

}  // namespace sv::media
