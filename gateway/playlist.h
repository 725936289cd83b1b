#pragma once

#include <string>
#include <string_view>

namespace sv::gateway {

// An HLS playlist (RFC 8216) or a WebVTT track of a sprite, with `query` appended to every URI in
// it: players do not hand the query of the playlist on to its segments.
std::string sign_playlist(std::string_view playlist, std::string_view query);
std::string sign_sprite_track(std::string_view vtt, std::string_view query);

}  // namespace sv::gateway
