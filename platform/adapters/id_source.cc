#include "platform/adapters/id_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace sv {
namespace {

constexpr std::int64_t kEpochMs = 1'735'689'600'000;  // 2025-01-01T00:00:00Z
constexpr std::int64_t kTickMs = 10;
constexpr std::int64_t kSequences = 1 << 10;
constexpr std::int64_t kReserve = 300;  // ticks made durable at a time: 3 s

class FileIdSource final : public IdSource {
 public:
  FileIdSource(int fd, std::int64_t reserved, int node, const Clock& clock)
      : fd_(fd), node_(node), clock_(clock), tick_(reserved), reserved_(reserved) {}
  ~FileIdSource() override { ::close(fd_); }

  std::int64_t next() override {
    std::lock_guard lock(mutex_);
    const std::int64_t now = (clock_.now_ms() - kEpochMs) / kTickMs;
    if (now > tick_) {
      tick_ = now;
      sequence_ = 0;
    } else if (sequence_ == kSequences) {
      // The tick is used up, or the clock stands before what was handed out: time runs ahead of the
      // clock, a tick at a time.
      std::this_thread::sleep_for(std::chrono::milliseconds(kTickMs));
      ++tick_;
      sequence_ = 0;
    }
    if (tick_ >= reserved_) reserve(tick_ + kReserve);
    return tick_ << 17 | static_cast<std::int64_t>(node_) << 10 | sequence_++;
  }

 private:
  void reserve(std::int64_t until) {
    const std::string text = fmt::format("{:020}\n", until);
    if (::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(fd_) != 0)
      throw std::runtime_error(fmt::format("cannot reserve ids: {}", std::strerror(errno)));
    reserved_ = until;
  }

  const int fd_;
  const int node_;
  const Clock& clock_;
  std::mutex mutex_;
  std::int64_t tick_;
  std::int64_t sequence_ = kSequences;  // a start never continues within a tick
  std::int64_t reserved_;
};

}  // namespace

Result<std::unique_ptr<IdSource>> make_id_source(std::filesystem::path state, int node,
                                                 const Clock& clock) {
  auto failed = [&](const char* what) {
    return fail(Errc::internal, "id_state",
                fmt::format("{}: cannot {}: {}", state.string(), what, std::strerror(errno)));
  };
  int fd = ::open(state.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open");
  char text[32] = {};
  ssize_t n = ::pread(fd, text, sizeof text - 1, 0);
  std::int64_t reserved = 0;
  if (n > 0 && std::from_chars(text, text + n, reserved).ec != std::errc{}) {
    ::close(fd);
    return fail(Errc::internal, "id_state",
                fmt::format("{}: not a time; ids handed out earlier are unknown, restore the file",
                            state.string()));
  }
  if (n < 0) {
    auto error = failed("read");
    ::close(fd);
    return error;
  }
  // The file's name must outlive a power cut as its content does.
  const auto folder = state.has_parent_path() ? state.parent_path() : std::filesystem::path(".");
  if (int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
  return std::make_unique<FileIdSource>(fd, reserved, node, clock);
}

}  // namespace sv
