#include "platform/core/line_writer.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

namespace sv {
namespace {

constexpr std::size_t kBatch = 64 << 10, kFull = 8 << 20;
constexpr std::chrono::milliseconds kLongest{100};

// False: the file takes no more.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

LineWriter::LineWriter(int fd) : fd_(fd), thread_([this] { run(); }) {}

LineWriter::~LineWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
  if (fd_ != STDERR_FILENO) ::close(fd_);
}

void LineWriter::add(std::string_view line, bool soon) {
  bool wake = soon;
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return waiting_.size() < kFull; });
    const std::size_t before = waiting_.size();
    waiting_.append(line) += '\n';
    soon_ = soon_ || soon;
    // It sleeps until there is a first line, and then until there are enough.
    wake = wake || before == 0 || (before < kBatch && waiting_.size() >= kBatch);
  }
  if (wake) work_.notify_one();
}

void LineWriter::run() {
  pthread_setname_np(pthread_self(), "log");
  std::string writing;
  bool told = false;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      work_.wait_for(lock, kLongest,
                     [this] { return stop_ || soon_ || waiting_.size() >= kBatch; });
      if (waiting_.empty()) return;
      std::swap(waiting_, writing);
      soon_ = false;
    }
    room_.notify_all();
    if (write_all(fd_, writing)) {
      told = false;
    } else if (!std::exchange(told, true)) {
      std::fprintf(stderr, "log.output takes no more: %s\n", std::strerror(errno));
    }
    writing.clear();
  }
}

}  // namespace sv
