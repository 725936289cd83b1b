#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/offload.h"
#include "platform/core/task.h"

namespace sv::media {

struct ChildSpec {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH
  std::filesystem::path folder;   // working directory; empty: ours
  std::chrono::milliseconds wall_clock{60000};
  std::size_t output_limit =
      1 << 20;  // of each of stdout and stderr; what is beyond is read and dropped
  std::function<void(std::string_view)>
      on_output;  // called with pieces of stdout on the pool's thread
};

struct ChildExit {
  int code = -1;  // exit code, or 128 + signal
  bool timed_out = false;
  bool output_dropped = false;
  std::string out, err;
};

// Runs a program in a process group of its own, without our descriptors or stdin, and waits for it
// on one thread of `pool` (the event loop is never blocked). When the await ends, however it ends,
// the child is reaped, its group is killed and nobody holds its pipes any more. Cancelling the
// await kills it and throws operation_aborted. Fails only when the program cannot be started
// (Errc::unavailable, `media_busy` when the pool's queue is full).
Task<Result<ChildExit>> run_child(ThreadPool& pool, ChildSpec spec);

}  // namespace sv::media
