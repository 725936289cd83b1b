#include "platform/auth/keyfile.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/core/encoding.h"
#include "platform/core/fd.h"
#include "platform/crypto/random.h"

namespace sv::auth {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024;

auto bad(const std::filesystem::path& file, std::string_view what) {
  return fail(Errc::internal, "keyfile_invalid",
              fmt::format("key file {}: {}", file.string(), what));
}
auto bad_errno(const std::filesystem::path& file, std::string_view what) {
  return bad(file, fmt::format("{}: {}", what, std::strerror(errno)));
}

// nullopt: there is no such file.
Result<std::optional<std::string>> read_private(const std::filesystem::path& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    return bad_errno(file, "cannot be opened");
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return bad_errno(file, "cannot be read");
  if ((info.st_mode & 077) != 0) return bad(file, "others may read it; run: chmod 600 on it");
  std::string text(kMaxFile, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t n = ::read(fd.get(), text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return bad_errno(file, "cannot be read");
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  text.resize(used);
  return text;
}

Result<std::vector<Key>> parse(const std::filesystem::path& file, const std::string& text) {
  std::vector<Key> keys;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const auto space = line.find(' ');
    if (space == std::string::npos) return bad(file, "a line is not: kid secret");
    keys.push_back({line.substr(0, space), line.substr(space + 1)});
  }
  if (auto ok = KeyRing::validate(keys); !ok) return bad(file, ok.error().detail);
  return keys;
}

Result<> create(const std::filesystem::path& file) {
  const std::string text = fmt::format(
      "# Signs access tokens and media links. Whoever reads it can be any user.\n{} {}\n",
      "k" + hex_encode(random_bytes(4)), random_token());
  const std::filesystem::path part = file.string() + "." + hex_encode(random_bytes(8)) + ".part";
  {
    const Fd fd(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (fd.get() < 0) return bad_errno(file, "cannot be made");
    const bool written =
        ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(fd.get()) == 0;
    if (!written) {
      auto error = bad_errno(file, "cannot be written");
      ::unlink(part.c_str());
      return error;
    }
  }
  // link() refuses an existing name: of two processes that start at once, the second takes the
  // first one's keys.
  const bool linked = ::link(part.c_str(), file.c_str()) == 0 || errno == EEXIST;
  auto error = bad_errno(file, "cannot be made");
  ::unlink(part.c_str());
  if (!linked) return error;
  const Fd folder(::open(file.parent_path().empty() ? "." : file.parent_path().c_str(),
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0)
    return bad_errno(file, "its folder cannot be synced");
  return {};
}

}  // namespace

Result<std::vector<Key>> load_or_create_keys(const std::filesystem::path& file) {
  SV_TRY(auto text, read_private(file));
  if (text) return parse(file, *text);
  SV_CHECK(create(file));
  SV_TRY(auto made, read_private(file));
  if (!made) return bad(file, "vanished");
  return parse(file, *made);
}

}  // namespace sv::auth
