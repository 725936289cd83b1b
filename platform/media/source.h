#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/media/media_tools.h"
#include "platform/media/packets.h"

namespace sv::media {

// What the commands need to know of a source beyond MediaInfo.
struct Source {
  MediaInfo info;  // duration_ms 0: the container does not say
  std::string demuxer;
  int video = 0;          // stream index
  int films = 0;          // how many streams could be the film
  int audio = -1;         // -1: silent
  bool odd_pair = false;  // it has two channels that are not called left and right
  bool interlaced = false;
  std::string hdr_transfer;     // "smpte2084" or "arib-std-b67"; empty: standard range
  std::int64_t longest_ms = 0;  // of any stream, also those we drop
  // Of the film, in µs from its beginning; empty without Tracks.
  std::vector<std::int64_t> pictures;
  std::int64_t pictures_end = 0, end = 0;
};

// Reads ffprobe's JSON (-show_format -show_streams -show_data). The film is the stream that plays:
// with `tracks` (else empty) the one with about the most pictures, and of several such the one
// marked `default`, the larger one, the first one. Its sound is the first that is not in `mute`.
// media_no_video when there is no film, media_unreadable, and media_truncated when the file says
// that it is longer than its packets.
Result<Source> parse_probe(std::string_view json, const Tracks& tracks, const std::set<int>& mute);

}  // namespace sv::media
