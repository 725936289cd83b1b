#include "platform/adapters/file_objects.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/adapters/object_key.h"
#include "platform/core/encoding.h"
#include "platform/core/fd.h"
#include "platform/crypto/random.h"

namespace sv {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1u << 20;  // bytes handed to the pool at a time

Error io_error(int error, std::string_view what, const fs::path& path) {
  Errc code = error == ENOSPC || error == EDQUOT || error == EFBIG ? Errc::storage_full
              : error == ENOENT                                    ? Errc::not_found
                                                                   : Errc::internal;
  return Error{
      .code = code,
      .token = std::string(errc_token(code)),
      .field = {},
      .detail = fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error))};
}
std::unexpected<Error> io_failed(std::string_view what, const fs::path& path) {
  return std::unexpected(io_error(errno, what, path));
}

Result<> sync_folder(const fs::path& folder) {
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return io_failed("sync", folder);
  return {};
}

// Makes the folders of `file` below `root`, each durable in its parent.
Result<> make_folders(const fs::path& root, const fs::path& file) {
  std::vector<fs::path> missing;
  for (fs::path p = file.parent_path(); p != root && !fs::exists(p); p = p.parent_path())
    missing.push_back(p);
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    if (::mkdir(it->c_str(), 0755) != 0 && errno != EEXIST) return io_failed("make", *it);
    SV_CHECK(sync_folder(it->parent_path()));
  }
  return {};
}

// Bytes and name durable under `to`.
Result<> publish(const fs::path& root, int fd, const fs::path& from, const fs::path& to) {
  if (::fsync(fd) != 0) return io_failed("sync", from);
  // A remove() may take an empty folder away at any moment of this: once more then.
  Result<> done;
  for (int attempt = 0; attempt < 10; ++attempt) {
    done = make_folders(root, to);
    if (done && ::rename(from.c_str(), to.c_str()) != 0) done = io_failed("rename", from);
    else if (done) return sync_folder(to.parent_path());
    if (done.error().code != Errc::not_found) break;
  }
  // ENOENT of a folder of ours is no absent object.
  if (done.error().code == Errc::not_found) done.error().code = Errc::unavailable;
  return done;
}

// Makes the removal of what was in `folder` durable. Another remove() may have taken the folder
// itself away, and folders above it: then it is in the first that is left that it shows.
Result<> sync_what_is_left(const fs::path& root, fs::path folder) {
  for (;; folder = folder.parent_path()) {
    auto done = sync_folder(folder);
    if (done || done.error().code != Errc::not_found || folder == root) return done;
  }
}

