#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "platform/media/sniff.h"

namespace sv::media {
namespace {

constexpr int kMaxBoxes = 100000;  // of one file: more is an attack on our time

std::unexpected<Error> truncated(std::string detail) {
  return fail(Errc::unprocessable, "media_truncated", std::move(detail));
}

class File {
 public:
  explicit File(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) {
    struct stat st{};
    if (fd_ >= 0 && ::fstat(fd_, &st) == 0) size_ = st.st_size;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::int64_t size() const { return size_; }
  bool read(std::int64_t at, std::span<unsigned char> into) const {
    return at >= 0 &&
           ::pread(fd_, into.data(), into.size(), at) == static_cast<ssize_t>(into.size());
  }

 private:
  int fd_;
  std::int64_t size_ = 0;
};

std::uint64_t big_endian(std::span<const unsigned char> bytes) {
  std::uint64_t v = 0;
  for (auto b : bytes) v = v << 8 | b;
  return v;
}

std::uint32_t name_of(const char (&text)[5]) {
  return std::uint32_t(text[0]) << 24 | std::uint32_t(text[1]) << 16 | std::uint32_t(text[2]) << 8 |
         std::uint32_t(text[3]);
}

// ISO/IEC 14496-12 boxes.
class Mp4Walk {
 public:
  Mp4Walk(const File& file, std::int64_t max_pixels) : file_(file), max_pixels_(max_pixels) {}

  Result<> run() {
    SV_CHECK(boxes(0, file_.size(), 0));
    if (!moov_) {
      return mdat_ ? truncated("no moov")
                   : fail(Errc::unprocessable, "media_unreadable", "no moov");
    }
    return {};
  }

 private:
  Result<> boxes(std::int64_t at, std::int64_t end, int depth) {
    while (at + 8 <= end) {
      if (++count_ > kMaxBoxes)
        return fail(Errc::unprocessable, "media_unreadable", "too many boxes");
      unsigned char head[16];
      if (!file_.read(at, std::span(head, 8))) return truncated("box header");
      std::int64_t header = 8;
      auto size = static_cast<std::int64_t>(big_endian(std::span(head, 4)));
      auto name = static_cast<std::uint32_t>(big_endian(std::span(head + 4, 4)));
      if (size == 1) {
        if (!file_.read(at, head)) return truncated("box header");
        auto wide = big_endian(std::span(head + 8, 8));
        if (wide > (std::uint64_t(1) << 62)) return truncated("box size");
        size = static_cast<std::int64_t>(wide);
        header = 16;
      } else if (size == 0) {
        size = end - at;
      }
      bool matters = name == name_of("mdat") || name == name_of("moov") || name == name_of("moof");
      // Junk after the last box is common and harmless.
      if (size < header) return {};
      if (size > end - at) {
        if (depth == 0 && matters)
          return truncated(fmt::format("a box of {} bytes at {} in a file of {}", size, at, end));
        return {};
      }
      SV_CHECK(visit(name, at + header, at + size, depth));
      at += size;
    }
    return {};
  }

  Result<> visit(std::uint32_t name, std::int64_t from, std::int64_t to, int depth) {
    if (depth == 0) {
      moov_ |= name == name_of("moov");
      mdat_ |= name == name_of("mdat");
    }
    if (name == name_of("moov") || name == name_of("trak") || name == name_of("mdia") ||
        name == name_of("minf") || name == name_of("stbl")) {
      return depth < 8 ? boxes(from, to, depth + 1) : Result<>{};
    }
    // Track width and height end the box as 16.16 fixed point.
    if (name == name_of("tkhd") && to - from >= 84) return picture(to - 8, 4);
    if (name == name_of("stco")) return last_chunk(from, to, 4);
    if (name == name_of("co64")) return last_chunk(from, to, 8);
    if (name == name_of("stsd")) return sample_entries(from + 8, to);
    return {};
  }

