#include "platform/media/mp4.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

namespace sv::media {
namespace {

// A view that reads big-endian numbers; beyond the end there are zeros.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  std::size_t size() const { return bytes_.size(); }
  std::uint64_t number(std::size_t at, int width) const {
    std::uint64_t v = 0;
    for (int i = 0; i < width; ++i, ++at)
      v = v << 8 | (at < bytes_.size() ? static_cast<unsigned char>(bytes_[at]) : 0U);
    return v;
  }
  std::string_view name(std::size_t at) const { return from(at).bytes_.substr(0, 4); }
  Bytes from(std::size_t at) const { return Bytes(bytes_.substr(std::min(at, bytes_.size()))); }
  Bytes first(std::size_t n) const { return Bytes(bytes_.substr(0, n)); }
  // The content of the first box of that name among the boxes here; empty: there is none.
  Bytes box(std::string_view wanted) const {
    Bytes found(std::string_view{});
    each_box([&](std::string_view name, Bytes content) {
      if (name == wanted && found.size() == 0) found = content;
    });
    return found;
  }
  template <class F>
  void each_box(F use) const {
    for (std::size_t at = 0; at + 8 <= size();) {
      const auto length = number(at, 4);
      if (length < 8 || length > size() - at) return;
      use(name(at + 4), from(at + 8).first(length - 8));
      at += length;
    }
  }

 private:
  std::string_view bytes_;
};

// An MPEG-4 descriptor (14496-1 §8.3.3): a tag, a length in groups of seven bits, the content.
Bytes descriptor(Bytes in, unsigned tag) {
  while (in.size() >= 2) {
    std::size_t length = 0, at = 1;
    for (bool more = true; more && at <= 4; ++at) {
      const auto b = in.number(at, 1);
      length = length << 7 | (b & 0x7f);
      more = (b & 0x80) != 0;
    }
    if (in.number(0, 1) == tag) return in.from(at).first(length);
    in = in.from(at + length);
  }
  return Bytes(std::string_view{});
}

void read_aac(Bytes esds, Mp4Facts& facts) {
  Bytes stream = descriptor(esds.from(4), 3);
  const auto flags = stream.number(2, 1);
  std::size_t at = 3;
  if (flags & 0x80) at += 2;
  if (flags & 0x40) at += 1 + stream.number(at, 1);
  if (flags & 0x20) at += 2;
  Bytes decoder = descriptor(stream.from(at), 4);
  Bytes config = descriptor(decoder.from(13), 5);  // AudioSpecificConfig, 14496-3 §1.6.2.1
  const auto bits = config.number(0, 3);
  auto type = bits >> 19;
  if (type == 31) type = 32 + (bits >> 13 & 0x3f);
  else if ((bits >> 15 & 15) != 15) facts.audio_channels = static_cast<int>(bits >> 11 & 15);
  facts.audio_codec = fmt::format("mp4a.{:02x}.{}", decoder.number(0, 1), type);
}

// The usual rate: pictures that are held, or that come in a burst, do not count.
double frame_rate(Bytes stts, std::uint64_t time_scale) {
  struct Run {
    std::uint64_t length, count;
  };
  std::vector<Run> runs;
  std::uint64_t all = 0;
  for (std::size_t at = 8; at + 8 <= stts.size(); at += 8) {
    runs.push_back({stts.number(at + 4, 4), stts.number(at, 4)});
    all += runs.back().count;
  }
  if (all == 0 || time_scale == 0) return 0;
  if (all > 1) --all, --runs.back().count;  // how long the last one is seen is another matter
  std::ranges::sort(runs, {}, &Run::length);
  std::uint64_t middle = 0, before = 0;
  for (const auto& r : runs) {
    middle = r.length;
    if ((before += r.count) * 2 > all) break;
  }
  std::uint64_t pictures = 0, time = 0;
  for (const auto& r : runs) {
    if (r.length * 3 < middle * 2 || r.length * 2 > middle * 3) continue;
    pictures += r.count;
    time += r.count * r.length;
  }
  return time > 0 ? static_cast<double>(pictures) * static_cast<double>(time_scale) /
                        static_cast<double>(time)
                  : 0;
}

void read_track(Bytes trak, Mp4Facts& facts) {
  const Bytes mdia = trak.box("mdia"), stbl = mdia.box("minf").box("stbl"), mdhd = mdia.box("mdhd");
  const Bytes entry = stbl.box("stsd").from(8);
  const auto kind = entry.name(4);
  if ((kind == "avc1" || kind == "avc3") && facts.video_codec.empty()) {
    // VisualSampleEntry and AudioSampleEntry hold further boxes behind 86 and 36 bytes.
    const Bytes avcc = entry.first(entry.number(0, 4)).from(86).box("avcC");
    if (avcc.size() < 4) return;
    facts.width = static_cast<int>(entry.number(32, 2));
    facts.height = static_cast<int>(entry.number(34, 2));
    facts.video_codec = fmt::format("{}.{:06x}", kind, avcc.number(1, 3));
    facts.frame_rate = frame_rate(stbl.box("stts"), mdhd.number(mdhd.number(0, 1) ? 20 : 12, 4));
  } else if (kind == "mp4a" && facts.audio_codec.empty()) {
    read_aac(entry.first(entry.number(0, 4)).from(36).box("esds"), facts);
  }
}

}  // namespace

Result<Mp4Facts> read_mp4(std::string_view head) {
  const Bytes moov = Bytes(head).box("moov");
  Mp4Facts facts;
  std::size_t tracks = 0;
  moov.each_box([&](std::string_view name, Bytes content) {
    if (name != "trak") return;
    ++tracks;
    read_track(content, facts);
  });
  const auto read = (facts.video_codec.empty() ? 0U : 1U) + (facts.audio_codec.empty() ? 0U : 1U);
  if (facts.video_codec.empty() || read != tracks)
    return fail(Errc::internal, {}, fmt::format("{} of {} tracks are H.264 or AAC", read, tracks));
  return facts;
}

}  // namespace sv::media
