#include "platform/adapters/s3_objects.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/object_key.h"
#include "platform/adapters/s3_client.h"
#include "platform/adapters/s3_writer.h"
#include "platform/core/block_on.h"
#include "platform/core/fd.h"
#include "platform/core/log.h"
#include "platform/core/task_group.h"

namespace sv {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLastWords{2};
constexpr std::size_t kHead = 64u << 10;      // read when an object is opened
constexpr std::size_t kWindow = 1u << 20;     // read at a time afterwards
constexpr std::size_t kFilePiece = 8u << 20;  // between a file and the store

std::unexpected<Error> file_failed(std::string_view what, const fs::path& path) {
  const int error = errno;
  const Errc code = error == ENOSPC || error == EDQUOT ? Errc::storage_full
                    : error == ENOENT                  ? Errc::not_found
                                                       : Errc::internal;
  return fail(code, {}, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error)));
}

template <class F, class R = std::invoke_result_t<F>>
Task<R> on_disk(ThreadPool& disk, F work) {
  auto out = co_await offload(disk, std::move(work));
  if (!out) co_return fail(Errc::unavailable, "storage_busy");
  co_return std::move(*out);
}

class S3Reader final : public ObjectReader {
 public:
  S3Reader(asio::any_io_executor executor, s3::Client& client, std::string key,
           s3::Client::Piece head)
      : executor_(std::move(executor)),
        client_(client),
        key_(std::move(key)),
        size_(head.size),
        etag_(std::move(head.etag)),
        window_(std::move(head.bytes)) {}

  std::uint64_t size() const override { return size_; }
  int native_handle() const override { return -1; }

  Task<Result<std::size_t>> read(std::uint64_t offset, std::span<std::byte> into) override {
    if (offset >= size_ || into.empty()) co_return 0zu;
    if (offset < begin_ || offset >= begin_ + window_.size()) {
      const std::uint64_t want =
          std::min<std::uint64_t>(std::max(into.size(), kWindow), size_ - offset);
      SV_CO_TRY(auto piece,
                co_await s3::on_loop(executor_, client_.get(key_, offset, want, etag_)));
      if (piece.bytes.empty())
        co_return fail(Errc::unavailable, "objects_unavailable", "an object shorter than its size");
      window_ = std::move(piece.bytes);
      begin_ = offset;
    }
    const std::size_t at = static_cast<std::size_t>(offset - begin_);
    const std::size_t n = std::min(into.size(), window_.size() - at);
    std::memcpy(into.data(), window_.data() + at, n);
    co_return n;
  }

 private:
  const asio::any_io_executor executor_;
  s3::Client& client_;
  const std::string key_;
  const std::uint64_t size_;
  const std::string etag_;
  std::string window_;
  std::uint64_t begin_ = 0;
};

