#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"
#include "platform/media/media_tools.h"

namespace sv::media {

// What the commands need to know of a source beyond MediaInfo.
struct Source {
  MediaInfo info;  // duration_ms 0: the container does not say
  std::string demuxer;
  int video = 0;           // stream index
  int audio = -1;          // -1: silent
  std::string frame_rate;  // constant rate of the renditions, "30000/1001"
  bool interlaced = false;
  std::string hdr_transfer;     // "smpte2084" or "arib-std-b67"; empty: standard range
  std::int64_t longest_ms = 0;  // of any stream, also those we drop
};

// Reads ffprobe's JSON (-show_format -show_streams). media_no_video when nothing in it moves;
// media_unreadable.
Result<Source> parse_probe(std::string_view json);

}  // namespace sv::media
