#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "services/video/store.h"

// Where media lie. A URL belongs to a video: /media/<video>/<rev>/<file>; an object belongs to an
// asset (media/<asset>/<file>), so that duplicates share bytes while each has paths of its own that
// can be withdrawn. A file is <run>/<name>, by the attempt that made it: attempts never meet. What
// older builds made has no <run>.
namespace sv::video {

constexpr std::string_view kPosterFile = "poster.jpg";  // from a frame, of the asset
constexpr std::string_view kCoverFile = "cover.jpg";    // from the author, of the video
constexpr std::string_view kSpriteFile = "sprite.jpg";
constexpr std::string_view kTrackFile = "sprite.vtt";
constexpr std::string_view kMasterFile = "master.m3u8";

std::string source_key(std::int64_t upload);
std::string cover_source_key(std::int64_t upload);
std::string cover_key(VideoId video, std::string_view file);
std::string media_key(std::int64_t asset, std::string_view file);
// Below which an attempt of a job writes, and nothing else does: "media/<asset>/<run>/".
std::string attempt_prefix(const Job& job);

// The WebVTT track that says which part of a sprite is which time; empty when there is none.
std::string track_of(std::string_view sprite);

std::string media_prefix(const VideoRow& row);  // "/media/<video>/<rev>/"

// Addresses of a video's files.
struct Links {
  std::string prefix, query;
  std::string to(std::string_view file) const;  // empty when there is no file
};
Urls urls_of(const VideoRow& row, const Links& links);

struct MediaPath {
  VideoId video;
  std::int64_t rev = 0;
  std::string_view file;  // into the path that was parsed
};
// nullopt: not a path that media_prefix() and a file name made of [a-z0-9._-] segments could give.
std::optional<MediaPath> parse_media_path(std::string_view path);
std::string object_key(const VideoRow& row, std::string_view file);
std::string_view content_type(std::string_view file);

}  // namespace sv::video
