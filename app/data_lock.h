#pragma once

#include <filesystem>

#include "platform/core/error.h"

namespace sv {

// Held by the one process that serves a data folder: flock(2) on <data>/lock, which the kernel drops with the process,
// however it ends. The file's text is the holder's pid, for the sentence that refuses a second one.
class DataLock {
 public:
  static Result<DataLock> acquire(const std::filesystem::path& data);
  DataLock(DataLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  DataLock& operator=(DataLock&&) = delete;
  ~DataLock();

 private:
  explicit DataLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace sv
