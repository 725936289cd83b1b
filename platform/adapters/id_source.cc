#include "platform/adapters/id_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <pthread.h>

#include "platform/core/exception.h"

namespace sv {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kEpochMs = 1'735'689'600'000;  // 2025-01-01T00:00:00Z
constexpr std::int64_t kTickMs = 10;
constexpr std::int64_t kSequences = 1 << 10;
constexpr std::int64_t kReserve = 2000;  // ticks made durable at a time: 20 s
constexpr std::chrono::seconds kLook{5};
constexpr std::chrono::seconds kPatience{1};

class FileIdSource final : public IdSource {
 public:
  // `reserved`: what an earlier process may have handed out.
  FileIdSource(int fd, std::int64_t reserved, int node, const Clock& clock, SupervisedLoop& loop)
      : fd_(fd), node_(node), clock_(clock), loop_(loop), tick_(reserved), reserved_(reserved) {}

  ~FileIdSource() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wanted_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (!failure_) (void)save(tick_);  // the next start need not run ahead of the clock
    ::close(fd_);
  }

  // The first ids can be handed out when it returns.
  Result<> start() {
    try {
      extend(std::max(tick_, now()));
    } catch (const std::exception& e) { return std::unexpected(error_of(e)); }
    thread_ = std::thread([this] { keep_ahead(); });
    return {};
  }

  std::int64_t next() override {
    std::unique_lock lock(mutex_);
    if (const std::int64_t at = now(); at > tick_ && at < reserved_) {
      tick_ = at;
      sequence_ = 0;
    } else if (sequence_ == kSequences) {
      // The tick is used up, or the clock stands before what was handed out: time runs ahead of the
      // clock.
      if (tick_ + 1 >= reserved_) wait_for_more(lock);
      ++tick_;
      sequence_ = 0;
    }
    // A clock that is beyond what is durable waits for the disk; ids do not, while some are left.
    if (!failure_ && std::max(tick_, now()) + kReserve / 2 >= reserved_) wanted_.notify_one();
    return tick_ << 17 | static_cast<std::int64_t>(node_) << 10 | sequence_++;
  }

 private:
  std::int64_t now() const { return (clock_.now_ms() - kEpochMs) / kTickMs; }

  // A million ids came while the disk did not take one line.
  void wait_for_more(std::unique_lock<std::mutex>& lock) {
    wanted_.notify_one();
    const bool more = extended_.wait_for(lock, failure_ ? 0s : kPatience,
                                         [this] { return failure_ || tick_ + 1 < reserved_; });
    if (!more || tick_ + 1 >= reserved_)
      throw std::system_error(failure_.value_or(ETIMEDOUT), std::generic_category(),
                              "cannot reserve ids");
  }

  void keep_ahead() {
    pthread_setname_np(pthread_self(), "ids");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (std::max(tick_, now()) + kReserve / 2 < reserved_) {
        wanted_.wait_for(lock, kLook);
        continue;
      }
      const std::int64_t from = std::max(tick_, now());
      lock.unlock();
      std::optional<std::chrono::milliseconds> pause;
      try {
        extend(from);
        loop_.succeeded();
      } catch (const std::exception& e) { pause = loop_.failed(error_of(e)); }
      lock.lock();
      extended_.notify_all();
      if (pause) wanted_.wait_for(lock, *pause, [this] { return stopping_; });
    }
  }

  // Without the lock while the disk works: only one thread calls it.
  void extend(std::int64_t from) {
    const std::int64_t until = from + kReserve;
    const bool durable = save(until) && ::fdatasync(fd_) == 0;
    const int error = errno;
    std::lock_guard lock(mutex_);
    failure_ = durable ? std::nullopt : std::optional(error);
    if (!durable) throw std::system_error(error, std::generic_category(), "cannot reserve ids");
    reserved_ = until;
  }

  bool save(std::int64_t tick) const {
    const std::string text = fmt::format("{:020}\n", tick);
    return ::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  }

  const int fd_;
  const int node_;
  const Clock& clock_;
  SupervisedLoop& loop_;
  std::mutex mutex_;
  std::condition_variable wanted_, extended_;
  std::int64_t tick_;
  std::int64_t sequence_ = kSequences;  // a start never continues within a tick
  std::int64_t reserved_;
  std::optional<int> failure_;  // errno of the last try
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<IdSource>> make_id_source(std::filesystem::path state, int node,
                                                 const Clock& clock, Supervisor& supervisor) {
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
  auto source = std::make_unique<FileIdSource>(fd, reserved, node, clock, supervisor.loop("ids"));
  if (auto started = source->start(); !started) return std::unexpected(std::move(started.error()));
  return source;
}

}  // namespace sv
