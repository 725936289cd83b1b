#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/media/source.h"
#include "platform/media/timing.h"

// The ffmpeg and ffprobe command lines. Output names are relative to the job folder.
namespace sv::media::commands {

using Argv = std::vector<std::string>;

struct Input {
  std::string url;
  std::string demuxer;
  std::int64_t max_pixels = 0;
  int threads = 0;
};

Argv probe(const Input& in);
Argv packets(const Input& in);  // a line a packet on stdout, for PacketReader
Argv sound(const Input& in,
           int stream);  // a line of "samples,channels" for each of its first frames
Argv pictures(const std::string& mp4, int count);  // decodes the first ones; progress on stdout
Argv poster(const Input& in, const Source& source, std::int64_t at_ms);  // → poster.jpg
Argv key_frames(const Input& in, const Source& source, int tile_width, int tile_height,
                double interval_s);                 // → grid.bmp, times on stderr
Argv crop_grid(int width, int height);              // grid.bmp → sprite.jpg
Argv image(const Input& in, int short_side);        // → image.jpg
Argv avatar(const Input& in, int short_side);       // → image.jpg
Argv remux(const Input& in, const Source& source);  // → out.mp4
Argv ladder(const Input& in, const Source& source, const Timing& timing,
            const std::vector<Rung>& rungs,
            std::int64_t limit_ms);  // → NAME.mp4, NAME/index.m3u8 …

}  // namespace sv::media::commands
