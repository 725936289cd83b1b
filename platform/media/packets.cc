#include "platform/media/packets.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace sv::media {
namespace {

constexpr std::size_t kMaxPackets =
    8'000'000;  // 128 MB; four hours at 240 pictures a second: 3.5 M
constexpr std::int64_t kUnknownLength = 40'000;  // of the only picture of a file that does not say

std::optional<std::int64_t> microseconds(std::string_view text) {
  double seconds = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (r.ec != std::errc{} || !std::isfinite(seconds) || std::abs(seconds) > 1e9)
    return std::nullopt;
  return std::llround(seconds * 1e6);
}

}  // namespace

void PacketReader::feed(std::string_view piece) {
  rest_ += piece;
  std::size_t from = 0;
  for (std::size_t end; (end = rest_.find('\n', from)) != rest_.npos; from = end + 1)
    line(std::string_view(rest_).substr(from, end - from));
  rest_.erase(0, from);
}

// stream_index,pts_time,dts_time,duration_time,flags
void PacketReader::line(std::string_view text) {
  std::array<std::string_view, 5> field;
  for (auto& f : field) {
    const auto comma = std::min(text.find(','), text.size());
    f = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  int stream = 0;
  if (std::from_chars(field[0].data(), field[0].data() + field[0].size(), stream).ec != std::errc{})
    return;
  auto at = microseconds(field[1]);
  if (!at) at = microseconds(field[2]);  // AVI keeps no presentation times
  // D: decoded but not shown, says an edit list.
  if (!at || field[4].contains('D') || ++count_ > kMaxPackets) return;
  streams_[stream].push_back({*at, std::max<std::int64_t>(0, microseconds(field[3]).value_or(0))});
}

Tracks PacketReader::finish() {
  Tracks out;
  for (auto& [stream, packets] : streams_) {
    auto& track = out[stream];
    std::ranges::sort(packets, {}, &Packet::at);
    for (const auto& p : packets) {
      if (track.times.empty() || track.times.back() != p.at) track.times.push_back(p.at);
      if (p.length > 0) track.end = std::max(track.end, p.at + p.length);
    }
    const auto n = track.times.size();
    if (track.end <= track.times.back())
      track.end =
          track.times.back() + (n > 1 ? track.times[n - 1] - track.times[n - 2] : kUnknownLength);
    packets = {};
  }
  return out;
}

}  // namespace sv::media
