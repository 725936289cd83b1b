#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Playlists of HTTP Live Streaming (RFC 8216, and what Apple's authoring rules add).
namespace sv::media {

struct Segment {
  std::string uri;
  double seconds = 0;
  std::int64_t bytes = 0;
};
std::vector<Segment> segments_of(std::string_view media_playlist);
std::string init_of(std::string_view media_playlist);  // EXT-X-MAP's URI

// The playlist as the muxer wrote it, with a target duration that no segment exceeds and that is at
// least 1, and, where `whole` is given, with a last segment that ends when the film does: the muxer
// only guesses how long the last picture is seen.
std::string mend_media_playlist(std::string_view playlist,
                                std::optional<std::chrono::milliseconds> whole);

// The playlist for another place: every URI in it with `prefix` before it ("../../360/").
std::string prefix_uris(std::string_view media_playlist, std::string_view prefix);

struct Variant {
  std::string playlist;
  int width = 0, height = 0;
  double frame_rate = 0;  // 0: not known
  std::string codecs;     // "avc1.4d401f,mp4a.40.2"; empty: not known
  std::vector<Segment> segments;
};
std::string write_master_playlist(const std::vector<Variant>& variants);

// §4.3.4.2: the largest bit rate of contiguous segments that last 0.5 to 1.5 target durations
// together; and that of all of them. bit/s
std::int64_t peak_bandwidth(const std::vector<Segment>& segments);
std::int64_t average_bandwidth(const std::vector<Segment>& segments);

}  // namespace sv::media
