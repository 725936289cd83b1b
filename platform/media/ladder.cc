#include <algorithm>
#include <cmath>

#include "platform/media/media_tools.h"

namespace sv::media {
namespace {

struct Step {
  int side;
  int max_rate_kbit;
};
constexpr Step kSteps[] = {{360, 700}, {540, 1400}, {720, 2500}, {1080, 4500}};

constexpr std::int64_t kMaxCopied = 25'000'000;

int even_down(int n) { return std::max(2, n & ~1); }

Rung rung_of(const MediaInfo& info, const Step& step, int side) {
  int source_short = std::min(info.width, info.height),
      source_long = std::max(info.width, info.height);
  int longer = static_cast<int>(std::lround(double(source_long) * side / source_short / 2)) * 2;
  longer = std::max(side, std::min(longer, even_down(source_long)));
  bool portrait = info.height > info.width;
  return {.name = std::to_string(step.side),
          .width = portrait ? side : longer,
          .height = portrait ? longer : side,
          .max_rate_kbit = step.max_rate_kbit};
}

}  // namespace

bool MediaInfo::remuxable() const {
  int shorter = std::min(width, height), longer = std::max(width, height);
  if (!plain || video_codec != "h264" || (pixel_format != "yuv420p" && pixel_format != "yuvj420p"))
    return false;
  if (!audio_codec.empty() && audio_codec != "aac") return false;
  if (shorter > 1080 || longer > 1920) return false;
  // AVI keeps no presentation times, so B-frames cannot be copied out of it.
  return format != "avi" && bit_rate > 0 && bit_rate <= kMaxCopied;
}

bool MediaInfo::lean(std::int64_t copy_rate) const {
  const int shorter = std::min(width, height);
  const auto* step = std::ranges::find_if(kSteps, [&](const Step& s) { return shorter <= s.side; });
  return step != std::end(kSteps) && copy_rate <= step->max_rate_kbit * 1500LL;
}

std::vector<Rung> ladder_for(const MediaInfo& info) {
  if (info.width <= 0 || info.height <= 0) return {};
  int shorter = std::min(info.width, info.height);
  std::vector<Rung> rungs;
  for (const auto& step : kSteps) {
    if (step.side <= shorter) rungs.push_back(rung_of(info, step, step.side));
  }
  if (rungs.empty()) rungs.push_back(rung_of(info, kSteps[0], even_down(shorter)));
  return rungs;
}

}  // namespace sv::media
