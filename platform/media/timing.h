#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace sv::media {

// When the pictures of the renditions are shown. They keep the source's times, put right where
// these only tremble around a usual rate; a source of more than 60 a second loses all but every
// `keep_every`-th; one that comes in waves gets an even rate, not above its own. A key frame stands
// at every 2 s mark or at the first picture behind it: where none comes soon, and behind the last
// one while the sound goes on, the picture that is seen then is repeated.
struct Timing {
  static constexpr std::int64_t kMark = 2'000'000;  // µs, as all times here
  static constexpr int kFineClock = 120'000;        // of a second
  int keep_every = 1;
  std::int64_t begin = 0;  // what all move by: the time of the first, when that is very little
  int clock = kFineClock, seconds = 1;  // picture times count in seconds/clock
  bool even = false;                    // there is a picture at each tick of that clock
  double rate = 25;                     // pictures a second while they move
  std::vector<std::pair<std::int64_t, std::int64_t>> repeat;  // marks from..to, as multiples of 2 s
  std::int64_t last_length = 0;                               // of the last picture of all
  // B-frames may be used: not where pictures are few, uneven or held. The HLS muxer writes wrong
  // times for pictures that are decoded long before they are shown.
  bool reorder = true;
};

// `pictures`: when each is shown, sorted; `pictures_end`: when the last one is over; `end`: when
// the sound is too.
Timing plan_timing(std::vector<std::int64_t> pictures, std::int64_t pictures_end, std::int64_t end);

}  // namespace sv::media
