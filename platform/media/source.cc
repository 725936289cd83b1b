#include "platform/media/source.h"

#include <charconv>
#include <cmath>
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

// Phones turn the picture in steps of 90°.
bool turned(const json::object& stream) {
  const auto* list = stream.if_contains("side_data_list");
  if (!list || !list->is_array()) return false;
  for (const auto& data : list->get_array()) {
    if (data.is_object() && data.get_object().contains("rotation")) {
      return std::lround(std::abs(number(data.get_object(), "rotation")) / 90) % 2 == 1;
    }
  }
  return false;
}

// One constant rate for all renditions: the one that shows every frame at its time when that is
// sane, else the next usual one.
std::string frame_rate(std::string_view exact, double average) {
  double rate = ratio(exact, '/');
  if (rate >= 10 && rate <= 60.5) return std::string(exact);
  if (rate > 0 && rate < 10)
    return fmt::format("{}", std::ceil(10 / rate) * rate);  // slides: a multiple keeps their times
  for (std::string_view usual : {"24", "25", "30", "50", "60"}) {
    if (average > 0 && average <= std::strtod(usual.data(), nullptr) * 1.01)
      return std::string(usual);
  }
  return average > 0 ? "60" : "30";
}

void read_video(const json::object& s, Source& source) {
  auto& info = source.info;
  double w = number(s, "width"), h = number(s, "height"),
         shape = ratio(text(s, "sample_aspect_ratio"), ':');
  // Pixels that are not square, within reason.
  if (shape > 0.2 && shape < 5 && shape != 1) w = std::round(w * shape);
  if (turned(s)) std::swap(w, h);
  info.width = static_cast<int>(w);
  info.height = static_cast<int>(h);
  info.fps = ratio(text(s, "avg_frame_rate"), '/');
  if (info.fps <= 0) info.fps = ratio(text(s, "r_frame_rate"), '/');
  info.video_codec = text(s, "codec_name");
  info.pixel_format = text(s, "pix_fmt");
  source.video = static_cast<int>(number(s, "index"));
  source.frame_rate = frame_rate(text(s, "r_frame_rate"), info.fps);
  auto order = text(s, "field_order");
  source.interlaced = order == "tt" || order == "bb" || order == "tb" || order == "bt";
  auto transfer = text(s, "color_transfer");
  if (transfer == "smpte2084" || transfer == "arib-std-b67") source.hdr_transfer = transfer;
}

}  // namespace

Result<Source> parse_probe(std::string_view printed) {
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
  double origin = number(format->get_object(), "start_time"), ends = 0,
         longest = number(format->get_object(), "duration");
  bool video = false;
  for (const auto& v : streams->get_array()) {
    if (!v.is_object()) return unreadable();
    const auto& s = v.get_object();
    double duration = number(s, "duration"),
           end = duration > 0 ? number(s, "start_time") - origin + duration : 0;
    longest = std::max(longest, duration);
    auto codec = text(s, "codec_name");
    if (codec.empty() || codec == "unknown") continue;
    if (text(s, "codec_type") == "video" && !video && !flag(s, "attached_pic")) {
      if (number(s, "width") <= 0) continue;
      video = true;
      read_video(s, source);
      ends = std::max(ends, end);
    } else if (text(s, "codec_type") == "audio" && source.audio < 0 &&
               number(s, "sample_rate") > 0) {
      source.audio = static_cast<int>(number(s, "index"));
      source.info.audio_codec = codec;
      ends = std::max(ends, end);
    }
  }
  if (!video) return fail(Errc::unprocessable, "media_no_video");
  double duration = ends > 0 ? ends : number(format->get_object(), "duration");
  source.info.duration_ms = std::llround(std::clamp(duration, 0.0, 1e9) * 1000);
  source.longest_ms = std::llround(std::clamp(longest, 0.0, 1e9) * 1000);
  source.info.format = text(format->get_object(), "format_name");
  source.info.bit_rate = std::llround(number(format->get_object(), "bit_rate"));
  return source;
}

}  // namespace sv::media
