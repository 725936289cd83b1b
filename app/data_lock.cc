#include "app/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include <fmt/format.h>

namespace sv {

Result<DataLock> DataLock::acquire(const std::filesystem::path& data, std::string_view name) {
  std::filesystem::path path = data / name;
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail(Errc::unavailable, "data_locked",
                fmt::format("data: cannot open {}: {}", path.string(), std::strerror(errno)));
  DataLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    if (::pread(fd, pid, sizeof pid - 1, 0) <= 0) std::strcpy(pid, "unknown");
    return fail(Errc::unavailable, "data_locked",
                fmt::format("data: {} is in use by process {}; stop it or use another --data",
                            data.string(), pid));
  }
  std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0)
    return fail(Errc::unavailable, "data_locked",
                fmt::format("data: cannot write {}: {}", path.string(), std::strerror(errno)));
  return lock;
}

DataLock::~DataLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace sv
