#include "platform/media/sprite.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace sv::media {
namespace {

constexpr int kColumns = 10, kTiles = 100, kSide = 160;

std::string vtt_time(std::int64_t ms) {
  return fmt::format("{:02}:{:02}:{:02}.{:03}", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
                     ms % 1000);
}

}  // namespace

SpritePlan plan_sprite(int width, int height, std::int64_t duration_ms) {
  int longer = std::max(width, height);
  auto side = [&](int n) {
    return std::max(2, static_cast<int>(std::lround(double(n) * kSide / longer / 2)) * 2);
  };
  return {side(width), side(height), std::max(1.0, double(duration_ms) / 1000 / (kTiles - 1))};
}

Grid grid_for(std::size_t tiles) {
  int n = static_cast<int>(std::min<std::size_t>(tiles, kTiles));
  return {std::min(n, kColumns), (n + kColumns - 1) / kColumns};
}

std::vector<double> key_frame_times(std::string_view log) {
  std::vector<double> times;
  constexpr std::string_view kMark = " pts_time:";
  for (std::size_t at = 0; times.size() < kTiles && (at = log.find(kMark, at)) != log.npos;) {
    at += kMark.size();
    times.push_back(std::strtod(std::string(log.substr(at, 24)).c_str(), nullptr));
  }
  return times;
}

std::string write_vtt(const std::vector<double>& times, std::int64_t duration_ms,
                      const SpritePlan& plan, std::string_view sprite_url) {
  std::string out = "WEBVTT\n";
  std::int64_t from = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    bool last = i + 1 == times.size();
    auto to = last ? std::max(duration_ms, from + 1)
                   : std::max<std::int64_t>(from + 1, std::llround(times[i + 1] * 1000));
    int n = static_cast<int>(i);
    out += fmt::format("\n{} --> {}\n{}#xywh={},{},{},{}\n", vtt_time(from), vtt_time(to),
                       sprite_url, n % kColumns * plan.tile_width, n / kColumns * plan.tile_height,
                       plan.tile_width, plan.tile_height);
    from = to;
  }
  return out;
}

}  // namespace sv::media
