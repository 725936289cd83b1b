#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sv::media {

// A sprite is one JPEG of at most 10 × 10 tiles, in rows, each from a key frame; a WebVTT file says
// which tile belongs to which time.
struct SpritePlan {
  int tile_width = 0, tile_height = 0;  // the longer side is 160
  double interval_s = 1;                // at least this far apart
};
struct Grid {
  int columns = 0, rows = 0;
};

SpritePlan plan_sprite(int width, int height, std::int64_t duration_ms);
Grid grid_for(std::size_t tiles);
// From the lines of ffmpeg's showinfo filter; seconds.
std::vector<double> key_frame_times(std::string_view log);
std::string write_vtt(const std::vector<double>& times, std::int64_t duration_ms,
                      const SpritePlan& plan, std::string_view sprite_url);

}  // namespace sv::media
