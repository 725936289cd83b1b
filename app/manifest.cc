#include "app/manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "platform/core/fd.h"
#include "platform/crypto/sha256.h"

namespace sv {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr int kFormat = 1;
constexpr std::size_t kPiece = 1u << 20;

std::unexpected<Error> io_failed(const char* what, const fs::path& path) {
  const Errc code = errno == ENOSPC || errno == EDQUOT ? Errc::storage_full
                    : errno == ENOENT                  ? Errc::not_found
                                                       : Errc::internal;
  return fail(code, {}, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(errno)));
}

Result<> write_all(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_failed("write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

// Reads `from` to its end; what was read also goes to `to` when there is one.
Result<BackupFile> read_through(const fs::path& from, int to, const fs::path& to_path) {
  const Fd in{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
  if (in.get() < 0) return io_failed("read", from);
  std::vector<std::byte> buffer(kPiece);
  Sha256 hash;
  BackupFile out;
  for (;;) {
    const ssize_t n = ::read(in.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_failed("read", from);
    if (n == 0) break;
    const auto bytes = std::span<const std::byte>(buffer).first(static_cast<std::size_t>(n));
    hash.add(bytes);
    out.size += bytes.size();
    if (to >= 0) SV_CHECK(write_all(to, bytes, to_path));
  }
  out.sha256 = hash.hex();
  return out;
}

bool inside(const std::string& path) {
  const fs::path normal = fs::path(path).lexically_normal();
  return !path.empty() && normal.is_relative() && *normal.begin() != "..";
}

std::vector<std::string> texts(const json::value& list) {
  std::vector<std::string> out;
  for (const json::value& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

Manifest manifest_of(const json::object& o) {
  Manifest out{.version = std::string(o.at("version").as_string()),
               .time = std::string(o.at("time").as_string()),
               .databases = {},
               .missing = texts(o.at("missing")),
               .files = {}};
  for (const json::value& d : o.at("databases").as_array())
    out.databases.push_back(
        {.path = std::string(d.at("path").as_string()), .services = texts(d.at("services"))});
  for (const json::value& f : o.at("files").as_array())
    out.files.push_back({.path = std::string(f.at("path").as_string()),
                         .size = f.at("size").to_number<std::uint64_t>(),
                         .sha256 = std::string(f.at("sha256").as_string())});
  return out;
}

}  // namespace

Result<> write_manifest(const fs::path& folder, const Manifest& manifest) {
  const fs::path path = folder / kManifestFile;
  std::ofstream out(path, std::ios::binary);
  // A line a file: readable, and written without holding a second copy of a long list.
  out << "{\"format\": " << kFormat
      << ", \"version\": " << json::serialize(json::value(manifest.version))
      << ", \"time\": " << json::serialize(json::value(manifest.time)) << ",\n\"databases\": [";
  const char* comma = "\n";
  for (const BackupDatabase& d : manifest.databases) {
    out << std::exchange(comma, ",\n")
        << json::serialize(json::object{
               {"path", d.path}, {"services", json::array(d.services.begin(), d.services.end())}});
  }
  out << "],\n\"missing\": "
      << json::serialize(json::array(manifest.missing.begin(), manifest.missing.end()))
      << ",\n\"files\": [";
  comma = "\n";
  for (const BackupFile& f : manifest.files)
    out << std::exchange(comma, ",\n")
        << json::serialize(json::object{{"path", f.path}, {"size", f.size}, {"sha256", f.sha256}});
  out << "]}\n";
  out.close();
  if (!out) return io_failed("write", path);
  return {};
}

Result<Manifest> read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(Errc::not_found, {},
                fmt::format("{} is no backup: it has no {}", folder.string(), kManifestFile));
  Manifest out;
  try {
    json::stream_parser parser;
    std::string piece(kPiece, '\0');
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0)
      parser.write(piece.data(), static_cast<std::size_t>(in.gcount()));
    parser.finish();
    const json::value root = parser.release();
    if (const auto format = root.at("format").to_number<int>(); format != kFormat)
      return fail(Errc::rejected, {},
                  fmt::format("{} has format {}; this program reads format {}", path.string(),
                              format, kFormat));
    out = manifest_of(root.as_object());
  } catch (const std::exception& e) {
    return fail(Errc::rejected, "backup_damaged",
                fmt::format("{} is damaged: {}", path.string(), e.what()));
  }
  for (const BackupFile& f : out.files)
    if (!inside(f.path))
      return fail(Errc::rejected, "backup_damaged",
                  fmt::format("{} names {}, which is not in its folder", path.string(), f.path));
  return out;
}

Result<BackupFile> copy_hashed(const fs::path& from, const fs::path& to, unsigned mode) {
  std::error_code ec;
  fs::create_directories(to.parent_path(), ec);
  const Fd out{::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)};
  if (out.get() < 0) return io_failed("make", to);
  return read_through(from, out.get(), to);
}

Result<BackupFile> hash_file(const fs::path& file) { return read_through(file, -1, {}); }

Result<> sync_all(const fs::path& folder) {
  const Fd fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() < 0 || ::syncfs(fd.get()) != 0) return io_failed("sync", folder);
  return {};
}

}  // namespace sv
