#include "platform/media/hls.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace sv::media {
namespace {

constexpr std::string_view kLength = "#EXTINF:";
constexpr std::string_view kTarget = "#EXT-X-TARGETDURATION:";
constexpr std::string_view kMap = "#EXT-X-MAP:URI=\"";

template <class F>
void each_line(std::string_view text, F use) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) use(line);
  }
}

double length_of(std::string_view line) {
  line.remove_prefix(kLength.size());
  double seconds = 0;
  std::from_chars(line.data(), line.data() + line.size(), seconds);
  return std::isfinite(seconds) && seconds > 0 ? seconds : 0;
}

double total(const std::vector<Segment>& segments) {
  double sum = 0;
  for (const auto& s : segments) sum += s.seconds;
  return sum;
}

// §4.3.3.1: no segment, rounded to the nearest integer, may be longer.
int target_duration(const std::vector<Segment>& segments) {
  double longest = 0;
  for (const auto& s : segments) longest = std::max(longest, s.seconds);
  return std::max(1, static_cast<int>(std::lround(longest)));
}

std::int64_t rate(std::int64_t bytes, double seconds) {
  return seconds > 0
             ? static_cast<std::int64_t>(std::ceil(static_cast<double>(bytes) * 8 / seconds))
             : 0;
}

}  // namespace

std::vector<Segment> segments_of(std::string_view playlist) {
  std::vector<Segment> out;
  double seconds = 0;
  each_line(playlist, [&](std::string_view line) {
    if (line.starts_with(kLength)) seconds = length_of(line);
    else if (!line.starts_with('#')) out.push_back({.uri = std::string(line), .seconds = seconds});
  });
  return out;
}

std::string init_of(std::string_view playlist) {
  const auto at = playlist.find(kMap);
  if (at == playlist.npos) return {};
  const auto rest = playlist.substr(at + kMap.size());
  return std::string(rest.substr(0, rest.find('"')));
}

std::string mend_media_playlist(std::string_view playlist,
                                std::optional<std::chrono::milliseconds> whole) {
  auto segments = segments_of(playlist);
  if (whole && !segments.empty()) {
    auto& last = segments.back().seconds;
    const double left = std::chrono::duration<double>(*whole).count() - (total(segments) - last);
    if (left > 0.001) last = left;
  }
  std::string out;
  std::size_t i = 0;
  each_line(playlist, [&](std::string_view line) {
    if (line.starts_with(kTarget)) out += fmt::format("{}{}\n", kTarget, target_duration(segments));
    else if (line.starts_with(kLength) && i < segments.size())
      out += fmt::format("{}{:.6f},\n", kLength, segments[i++].seconds);
    else out += fmt::format("{}\n", line);
  });
  return out;
}

std::string prefix_uris(std::string_view playlist, std::string_view prefix) {
  std::string out;
  each_line(playlist, [&](std::string_view line) {
    if (line.starts_with(kMap)) out.append(kMap).append(prefix).append(line.substr(kMap.size()));
    else out.append(line.starts_with('#') ? "" : prefix).append(line);
    out += '\n';
  });
  return out;
}

std::int64_t average_bandwidth(const std::vector<Segment>& segments) {
  std::int64_t bytes = 0;
  for (const auto& s : segments) bytes += s.bytes;
  return rate(bytes, total(segments));
}

std::int64_t peak_bandwidth(const std::vector<Segment>& segments) {
  const double target = target_duration(segments);
  std::int64_t peak = average_bandwidth(segments);
  for (std::size_t from = 0; from < segments.size(); ++from) {
    std::int64_t bytes = 0;
    double seconds = 0;
    for (auto i = from; i < segments.size() && seconds < 1.5 * target; ++i) {
      bytes += segments[i].bytes;
      seconds += segments[i].seconds;
      if (seconds >= 0.5 * target && seconds <= 1.5 * target)
        peak = std::max(peak, rate(bytes, seconds));
    }
  }
  return peak;
}

std::string write_master_playlist(const std::vector<Variant>& variants) {
  std::string out = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  for (const auto& v : variants) {
    out += fmt::format("#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}",
                       peak_bandwidth(v.segments), average_bandwidth(v.segments));
    if (!v.codecs.empty()) out += fmt::format(",CODECS=\"{}\"", v.codecs);
    out += fmt::format(",RESOLUTION={}x{}", v.width, v.height);
    if (v.frame_rate > 0) out += fmt::format(",FRAME-RATE={:.3f}", v.frame_rate);
    out += fmt::format("\n{}\n", v.playlist);
  }
  return out;
}

}  // namespace sv::media
