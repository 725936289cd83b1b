#include "platform/media/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "platform/media/jail.h"
#include "platform/media/test_clips.h"

namespace sv::media {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class ChildProcess : public ::testing::Test {
 protected:
  static ChildSpec sh(const std::string& script, milliseconds wall_clock = milliseconds(20000)) {
    ChildSpec spec;
    spec.argv = {"sh", "-c", script};
    spec.wall_clock = wall_clock;
    return spec;
  }
  ChildExit run(ChildSpec spec) {
    auto r = testing::run_task(run_child(pool_, std::move(spec)));
    EXPECT_OK(r);
    return r ? *r : ChildExit{};
  }
  ChildExit run_jailed(const std::string& script, const JailLimits& limits = {},
                       milliseconds wall_clock = milliseconds(20000), fs::path source = {}) {
    auto spec = sh(script, wall_clock);
    spec.argv = Jail{true, dir_.path(), std::move(source)}.wrap(limits, std::move(spec.argv));
    return run(std::move(spec));
  }
  // The jail's processes see /job where the folder is, so their command lines carry this mark
  // instead of a path.
  static int processes_with(const std::string& mark) {
    int n = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
      if (slurp(entry.path() / "cmdline").find(mark) != std::string::npos &&
          entry.path().filename() != std::to_string(::getpid()))
        ++n;
    }
    return n;
  }

  testing::TempDir dir_;
  ThreadPool pool_{"child", 4, 16};
};

TEST_F(ChildProcess, GivesBackWhatWasPrintedAndTheCode) {
  auto exit = run(sh("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(exit.out, "out\n");
  EXPECT_EQ(exit.err, "err\n");
  EXPECT_EQ(exit.code, 3);
  EXPECT_EQ(run(sh("kill -TERM $$")).code, 128 + SIGTERM);
}

TEST_F(ChildProcess, AProgramThatDoesNotExistIsAnError) {
  ChildSpec spec;
  spec.argv = {"no-such-program-here"};
  auto r = testing::run_task(run_child(pool_, std::move(spec)));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unavailable);
}

TEST_F(ChildProcess, EndlessOutputIsReadButNotKept) {
  auto spec = sh("head -c 30000000 /dev/zero");
  spec.output_limit = 1000;
  auto exit = run(std::move(spec));
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.out.size(), 1000u);
  EXPECT_TRUE(exit.output_dropped);
}

TEST_F(ChildProcess, TheWallClockEndsTheWholeGroup) {
  auto started = std::chrono::steady_clock::now();
  auto exit = run(sh("sleep 91.0071 & sleep 91.0071", milliseconds(200)));
  EXPECT_TRUE(exit.timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
  EXPECT_EQ(processes_with("91.0071"), 0);
}

TEST_F(ChildProcess, WhatTheLeaderLeavesBehindDiesWithIt) {
  EXPECT_FALSE(run(sh("sleep 91.0072 & exit 0")).timed_out);
  EXPECT_EQ(processes_with("91.0072"), 0);
}

TEST_F(ChildProcess, InheritsNoDescriptors) {
  int leaky = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  auto exit = run(sh("ls /proc/self/fd"));
  ::close(leaky);
  // ls itself opens the folder as 3.
  EXPECT_EQ(exit.out, "0\n1\n2\n3\n");
}

TEST_F(ChildProcess, LeaksNeitherDescriptorsNorZombies) {
  auto open = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  run(sh("true"));
  auto before = open();
  for (int i = 0; i < 20; ++i) run(sh("true"));
  // The pool may still be dropping the last one's.
  EXPECT_LT(open(), before + 5);
  EXPECT_EQ(::waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

Task<> run_and_count(ThreadPool& pool, ChildSpec spec, int& finished) {
  (void)co_await run_child(pool, std::move(spec));
  ++finished;
}

TEST_F(ChildProcess, CancellingTheAwaitKillsEverythingInTheJail) {
  // The script says when it runs, so nothing here waits for a guess.
  auto spec = sh("sleep 91.0073 & echo ready; sleep 91.0073");
  spec.argv = Jail{true, dir_.path(), {}}.wrap({}, std::move(spec.argv));
  asio::io_context io;
  asio::cancellation_signal signal;
  spec.on_output = [&](std::string_view) {
    asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
  };
  int finished = 0;
  std::exception_ptr thrown;
  auto started = std::chrono::steady_clock::now();
  asio::co_spawn(
      io, run_and_count(pool_, std::move(spec), finished),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { thrown = e; }));
  io.run();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  EXPECT_TRUE(thrown);
  EXPECT_EQ(finished, 0);
  EXPECT_EQ(processes_with("91.0073"), 0);
}

TEST_F(ChildProcess, TheJailSeesOnlyItsFolderAndTheSource) {
  testing::TempDir elsewhere;
  spill(elsewhere / "secret", "secret");
  spill(elsewhere / "clip", "content");
  auto exit = run_jailed(fmt::format("ls {0}; cat {0}/secret; echo x > /source; echo x > /etc/x; "
                                     "echo x > /usr/x; echo x > /x; cat /source; echo "
                                     "done > /job/made; ls /; env; cat /etc/passwd",
                                     elsewhere.path().string()),
                         {}, milliseconds(20000), elsewhere / "clip");
  EXPECT_EQ(exit.out.find("secret"), std::string::npos) << exit.out;
  EXPECT_NE(exit.out.find("content"), std::string::npos) << exit.out << exit.err;
  EXPECT_EQ(exit.out.find("root:"), std::string::npos);
  EXPECT_EQ(exit.out.find("HOME="), std::string::npos) << exit.out;
  EXPECT_EQ(slurp(elsewhere / "clip"), "content");
  EXPECT_EQ(slurp(dir_ / "made"), "done\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_.path()), fs::directory_iterator()), 1);
}

TEST_F(ChildProcess, TheJailHasNoNetworkAndNoOtherProcesses) {
  auto exit = run_jailed(
      "ls /sys/class/net /proc 2>&1; (exec 3<>/dev/tcp/127.0.0.1/1) 2>&1; echo pid $$; id -u");
  EXPECT_NE(exit.out.find("pid 2\n"), std::string::npos) << exit.out;
  EXPECT_NE(exit.out.find("65534\n"), std::string::npos) << exit.out;
}

TEST_F(ChildProcess, TheJailBoundsFilesMemoryAndCpu) {
  run_jailed("head -c 5000000 /dev/zero > big", {.file_bytes = 1000000});
  EXPECT_EQ(fs::file_size(dir_ / "big"), 1000000u);
  EXPECT_NE(run_jailed("head -c 300000000 /dev/zero | tail -c 300000000 | wc -c",
                       {.address_space = 100LL << 20})
                .out,
            "300000000\n");
  auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(run_jailed("while :; do :; done", {.cpu = std::chrono::seconds(1)}).code,
            128 + SIGXCPU);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
}

TEST_F(ChildProcess, ATimeoutKillsWhatHidesInTheJail) {
  auto exit = run_jailed("setsid sh -c 'trap \"\" TERM INT HUP; sleep 91.0074' & sleep 91.0074", {},
                         milliseconds(300));
  EXPECT_TRUE(exit.timed_out);
  EXPECT_EQ(processes_with("91.0074"), 0);
}

}  // namespace
}  // namespace sv::media
