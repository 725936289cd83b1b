#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sv::media {

// When the packets of a stream are shown, in the file's own time (µs), and when the last one ends.
struct Track {
  std::vector<std::int64_t> times;  // sorted, each once
  std::int64_t end = 0;
};
using Tracks = std::map<int, Track>;  // by stream index

// Reads, piece by piece, what commands::packets() prints.
class PacketReader {
 public:
  void feed(std::string_view piece);
  Tracks finish();

 private:
  struct Packet {
    std::int64_t at = 0, length = 0;
  };
  void line(std::string_view text);

  std::string rest_;
  std::map<int, std::vector<Packet>> streams_;
  std::size_t count_ = 0;
};

}  // namespace sv::media
