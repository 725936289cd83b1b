#include "platform/media/source.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <boost/json.hpp>

namespace sv::media {
namespace {

namespace json = boost::json;

std::string_view text(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

// ffprobe prints some numbers as text and leaves out what it does not know.
double number(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  if (!v) return 0;
  if (v->is_number()) return v->to_number<double>();
  if (!v->is_string()) return 0;
  double d = std::strtod(v->get_string().c_str(), nullptr);
  return std::isfinite(d) ? d : 0;
}

double ratio(std::string_view s, char separator) {
  auto at = s.find(separator);
  if (at == s.npos) return 0;
  double n = std::strtod(std::string(s.substr(0, at)).c_str(), nullptr),
         d = std::strtod(std::string(s.substr(at + 1)).c_str(), nullptr);
  return n > 0 && d > 0 ? n / d : 0;
}

bool flag(const json::object& stream, std::string_view name) {
  const auto* d = stream.if_contains("disposition");
  return d && d->is_object() && number(d->get_object(), name) != 0;
}

// What ffprobe prints as a table of hexadecimal words, "00000000: 1190 56e5 00    ..V..".
std::string from_hex_dump(std::string_view dump) {
  std::string out;
  for (std::size_t at; (at = dump.find(": ")) != dump.npos;) {
    dump.remove_prefix(at + 2);
    unsigned high = 0, digits = 0;
    for (char c : dump.substr(0, dump.find("  "))) {
      unsigned digit = 0;
      if (std::from_chars(&c, &c + 1, digit, 16).ec != std::errc{}) continue;
      if (digits++ % 2 == 0) high = digit;
      else out += static_cast<char>(high << 4 | digit);
    }
  }
  return out;
}

struct Turn {
  bool quarter = false, mirrored = false;
};

// Phones turn the picture in steps of 90°; cameras for selfies mirror it.
Turn turn_of(const json::object& stream) {
  Turn turn;
  const auto* list = stream.if_contains("side_data_list");
  if (!list || !list->is_array()) return turn;
  for (const auto& data : list->get_array()) {
    if (!data.is_object() || !data.get_object().contains("rotation")) continue;
    turn.quarter = std::lround(std::abs(number(data.get_object(), "rotation")) / 90) % 2 == 1;
    double a = 1, b = 0, c = 0, d = 1;  // the upper left of the matrix, in rows of three
    std::sscanf(std::string(text(data.get_object(), "displaymatrix")).c_str(),
                " %*x: %lf %lf %*f %*x: %lf %lf", &a, &b, &c, &d);
    turn.mirrored = a * d - b * c < 0;
  }
  return turn;
}

bool could_be_film(const json::object& s) {
  return text(s, "codec_type") == "video" && !flag(s, "attached_pic") && number(s, "width") > 0;
}

bool is_sound(const json::object& s) {
  return text(s, "codec_type") == "audio" && number(s, "sample_rate") > 0;
}

int index_of(const json::object& s) { return static_cast<int>(number(s, "index")); }

std::size_t pictures_of(const Tracks& tracks, const json::object& s) {
  const auto it = tracks.find(index_of(s));
  return it == tracks.end() ? 0 : it->second.times.size();
}

// Null: there is none.
const json::object* choose_film(const std::vector<const json::object*>& films,
                                const Tracks& tracks) {
  if (tracks.empty()) return films.empty() ? nullptr : films.front();
  std::size_t most = 1;
  for (const auto* s : films) most = std::max(most, pictures_of(tracks, *s));
  const auto rank = [](const json::object& s) {
    return std::pair(flag(s, "default"), number(s, "width") * number(s, "height"));
  };
  const json::object* best = nullptr;
  for (const auto* s : films) {
    // Covers, thumbnails and the pictures of chapters have far fewer.
    if (pictures_of(tracks, *s) * 8 < most) continue;
    if (!best || rank(*s) > rank(*best)) best = s;
  }
  return best;
}

void read_video(const json::object& s, Source& source) {
  auto& info = source.info;
  double w = number(s, "width"), h = number(s, "height"),
         shape = ratio(text(s, "sample_aspect_ratio"), ':');
  // Pixels that are not square, within reason.
  if (shape > 0.2 && shape < 5 && shape != 1) w = std::round(w * shape);
  const auto turn = turn_of(s);
  if (turn.quarter) std::swap(w, h);
  info.width = static_cast<int>(w);
  info.height = static_cast<int>(h);
  info.fps = ratio(text(s, "avg_frame_rate"), '/');
  if (info.fps <= 0) info.fps = ratio(text(s, "r_frame_rate"), '/');
  info.video_codec = text(s, "codec_name");
  info.pixel_format = text(s, "pix_fmt");
  source.video = index_of(s);
  auto order = text(s, "field_order");
  source.interlaced = order == "tt" || order == "bb" || order == "tb" || order == "bt";
  auto transfer = text(s, "color_transfer");
  if (transfer == "smpte2084" || transfer == "arib-std-b67") source.hdr_transfer = transfer;
  if (source.interlaced || turn.mirrored || !source.hdr_transfer.empty()) info.plain = false;
}

// AAC-LC with one or two channels, and said so in its channel configuration: a pair that is
// described otherwise may be two independent voices, of which some players play one.
bool plain_sound(const json::object& s) {
  const auto config = from_hex_dump(text(s, "extradata"));  // AudioSpecificConfig
  const bool by_number =
      config.size() < 2 || (static_cast<unsigned char>(config[1]) >> 3 & 15) != 0;
  return text(s, "codec_name") == "aac" && text(s, "profile") == "LC" &&
         number(s, "channels") <= 2 && by_number;
}

void read_sound(const json::object& s, Source& source) {
  source.audio = index_of(s);
  source.info.audio_codec = text(s, "codec_name");
  source.odd_pair = number(s, "channels") == 2 && text(s, "channel_layout") != "stereo";
  if (!plain_sound(s)) source.info.plain = false;
}

// What the packets say of the film's length goes before what the container says.
Result<> read_times(const Tracks& tracks, double origin, double claimed, Source& source) {
  const std::int64_t from = std::llround(origin * 1e6);
  const auto& film = tracks.at(source.video);
  source.pictures = film.times;
  for (auto& t : source.pictures) t = std::max<std::int64_t>(0, t - from);
  source.end = source.pictures_end = std::max<std::int64_t>(film.end - from, 1000);
  if (const auto sound = tracks.find(source.audio); sound != tracks.end())
    source.end = std::max(source.end, sound->second.end - from);
  source.info.duration_ms = (source.end + 500) / 1000;
  source.info.fps =
      static_cast<double>(film.times.size()) * 1e6 / static_cast<double>(source.pictures_end);

  std::int64_t there = 0;
  for (const auto& [index, track] : tracks) there = std::max(there, track.end - from);
  const std::int64_t missing = std::llround(claimed * 1e6) - there;
  if (missing > std::max<std::int64_t>(500'000, there / 50))
    return fail(Errc::unprocessable, "media_truncated",
                fmt::format("{} µs are missing behind {}", missing, there));
  return {};
}

}  // namespace

Result<Source> parse_probe(std::string_view printed, const Tracks& tracks,
                           const std::set<int>& mute) {
  boost::system::error_code error;
  auto root = json::parse(printed, error);
  auto unreadable = [] {
    return fail(Errc::unprocessable, "media_unreadable", "ffprobe's answer");
  };
  if (error || !root.is_object()) return unreadable();
  const auto* streams = root.get_object().if_contains("streams");
  const auto* format = root.get_object().if_contains("format");
  if (!streams || !streams->is_array() || !format || !format->is_object()) return unreadable();

  Source source;
  std::vector<const json::object*> films, sounds;
  const double origin = number(format->get_object(), "start_time"),
               whole = number(format->get_object(), "duration");
  double longest = whole;
  for (const auto& v : streams->get_array()) {
    if (!v.is_object()) return unreadable();
    const auto& s = v.get_object();
    longest = std::max(longest, number(s, "duration"));
    auto codec = text(s, "codec_name");
    if (codec.empty() || codec == "unknown") continue;
    if (could_be_film(s)) films.push_back(&s);
    if (is_sound(s) && !mute.contains(index_of(s))) sounds.push_back(&s);
  }
  const auto* film = choose_film(films, tracks);
  if (!film) return fail(Errc::unprocessable, "media_no_video");
  read_video(*film, source);
  source.films = static_cast<int>(films.size());
  if (!sounds.empty()) read_sound(*sounds.front(), source);

  double ends = 0;
  for (const auto* s : {film, sounds.empty() ? film : sounds.front()}) {
    const double duration = number(*s, "duration");
    if (duration > 0) ends = std::max(ends, number(*s, "start_time") - origin + duration);
  }
  source.info.duration_ms = std::llround(std::clamp(ends > 0 ? ends : whole, 0.0, 1e9) * 1000);
  source.longest_ms = std::llround(std::clamp(longest, 0.0, 1e9) * 1000);
  source.info.format = text(format->get_object(), "format_name");
  source.info.bit_rate = std::llround(number(format->get_object(), "bit_rate"));
  if (!tracks.empty()) SV_CHECK(read_times(tracks, origin, std::max(ends, whole), source));
  return source;
}

}  // namespace sv::media