Result<> write_all(int fd, const char* data, std::size_t size, std::uint64_t offset,
                   const fs::path& path) {
  while (size > 0) {
    ssize_t n = ::pwrite(fd, data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_failed("write", path);
    data += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

template <class F, class R = std::invoke_result_t<F>>
Task<R> on_pool(ThreadPool& pool, F work) {
  auto out = co_await offload(pool, std::move(work));
  if (!out) co_return fail(Errc::unavailable, "storage_busy");
  co_return std::move(*out);
}

class FileWriter final : public ObjectWriter {
 public:
  FileWriter(ThreadPool& pool, fs::path root, fs::path part, fs::path to, Fd fd,
             std::uint64_t offset, bool keep)
      : pool_(pool),
        root_(std::move(root)),
        part_(std::move(part)),
        to_(std::move(to)),
        fd_(std::move(fd)),
        written_(offset),
        keep_(keep) {}

  ~FileWriter() override {
    if (!committed_ && !keep_) ::unlink(part_.c_str());
  }

  Task<Result<>> write(std::span<const std::byte> bytes) override {
    buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (buffer_.size() < kPiece) co_return Result<>{};
    co_return co_await drain();
  }

  std::uint64_t offset() const override { return written_ + buffer_.size(); }

  Task<Result<>> flush() override {
    SV_CO_CHECK(co_await drain());
    co_return co_await on_pool(pool_, [this]() -> Result<> {
      if (::fdatasync(fd_.get()) != 0) return io_failed("sync", part_);
      return {};
    });
  }

  Task<Result<>> commit() override {
    SV_CO_CHECK(co_await drain());
    auto done = co_await on_pool(pool_, [this] { return publish(root_, fd_.get(), part_, to_); });
    committed_ = done.has_value();
    co_return done;
  }

 private:
  Task<Result<>> drain() {
    if (buffer_.empty()) co_return Result<>{};
    auto done = co_await on_pool(pool_, [this] {
      return write_all(fd_.get(), buffer_.data(), buffer_.size(), written_, part_);
    });
    if (done) {
      written_ += buffer_.size();
      buffer_.clear();
    }
    co_return done;
  }

  ThreadPool& pool_;
  const fs::path root_, part_, to_;
  Fd fd_;
  std::uint64_t written_;
  std::string buffer_;
  const bool keep_;
  bool committed_ = false;
};

class FileReader final : public ObjectReader {
 public:
  FileReader(ThreadPool& pool, fs::path path, Fd fd, std::uint64_t size)
      : pool_(pool), path_(std::move(path)), fd_(std::move(fd)), size_(size) {}
  std::uint64_t size() const override { return size_; }
  int native_handle() const override { return fd_.get(); }

  Task<Result<std::size_t>> read(std::uint64_t offset, std::span<std::byte> into) override {
    co_return co_await on_pool(pool_, [this, offset, into]() -> Result<std::size_t> {
      for (;;) {
        ssize_t n = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EINTR) return io_failed("read", path_);
      }
    });
  }

 private:
  ThreadPool& pool_;
  const fs::path path_;
  Fd fd_;
  const std::uint64_t size_;
};

// Where this store's puts lie before they are whole: no other process's, and no other store's.
// Locked (flock) as long as the store lives, which the kernel ends with the process.
struct OwnFolder {
  fs::path path;
  Fd lock;
};

bool same_file(int fd, const fs::path& path) {
  struct stat a{}, b{};
  return ::fstat(fd, &a) == 0 && ::stat(path.c_str(), &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

// Also takes away what nobody holds any more.
Result<OwnFolder> own_folder(const fs::path& all) {
  std::error_code ec;
  for (fs::directory_iterator entry(all, ec), end; !ec && entry != end; entry.increment(ec)) {
    const Fd left(::open(entry->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    std::error_code ignored;
    if (left && ::flock(left.get(), LOCK_EX | LOCK_NB) == 0) fs::remove_all(entry->path(), ignored);
  }
  // Between its making and its lock another process may take it for left behind.
  for (int attempt = 0; attempt < 100; ++attempt) {
    OwnFolder own{.path = all / hex_encode(random_bytes(8)), .lock = Fd()};
    if (::mkdir(own.path.c_str(), 0700) != 0) return io_failed("make", own.path);
    own.lock = Fd(::open(own.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (own.lock && ::flock(own.lock.get(), LOCK_EX | LOCK_NB) == 0 &&
        same_file(own.lock.get(), own.path))
      return own;
  }
  return fail(Errc::unavailable, "objects_unusable", "no folder could be locked");
}

class FileObjects final : public ObjectStore {
 public:
  FileObjects(fs::path root, OwnFolder own, ThreadPool& pool)
      : root_(std::move(root)), own_(std::move(own)), pool_(pool) {}
  ~FileObjects() override {
    std::error_code ignored;
    if (own_.lock) fs::remove_all(own_.path, ignored);
  }

  Task<Result<std::unique_ptr<ObjectWriter>>> put(std::string key) override {
    fs::path part = own_.path / fmt::format("{}", counter_.fetch_add(1));
    co_return co_await writer(std::move(key), std::move(part), false);
  }

  Task<Result<std::unique_ptr<ObjectWriter>>> append(std::string key) override {
    fs::path part = part_of(key);
    co_return co_await writer(std::move(key), std::move(part), true);
  }

  Task<Result<>> discard_append(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await on_pool(pool_, [path = part_of(key)]() -> Result<> {
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return io_failed("remove", path);
      return {};
    });
  }

  Task<Result<std::unique_ptr<ObjectReader>>> open(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await on_pool(
        pool_, [this, path = root_ / key]() -> Result<std::unique_ptr<ObjectReader>> {
          Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
          struct stat st{};
          if (fd.get() < 0 || ::fstat(fd.get(), &st) != 0) return io_failed("open", path);
          if (!S_ISREG(st.st_mode)) return fail(Errc::not_found);
          return std::make_unique<FileReader>(pool_, path, std::move(fd),
                                              static_cast<std::uint64_t>(st.st_size));
        });
  }

  Task<Result<ObjectInfo>> head(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await on_pool(pool_, [path = root_ / key, key]() -> Result<ObjectInfo> {
      struct stat st{};
      if (::stat(path.c_str(), &st) != 0) return io_failed("look at", path);
      if (!S_ISREG(st.st_mode)) return fail(Errc::not_found);
      return info_of(key, st);
    });
  }

  Task<Result<>> remove(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await on_pool(pool_, [this, path = root_ / key]() -> Result<> {
      if (::unlink(path.c_str()) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return {};
        return io_failed("remove", path);
      }
      SV_CHECK(sync_what_is_left(root_, path.parent_path()));
      for (fs::path p = path.parent_path(); p != root_ && ::rmdir(p.c_str()) == 0;
           p = p.parent_path())
        continue;
      return {};
    });
  }

  Task<Result<std::vector<ObjectInfo>>> list(std::string prefix) override {
    co_return co_await on_pool(pool_, [this, prefix]() -> Result<std::vector<ObjectInfo>> {
      std::vector<ObjectInfo> out;
      // Only the folder that the prefix names is walked.
      fs::path start =
          root_ / prefix.substr(0, prefix.rfind('/') == std::string::npos ? 0 : prefix.rfind('/'));
      std::error_code ec;
      for (fs::recursive_directory_iterator it(start, ec), end; !ec && it != end;
           it.increment(ec)) {
        if (it->path().filename().string().starts_with(".")) {
          if (it->is_directory()) it.disable_recursion_pending();
          continue;
        }
        std::string key = it->path().lexically_relative(root_).string();
        struct stat st{};
        if (key.starts_with(prefix) && ::stat(it->path().c_str(), &st) == 0 && S_ISREG(st.st_mode))
          out.push_back(info_of(key, st));
      }
      if (ec && ec != std::errc::no_such_file_or_directory)
        return std::unexpected(io_error(ec.value(), "list", start));
      std::ranges::sort(out, {}, &ObjectInfo::key);
      return out;
    });
  }

  Task<Result<>> import_file(fs::path from, std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    fs::path part = own_.path / fmt::format("{}", counter_.fetch_add(1));
    co_return co_await on_pool(pool_, [this, from, part, to = root_ / key]() -> Result<> {
      // A second name where the file system allows it, else a copy; the original goes when the
      // object is durable.
      std::error_code ec;
      if (::link(from.c_str(), part.c_str()) != 0) fs::copy_file(from, part, ec);
      Fd fd(::open(part.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
      Result<> done = ec ? Result<>(std::unexpected(io_error(ec.value(), "copy", from)))
                         : publish(root_, fd.get(), part, to);
      ::unlink(done ? from.c_str() : part.c_str());
      return done;
    });
  }

  Task<Result<fs::path>> local_copy(std::string key, fs::path) override {
    SV_CO_TRY([[maybe_unused]] ObjectInfo info, co_await head(key));
    co_return root_ / key;
  }

 private:
  static ObjectInfo info_of(std::string key, const struct stat& st) {
    return {std::move(key), static_cast<std::uint64_t>(st.st_size),
            st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1'000'000};
  }

  fs::path part_of(std::string key) const {
    std::ranges::replace(key, '/', '+');  // '+' is in no key
    return root_ / ".parts" / key;
  }

  Task<Result<std::unique_ptr<ObjectWriter>>> writer(std::string key, fs::path part, bool keep) {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await on_pool(
        pool_, [this, part, keep, to = root_ / key]() -> Result<std::unique_ptr<ObjectWriter>> {
          Fd fd(::open(part.c_str(),
                       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (keep ? 0 : O_TRUNC), 0644));
          struct stat st{};
          if (fd.get() < 0 || ::fstat(fd.get(), &st) != 0) return io_failed("open", part);
          return std::make_unique<FileWriter>(pool_, root_, part, to, std::move(fd),
                                              static_cast<std::uint64_t>(st.st_size), keep);
        });
  }

  const fs::path root_;
  const OwnFolder own_;
  ThreadPool& pool_;
  std::atomic<std::uint64_t> counter_{0};
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> make_file_objects(FileObjectsOptions options,
                                                       ThreadPool& pool) {
  std::error_code ec;
  fs::path root = fs::absolute(options.root, ec).lexically_normal();
  OwnFolder own;
  if (!options.read_only) {
    for (const char* sub : {".tmp", ".parts"}) {
      if (!ec) fs::create_directories(root / sub, ec);
    }
    if (!ec) { SV_TRY(own, own_folder(root / ".tmp")); }
  }
  if (ec || !fs::is_directory(root, ec))
    return std::unexpected(
        Error{.code = Errc::unavailable,
              .token = "objects_unusable",
              .field = {},
              .detail = fmt::format("objects: cannot use {}: {}", root.string(), ec.message())});
  return std::make_unique<FileObjects>(std::move(root), std::move(own), pool);
}

}  // namespace sv