class S3Objects final : public ObjectStore {
 public:
  S3Objects(s3::Place place, metrics::Registry* metrics, ThreadPool& disk)
      : disk_(disk),
        client_(loop_.get_executor(), std::move(place), metrics),
        thread_([this] { loop_.run(); }) {}
  ~S3Objects() override {
    // What was dropped goes from the server, if that answers.
    const auto end = std::chrono::steady_clock::now() + kLastWords;
    while (tasks_.running() > 0 && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    tasks_.stop();
    tasks_.join();
    loop_.stop();
    thread_.join();
  }

  Task<Result<>> check() { co_return co_await s3::on_loop(executor(), look()); }

  Task<Result<std::unique_ptr<ObjectWriter>>> put(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    SV_CO_CHECK(co_await ready());
    co_return std::make_unique<s3::S3Writer>(writing(), std::move(key), false,
                                             s3::S3Writer::Before{});
  }

  Task<Result<std::unique_ptr<ObjectWriter>>> append(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    SV_CO_CHECK(co_await ready());
    SV_CO_TRY(auto before, co_await s3::on_loop(executor(), left_of(key)));
    co_return std::make_unique<s3::S3Writer>(writing(), std::move(key), true, std::move(before));
  }

  Task<Result<>> discard_append(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await s3::on_loop(executor(), discard(key));
  }

  Task<Result<std::unique_ptr<ObjectReader>>> open(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    SV_CO_CHECK(co_await ready());
    std::string full = full_key(key);
    SV_CO_TRY(auto head, co_await s3::on_loop(executor(), client_.get(full, 0, kHead)));
    co_return std::make_unique<S3Reader>(executor(), client_, std::move(full), std::move(head));
  }

  Task<Result<ObjectInfo>> head(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    SV_CO_TRY(auto info, co_await s3::on_loop(executor(), client_.head(full_key(key))));
    info.key = std::move(key);
    co_return info;
  }

  Task<Result<>> remove(std::string key) override {
    SV_CO_CHECK(check_object_key(key));
    co_return co_await s3::on_loop(executor(), client_.remove(full_key(key)));
  }

  Task<Result<std::vector<ObjectInfo>>> list(std::string prefix) override {
    SV_CO_TRY(auto found, co_await s3::on_loop(executor(), client_.list(full_key(prefix))));
    const std::size_t ours = client_.place().prefix.size();
    for (ObjectInfo& one : found) one.key.erase(0, ours);
    std::erase_if(found, [](const ObjectInfo& one) { return !check_object_key(one.key); });
    std::ranges::sort(found, {}, &ObjectInfo::key);
    co_return found;
  }

  Task<Result<>> import_file(fs::path from, std::string key) override {
    SV_CO_TRY(auto writer, co_await put(std::move(key)));
    SV_CO_TRY(const auto fd, co_await on_disk(disk_, [from]() -> Result<std::shared_ptr<Fd>> {
                auto out = std::make_shared<Fd>(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
                if (!*out) return file_failed("open", from);
                return out;
              }));
    std::string piece(kFilePiece, '\0');
    for (;;) {
      SV_CO_TRY(const std::size_t n,
                co_await on_disk(disk_, [&piece, fd, from]() -> Result<std::size_t> {
                  const ssize_t got = ::read(fd->get(), piece.data(), piece.size());
                  if (got < 0) return file_failed("read", from);
                  return static_cast<std::size_t>(got);
                }));
      if (n == 0) break;
      SV_CO_CHECK(co_await writer->write(std::as_bytes(std::span(piece).first(n))));
    }
    SV_CO_CHECK(co_await writer->commit());
    co_return co_await on_disk(disk_, [from]() -> Result<> {
      if (::unlink(from.c_str()) != 0) return file_failed("remove", from);
      return {};
    });
  }

  Task<Result<fs::path>> local_copy(std::string key, fs::path scratch) override {
    SV_CO_TRY(auto reader, co_await open(std::move(key)));
    SV_CO_TRY(const auto fd, co_await on_disk(disk_, [scratch]() -> Result<std::shared_ptr<Fd>> {
                auto out = std::make_shared<Fd>(::open(
                    scratch.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
                if (!*out) return file_failed("make", scratch);
                return out;
              }));
    std::vector<std::byte> piece(std::min<std::uint64_t>(reader->size(), kFilePiece));
    for (std::uint64_t at = 0; at < reader->size();) {
      SV_CO_TRY(const std::size_t n, co_await reader->read(at, piece));
      SV_CO_CHECK(co_await on_disk(disk_, [&piece, n, at, fd, scratch]() -> Result<> {
        for (std::size_t done = 0; done < n;) {
          const ssize_t put =
              ::pwrite(fd->get(), piece.data() + done, n - done, static_cast<off_t>(at + done));
          if (put < 0) return file_failed("write", scratch);
          done += static_cast<std::size_t>(put);
        }
        return {};
      }));
      at += n;
    }
    co_return scratch;
  }

  std::optional<std::string> url_of(std::string_view key, std::string_view content_type,
                                    std::chrono::seconds ttl) const override {
    return client_.presigned("GET", client_.place().prefix + std::string(key),
                             {{"response-content-type", std::string(content_type)}}, ttl);
  }

 private:
  asio::any_io_executor executor() { return loop_.get_executor(); }
  s3::Writing writing() { return {executor(), client_, tasks_}; }
  std::string full_key(std::string_view key) const {
    return client_.place().prefix + std::string(key);
  }

  // On the loop. Once the bucket is known to be private nobody looks again.
  Task<Result<>> look() {
    SV_CO_CHECK(co_await client_.check_bucket());
    checked_ = true;
    co_return Result<>{};
  }
  Task<Result<>> ready() {
    if (checked_) co_return Result<>{};
    auto done = co_await check();
    if (!done && done.error().code == Errc::rejected) done.error().code = Errc::unavailable;
    co_return done;
  }

  // Of several uploads of a key the first is the one that goes on.
  Task<Result<std::vector<s3::Upload>>> uploads_of_key(const std::string& key) {
    SV_CO_TRY(auto all, co_await client_.uploads(full_key(key)));
    std::erase_if(all, [&](const s3::Upload& one) { return one.key != full_key(key); });
    std::ranges::sort(all, {}, [](const s3::Upload& one) { return std::tie(one.begun, one.id); });
    co_return all;
  }

  Task<Result<s3::S3Writer::Before>> left_of(const std::string& key) {
    s3::S3Writer::Before out;
    SV_CO_TRY(auto uploads, co_await uploads_of_key(key));
    if (uploads.empty()) co_return out;
    out.upload = std::move(uploads.front().id);
    SV_CO_TRY(out.parts, co_await client_.parts(full_key(key), out.upload));
    std::uint64_t start = 0;
    for (const s3::Part& part : out.parts) start += part.size;
    auto tail =
        co_await client_.get(s3::tail_key(client_, key, out.upload, start), 0, s3::S3Writer::kPart);
    if (tail) out.tail = std::move(tail->bytes);
    else if (tail.error().code != Errc::not_found)
      co_return std::unexpected(std::move(tail.error()));
    co_return out;
  }

  Task<Result<>> discard(const std::string& key) {
    SV_CO_TRY(const auto tails, co_await client_.list(s3::tail_folder(client_, key)));
    for (const ObjectInfo& tail : tails) SV_CO_CHECK(co_await client_.remove(tail.key));
    SV_CO_TRY(const auto uploads, co_await uploads_of_key(key));
    for (const s3::Upload& upload : uploads)
      SV_CO_CHECK(co_await client_.abort(full_key(key), upload.id));
    co_return Result<>{};
  }

  ThreadPool& disk_;
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{loop_.get_executor()};
  s3::Client client_;
  TaskGroup tasks_{"objects"};
  std::atomic<bool> checked_{false};
  std::thread thread_;
};

}  // namespace

Result<> check_s3_url(std::string_view url) {
  SV_CHECK(s3::parse_url(url));
  return {};
}

Result<std::unique_ptr<ObjectStore>> make_s3_objects(S3ObjectsOptions options, ThreadPool& disk) {
  SV_TRY(s3::Place place, s3::parse_url(options.url));
  auto store = std::make_unique<S3Objects>(std::move(place), options.metrics, disk);
  if (auto done = block_on(store->check()); !done) {
    const bool away = done.error().code == Errc::unavailable;
    if (!away || !options.may_be_away) return std::unexpected(std::move(done.error()));
  }
  return store;
}

}  // namespace sv
