#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv {

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
};

// Streams one object in. Nothing is visible under the key before commit() returns; dropping the
// writer without commit() discards what a non-resumable put wrote. A full disk is
// Errc::storage_full. One caller at a time.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Task<Result<>> write(std::span<const std::byte> bytes) = 0;
  virtual std::uint64_t offset() const = 0;  // bytes accepted so far
  virtual Task<Result<>> flush() = 0;        // makes offset() durable (resumable appends)
  virtual Task<Result<>> commit() = 0;       // fsync of file and folder, then atomic rename
};

class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual std::uint64_t size() const = 0;  // of the whole object
  // Up to `into.size()` bytes from `offset`; 0 at the end.
  virtual Task<Result<std::size_t>> read(std::uint64_t offset, std::span<std::byte> into) = 0;
  // A descriptor for sendfile(2), or -1 when the store has none. Valid while the reader lives.
  virtual int native_handle() const = 0;
};

// Blobs by key: "videos/<id>/<rev>/720.mp4"; [a-z0-9._-] segments, no "..", ≤ 512 bytes (else
// Errc::internal). Thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Task<Result<std::unique_ptr<ObjectWriter>>> put(std::string key) = 0;
  // Continues the part left by an earlier append() of this key, at its durable offset (0 when there
  // is none).
  virtual Task<Result<std::unique_ptr<ObjectWriter>>> append(std::string key) = 0;
  virtual Task<Result<>> discard_append(std::string key) = 0;
  virtual Task<Result<std::unique_ptr<ObjectReader>>> open(
      std::string key) = 0;  // absent: Errc::not_found
  virtual Task<Result<ObjectInfo>> head(std::string key) = 0;
  virtual Task<Result<>> remove(std::string key) = 0;  // absent: success
  virtual Task<Result<std::vector<ObjectInfo>>> list(std::string prefix) = 0;
  // Local files, for programs that need them (ffmpeg). `import_file` moves the file in, durable
  // when it returns.
  virtual Task<Result<>> import_file(std::filesystem::path from, std::string key) = 0;
  // A readable local path of the object: its own file where the store has one (do not write), else
  // a copy at `scratch`.
  virtual Task<Result<std::filesystem::path>> local_copy(std::string key,
                                                         std::filesystem::path scratch) = 0;
  // A URL from which whoever has it reads the object, until `ttl` from now, in a store that serves
  // by itself. That the object is there is not looked at.
  virtual std::optional<std::string> url_of(std::string_view, std::string_view /*content type*/,
                                            std::chrono::seconds /*ttl*/) const {
    return std::nullopt;
  }
};

}  // namespace sv
