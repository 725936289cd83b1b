#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"

namespace sv::media {

// What the `moov` box of an MP4 with H.264 and AAC says of its tracks (ISO/IEC 14496-12, -14, -15).
struct Mp4Facts {
  int width = 0, height = 0;
  double frame_rate = 0;    // pictures a second while they move; 0: an initialisation segment
  std::string video_codec;  // as RFC 6381 writes it, "avc1.4d401f"
  std::string audio_codec;  // "mp4a.40.2"; empty: silent
  int audio_channels = 0;   // of AAC's channel configuration; 0: by other means
  std::string codecs() const {
    return audio_codec.empty() ? video_codec : video_codec + "," + audio_codec;
  }
};

// `head` holds the whole `moov`. Errc::internal when it does not, or when a track is of another
// kind.
Result<Mp4Facts> read_mp4(std::string_view head);

}  // namespace sv::media
