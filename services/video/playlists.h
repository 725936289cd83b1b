#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "platform/core/task.h"
#include "platform/ports/object_store.h"

namespace sv::video {

constexpr std::size_t kMaxPlaylist = 4 << 20;

// A rendition with HLS, its files below media/<asset>/.
struct HlsRung {
  std::string file;      // progressive MP4
  std::string playlist;  // media playlist
  int width = 0, height = 0;
};

// The master playlist of stored renditions, in their order, for a place below media/<asset>/:
// codecs from their initialisation segments, frame rates from their MP4s (what cannot be read there
// is left out and logged), bandwidths from their segments, whose sizes `bytes` tells by file.
Task<Result<std::string>> make_master_playlist(ObjectStore& objects, std::int64_t asset,
                                               std::filesystem::path place,
                                               std::vector<HlsRung> rungs,
                                               std::map<std::string, std::int64_t> bytes);

// The beginning of an object, at most `limit` bytes.
Task<Result<std::string>> read_object(ObjectStore& objects, std::string key, std::size_t limit);

}  // namespace sv::video
