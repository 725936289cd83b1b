#include "platform/media/timing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

namespace sv::media {
namespace {

constexpr double kMaxRate = 60.5;
constexpr std::int64_t kLate = 450'000;    // a key frame so much behind its mark is none
constexpr std::int64_t kHeld = 50'000;     // shorter ends than this are nobody's business
constexpr std::int64_t kUnheard = 25'000;  // AAC in Matroska begins 23 ms before the picture
constexpr double kInexact = 600;
constexpr double kFew = 10;
constexpr std::size_t kMaxRanges = 500;

double rate_of(const std::vector<std::int64_t>& pictures, std::int64_t end) {
  return static_cast<double>(pictures.size()) * 1e6 /
         static_cast<double>(std::max<std::int64_t>(end, 1));
}

void thin(std::vector<std::int64_t>& pictures, int keep_every) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < pictures.size(); i += static_cast<std::size_t>(keep_every))
    pictures[kept++] = pictures[i];
  pictures.resize(kept);
}

struct Clock {
  int ticks, seconds;
  double tick() const { return 1e6 * seconds / ticks; }  // µs
};
constexpr Clock kUsual[] = {{24, 1}, {25, 1},       {30, 1},       {50, 1},
                            {60, 1}, {24000, 1001}, {30000, 1001}, {60000, 1001}};

// From picture to picture: the middle one, for those that lack a few, and the mean, for those that
// tremble. The first does not count, which may have been late.
std::array<double, 2> usual_lengths(const std::vector<std::int64_t>& pictures) {
  if (pictures.size() < 3) return {0, 0};
  std::vector<std::int64_t> lengths;
  for (std::size_t i = 2; i < pictures.size(); ++i)
    lengths.push_back(pictures[i] - pictures[i - 1]);
  const auto middle = lengths.begin() + std::ssize(lengths) / 2;
  std::ranges::nth_element(lengths, middle);
  return {static_cast<double>(*middle),
          static_cast<double>(pictures.back() - pictures[1]) / static_cast<double>(lengths.size())};
}

// No two pictures at one tick, none further from its tick than `inexact`, and nine of ten as far
// from the one before as the nearest two are.
bool steady(const std::vector<std::int64_t>& pictures, Clock clock, double inexact) {
  std::map<std::int64_t, std::size_t> steps;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto at = static_cast<double>(pictures[i]);
    const auto n = std::llround(at / clock.tick());
    if (std::abs(static_cast<double>(n) * clock.tick() - at) > inexact) return false;
    if (i > 0 && n <= before) return false;
    if (i > 0) ++steps[n - before];
    before = n;
  }
  return steps.empty() || steps.begin()->second * 10 >= (pictures.size() - 1) * 9;
}

// The usual rate that the pictures keep: exactly, as far as a container that counts in milliseconds
// can tell, or on the whole. Players and encoders like it better than a fine clock.
std::optional<Clock> usual_clock(const std::vector<std::int64_t>& pictures) {
  for (const auto& clock : kUsual)
    if (steady(pictures, clock, kInexact)) return clock;
  const auto lengths = usual_lengths(pictures);
  std::optional<Clock> nearest;
  double least = 0.03;
  for (const auto& clock : kUsual) {
    double off = least;
    for (const double length : lengths) off = std::min(off, std::abs(length / clock.tick() - 1));
    if (off >= least || !steady(pictures, clock, clock.tick() / 2)) continue;
    least = off;
    nearest = clock;
  }
  return nearest;
}

// Pictures that come in waves, many of them: the highest usual rate that invents none.
std::optional<Clock> even_clock(double rate) {
  std::optional<Clock> best;
  for (const auto& clock : kUsual)
    if (clock.seconds == 1 && clock.ticks <= rate * 1.005) best = clock;
  return best;
}

void spread_evenly(std::vector<std::int64_t>& pictures, Clock clock, std::int64_t end) {
  pictures.clear();
  for (std::int64_t n = 0;
       n == 0 || static_cast<double>(n) * clock.tick() < static_cast<double>(end) - 1000; ++n)
    pictures.push_back(std::llround(static_cast<double>(n) * clock.tick()));
}

void choose_clock(std::vector<std::int64_t>& pictures, std::int64_t pictures_end, Timing& out) {
  auto clock = usual_clock(pictures);
  if (!clock && (clock = even_clock(out.rate))) {
    out.even = true;
    spread_evenly(pictures, *clock, pictures_end);
  }
  if (clock) out.clock = clock->ticks, out.seconds = clock->seconds;
}

void repeat_at(std::int64_t mark, Timing& timing) {
  if (!timing.repeat.empty() && timing.repeat.back().second == mark - 1)
    timing.repeat.back().second = mark;
  else timing.repeat.emplace_back(mark, mark);
}

}  // namespace

Timing plan_timing(std::vector<std::int64_t> pictures, std::int64_t pictures_end,
                   std::int64_t end) {
  Timing out;
  if (pictures.empty()) pictures.push_back(0);
  if (pictures.front() <= kUnheard) out.begin = pictures.front();
  for (auto& at : pictures) at -= out.begin;
  pictures_end -= out.begin;
  pictures.front() = 0;
  out.keep_every =
      std::max(1, static_cast<int>(std::ceil(rate_of(pictures, pictures_end) / kMaxRate)));
  thin(pictures, out.keep_every);
  out.rate = std::clamp(rate_of(pictures, pictures_end), 1.0, kMaxRate);

  choose_clock(pictures, pictures_end, out);

  auto next = pictures.begin();
  for (std::int64_t mark = 1; mark * Timing::kMark < end - kHeld; ++mark) {
    const auto at = mark * Timing::kMark;
    next = std::lower_bound(next, pictures.end(), at - 500);
    if (next == pictures.end() || *next > at + kLate) repeat_at(mark, out);
  }
  auto seen = pictures.back();
  if (!out.repeat.empty()) seen = std::max(seen, out.repeat.back().second * Timing::kMark);
  if (out.repeat.size() > kMaxRanges)
    out.repeat = {{out.repeat.front().first, out.repeat.back().second}};

  // The marks are no ticks of 1001 seconds' clocks.
  if (!out.repeat.empty() && out.seconds != 1) out.clock = Timing::kFineClock, out.seconds = 1;
  out.reorder = out.clock != Timing::kFineClock && out.repeat.empty() && out.rate >= kFew &&
                end - pictures_end <= kHeld;
  out.last_length = std::max<std::int64_t>(end - seen, 1000);
  return out;
}

}  // namespace sv::media
