#pragma once

#include <filesystem>
#include <string_view>

#include "platform/core/error.h"

namespace sv {

// Held by the one process that serves a data folder ("lock"), or fills a backup: flock(2), which
// the kernel drops with the process, however it ends. The file's text is the holder's pid, for the
// sentence that refuses a second one.
class DataLock {
 public:
  static Result<DataLock> acquire(const std::filesystem::path& data, std::string_view name);
  DataLock(DataLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  DataLock& operator=(DataLock&&) = delete;
  ~DataLock();

 private:
  explicit DataLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace sv
