#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::media {

// What the first bytes say. Unknown content is refused before any tool opens it.
enum class Container { unknown, mp4, matroska, avi, mpegts, flv };
Container sniff(std::span<const std::byte> head);  // wants ≥ 400 bytes of the file, or all of it

struct MediaInfo {
  std::int64_t duration_ms = 0;
  int width = 0, height = 0;  // as shown: rotation applied
  double fps = 0;
  std::string format = {}, video_codec = {}, pixel_format = {},
              audio_codec = {};  // audio_codec empty: silent
  std::int64_t bit_rate = 0;     // of the whole file, bit/s
  // Every player shows the picture and plays the sound as they are: no interlacing, mirroring or
  // high dynamic range; at most stereo AAC-LC.
  bool plain = true;
  bool operator==(const MediaInfo&) const = default;
  // Plain 8-bit 4:2:0 H.264 + AAC (or silent), ≤ 1080p, ≤ 25 Mbit/s, as phones record: a remux is
  // enough to watch it.
  bool remuxable() const;
  // Whether a copy at this rate (bit/s) costs a viewer little more than the rungs do: at most 1.5 ×
  // the cap of its own.
  bool lean(std::int64_t copy_rate) const;
};

struct Rung {
  std::string name;           // "360" "540" "720" "1080": the short side in pixels
  int width = 0, height = 0;  // even; aspect kept; never above the source
  int max_rate_kbit = 0;
};
// The rungs of a source, lowest first: every ladder rung ≤ the source's short side; a smaller
// source gets one rung of its own size under the name "360". Portrait stays portrait.
std::vector<Rung> ladder_for(const MediaInfo& info);

struct RenditionFile {
  Rung rung;
  std::filesystem::path mp4;       // progressive, faststart
  std::filesystem::path playlist;  // HLS media playlist (fMP4: init + segments beside it)
  std::vector<std::filesystem::path> segments;  // init first
};

// Every job runs ffmpeg/ffprobe in a jail: bubblewrap (no network, own pid/user/ipc namespace,
// read-only root, only the job's folder writable), prlimit (address space, CPU, file size), wall
// clock, protocol and demuxer white lists. Failures: Errc::unprocessable with a token for the user
// (media_unreadable, media_no_video, media_too_long, media_too_large, media_truncated,
// media_timeout) or Errc::unavailable / storage_full / internal when it is ours and worth a retry.
// Cancelling the await kills the child.
class MediaTools {
 public:
  struct Options {
    std::filesystem::path scratch;  // job folders are made below it and removed by their owner
    bool jail = true;
    std::chrono::milliseconds max_duration = std::chrono::hours(4);
    int threads = 0;  // 0: as ffmpeg likes
    std::int64_t max_pixels = 8192LL * 4352;
  };
  static constexpr std::int64_t kAvatarPixels = 8192LL * 6144;
  using Progress = std::function<void(int percent)>;

  virtual ~MediaTools() = default;
  // Why the worker role cannot run here ("bwrap is not installed …"), or success.
  virtual Task<Result<>> check() = 0;
  virtual Task<Result<MediaInfo>> probe(std::filesystem::path source) = 0;
  // Poster JPEG (≤ 720 on the short side) from `at`.
  virtual Task<Result<>> poster(std::filesystem::path source, std::chrono::milliseconds at,
                                std::filesystem::path out) = 0;
  // Key-frame sprite (JPEG grid) and its WebVTT; `sprite_url` is what the VTT refers to.
  virtual Task<Result<>> sprite(std::filesystem::path source, const MediaInfo& info,
                                std::filesystem::path sprite_out, std::filesystem::path vtt_out,
                                std::string sprite_url) = 0;
  // Any accepted image → JPEG ≤ `short_side` (covers), metadata gone.
  virtual Task<Result<>> image(std::filesystem::path source, int short_side,
                               std::filesystem::path out) = 0;
  // As image(), but small for good: the longer side is ≤ 2 × `short_side` too. Takes more pixels
  // than a video frame has, kAvatarPixels: phones do. What is no picture is
  // Errc::unsupported_media, one that is cut short media_unreadable.
  virtual Task<Result<>> avatar(std::filesystem::path source, int short_side,
                                std::filesystem::path out) = 0;
  // Progressive MP4 with faststart, streams copied, metadata stripped. Errc::unsupported_media when
  // they are of a kind that must be encoded, media_unreadable when their pictures do not decode.
  virtual Task<Result<>> remux(std::filesystem::path source, const MediaInfo& info,
                               std::filesystem::path out) = 0;
  // All `rungs` in one command and one decode, into `folder`: per rung an HLS fMP4 rendition with
  // closed 2 s GOPs at the same times and a progressive MP4 (copied from the same encode). Pictures
  // keep the source's times (see Timing); where the sound outlasts them the last one is held.
  virtual Task<Result<std::vector<RenditionFile>>> transcode(std::filesystem::path source,
                                                             const MediaInfo& info,
                                                             std::vector<Rung> rungs,
                                                             std::filesystem::path folder,
                                                             Progress progress) = 0;
};

std::unique_ptr<MediaTools> make_media_tools(MediaTools::Options options);

}  // namespace sv::media
