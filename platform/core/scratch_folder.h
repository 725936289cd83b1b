#pragma once

#include <filesystem>

#include "platform/core/error.h"
#include "platform/core/offload.h"
#include "platform/core/task.h"

namespace sv {

// A folder for one piece of work, made and removed on a pool's thread. One caller at a time; the
// pool outlives it.
class ScratchFolder {
 public:
  // Empty: what an earlier one left there goes first. An error is storage_full, or has the token
  // scratch_unusable: the machine's trouble, not the work's.
  static Task<Result<ScratchFolder>> make(ThreadPool& pool, std::filesystem::path path);

  ScratchFolder(ScratchFolder&& other) noexcept
      : pool_(other.pool_), path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();  // when remove() was not reached; the folder goes a little later

  const std::filesystem::path& path() const { return path_; }
  Task<> remove();  // done when it returns

 private:
  ScratchFolder(ThreadPool& pool, std::filesystem::path path)
      : pool_(&pool), path_(std::move(path)) {}

  ThreadPool* pool_;
  std::filesystem::path path_;  // empty: removed
};

}  // namespace sv
