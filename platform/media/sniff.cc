#include "platform/media/sniff.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sv::media {
namespace {

bool has(std::span<const std::byte> head, std::size_t at, std::string_view magic) {
  return head.size() >= at + magic.size() &&
         std::memcmp(head.data() + at, magic.data(), magic.size()) == 0;
}

// Sync bytes at a fixed distance, as many as the head holds but not fewer than two.
bool is_mpegts(std::span<const std::byte> head, std::size_t first, std::size_t packet) {
  std::size_t seen = 0;
  for (std::size_t at = first; at < head.size() && seen < 5; at += packet, ++seen) {
    if (head[at] != std::byte{0x47}) return false;
  }
  return seen >= 2;
}

}  // namespace

Container sniff(std::span<const std::byte> head) {
  using namespace std::string_view_literals;
  if (has(head, 4, "ftyp") || has(head, 4, "moov") || has(head, 4, "mdat") ||
      has(head, 4, "wide") || has(head, 4, "free") || has(head, 4, "skip"))
    return Container::mp4;
  if (has(head, 0, "\x1a\x45\xdf\xa3"sv)) return Container::matroska;
  if (has(head, 0, "RIFF") && has(head, 8, "AVI ")) return Container::avi;
  if (has(head, 0, "FLV\x01"sv)) return Container::flv;
  if (is_mpegts(head, 0, 188) || is_mpegts(head, 4, 192)) return Container::mpegts;
  return Container::unknown;
}

Picture sniff_picture(std::span<const std::byte> head) {
  using namespace std::string_view_literals;
  if (has(head, 0, "\xff\xd8\xff"sv)) return Picture::jpeg;
  if (has(head, 0, "\x89PNG\r\n\x1a\n"sv)) return Picture::png;
  if (has(head, 0, "RIFF") && has(head, 8, "WEBP")) return Picture::webp;
  if (has(head, 0, "GIF87a") || has(head, 0, "GIF89a")) return Picture::gif;
  return Picture::unknown;
}

std::string_view demuxer(Container container) {
  switch (container) {
    case Container::mp4:
      return "mp4";
    case Container::matroska:
      return "matroska";
    case Container::avi:
      return "avi";
    case Container::mpegts:
      return "mpegts";
    case Container::flv:
      return "flv";
    case Container::unknown:
      break;
  }
  return {};
}

std::string_view demuxer(Picture picture) {
  switch (picture) {
    case Picture::jpeg:
      return "jpeg_pipe";
    case Picture::png:
      return "png_pipe";
    case Picture::webp:
      return "webp_pipe";
    case Picture::gif:
      return "gif";
    case Picture::unknown:
      break;
  }
  return {};
}

Result<Head> read_head(const std::filesystem::path& file) {
  int fd = ::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return fail(Errc::internal, {},
                fmt::format("cannot open {}: {}", file.string(), std::strerror(errno)));
  struct stat st{};
  Head head{std::vector<std::byte>(4096), 0};
  bool regular = ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  auto n = regular ? ::read(fd, head.bytes.data(), head.bytes.size()) : -1;
  ::close(fd);
  if (n < 0) return fail(Errc::internal, {}, "cannot read " + file.string());
  head.bytes.resize(static_cast<std::size_t>(n));
  head.file_size = st.st_size;
  return head;
}

}  // namespace sv::media