  Result<> sample_entries(std::int64_t at, std::int64_t end) {
    while (at + 36 <= end) {
      if (++count_ > kMaxBoxes)
        return fail(Errc::unprocessable, "media_unreadable", "too many boxes");
      unsigned char head[8];
      if (!file_.read(at, head)) return truncated("sample entry");
      auto size = static_cast<std::int64_t>(big_endian(std::span(head, 4)));
      // VisualSampleEntry: width and height after 8 + 24 bytes; the entries of sound and data have
      // other things there.
      constexpr std::array kVisual = {"avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe",
                                      "av01", "vp08", "vp09", "mp4v", "s263", "jpeg",
                                      "mjpa", "mjpb", "png ", "rle ", "apch", "apcn",
                                      "apcs", "apco", "ap4h", "ap4x", "AVdn", "encv"};
      bool visual = std::ranges::any_of(
          kVisual, [&](const char* s) { return std::memcmp(s, head + 4, 4) == 0; });
      if (visual && size >= 86) SV_CHECK(picture(at + 32, 2));
      if (size < 16) return {};
      at += size;
    }
    return {};
  }

  // An mdat of size 0 reaches to wherever the file ends now; where the last chunk starts tells the
  // truth.
  Result<> last_chunk(std::int64_t from, std::int64_t to, std::int64_t width) {
    unsigned char bytes[8];
    if (!file_.read(from + 4, std::span(bytes, 4))) return truncated("chunk offsets");
    auto count = static_cast<std::int64_t>(big_endian(std::span(bytes, 4)));
    auto at = from + 8 + (count - 1) * width;
    if (count == 0 || at + width > to ||
        !file_.read(at, std::span(bytes, static_cast<std::size_t>(width))))
      return {};
    auto offset = big_endian(std::span(bytes, static_cast<std::size_t>(width)));
    if (offset >= static_cast<std::uint64_t>(file_.size()))
      return truncated(fmt::format("a chunk at {} in a file of {}", offset, file_.size()));
    return {};
  }

  Result<> picture(std::int64_t at, std::size_t bytes) {
    unsigned char sides[8];
    if (!file_.read(at, std::span(sides, bytes * 2))) return truncated("picture size");
    auto width = static_cast<std::int64_t>(big_endian(std::span(sides, 2)));
    auto height = static_cast<std::int64_t>(big_endian(std::span(sides + bytes, 2)));
    if (width * height > max_pixels_)
      return fail(Errc::unprocessable, "media_too_large",
                  fmt::format("{}×{} in the header", width, height));
    return {};
  }

  const File& file_;
  const std::int64_t max_pixels_;
  int count_ = 0;
  bool moov_ = false, mdat_ = false;
};

// EBML: the header element, then a Segment of known or unknown size (RFC 8794 §4, RFC 9559 §5).
Result<> check_matroska(const File& file) {
  std::int64_t at = 0;
  for (int element = 0; element < 2; ++element) {
    unsigned char bytes[12];
    if (!file.read(at, bytes)) return truncated("EBML element");
    int size_length = bytes[4] == 0 ? 0 : __builtin_clz(static_cast<unsigned>(bytes[4])) - 23;
    if (size_length == 0) return fail(Errc::unprocessable, "media_unreadable", "EBML size");
    std::uint64_t size = bytes[4] & (0xffu >> size_length),
                  unknown = (std::uint64_t(1) << (7 * size_length)) - 1;
    for (int i = 1; i < size_length; ++i) size = size << 8 | bytes[4 + i];
    at += 4 + size_length;
    if (size == unknown) return {};  // a live recording
    if (size > static_cast<std::uint64_t>(std::max<std::int64_t>(0, file.size() - at)))
      return truncated("Segment reaches beyond the file");
    at += static_cast<std::int64_t>(size);
  }
  return {};
}

Result<> check_avi(const File& file) {
  unsigned char size[4];
  if (!file.read(4, size)) return truncated("RIFF header");
  auto bytes = std::int64_t(size[0]) | std::int64_t(size[1]) << 8 | std::int64_t(size[2]) << 16 |
               std::int64_t(size[3]) << 24;
  if (bytes + 8 > file.size()) return truncated("RIFF reaches beyond the file");
  return {};
}

}  // namespace

Result<> check_structure(const std::filesystem::path& path, Container container,
                         std::int64_t max_pixels) {
  File file(path);
  switch (container) {
    case Container::mp4:
      return Mp4Walk(file, max_pixels).run();
    case Container::matroska:
      return check_matroska(file);
    case Container::avi:
      return check_avi(file);
    default:
      return {};
  }
}

}  // namespace sv::media
