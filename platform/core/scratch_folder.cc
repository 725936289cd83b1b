#include "platform/core/scratch_folder.h"

#include "platform/core/exception.h"

namespace sv {
namespace {

namespace fs = std::filesystem;

void drop(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

Result<> make_empty(const fs::path& path) {
  try {
    fs::remove_all(path);
    fs::create_directories(path);
    return {};
  } catch (const fs::filesystem_error& e) {
    Error error = error_of(e);
    if (error.code == Errc::internal) error.token = "scratch_unusable";
    return std::unexpected(std::move(error));
  }
}

}  // namespace

Task<Result<ScratchFolder>> ScratchFolder::make(ThreadPool& pool, fs::path path) {
  const auto made = co_await offload(pool, [path] { return make_empty(path); });
  if (!made) co_return fail(Errc::unavailable, "storage_busy");
  if (!*made) co_return std::unexpected(made->error());
  co_return ScratchFolder(pool, std::move(path));
}

ScratchFolder::~ScratchFolder() {
  if (path_.empty()) return;
  if (!pool_->submit([path = path_] { drop(path); })) drop(path_);
}

Task<> ScratchFolder::remove() {
  const auto done = co_await offload(*pool_, [path = path_] {
    drop(path);
    return true;
  });
  if (done) path_.clear();
}

}  // namespace sv
