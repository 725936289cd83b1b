#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "platform/core/error.h"
#include "platform/media/media_tools.h"

namespace sv::media {

enum class Picture { unknown, jpeg, png, webp, gif };
Picture sniff_picture(std::span<const std::byte> head);

// The one demuxer a file may be opened with, so that no other guesses at its content.
std::string_view demuxer(Container container);
std::string_view demuxer(Picture picture);

// Reads the first bytes; what is not a regular file (a link is not followed) fails as
// Errc::internal.
struct Head {
  std::vector<std::byte> bytes;
  std::int64_t file_size = 0;
};
Result<Head> read_head(const std::filesystem::path& file);

// What the container's own boxes say before any tool opens the file: media_truncated when it ends
// inside a box that matters, media_too_large when a track's header announces more than
// `max_pixels`. Reads only headers; blocking.
Result<> check_structure(const std::filesystem::path& file, Container container,
                         std::int64_t max_pixels);

}  // namespace sv::media
