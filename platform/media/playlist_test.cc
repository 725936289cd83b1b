#include <cmath>

#include <gtest/gtest.h>

#include "platform/media/hls.h"
#include "platform/media/timing.h"

// What is decided before and after ffmpeg runs, without it.
namespace sv::media {
namespace {

using std::chrono::milliseconds;
using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;

std::vector<std::int64_t> every(std::int64_t step, std::int64_t until) {
  std::vector<std::int64_t> out;
  for (std::int64_t t = 0; t < until; t += step) out.push_back(t);
  return out;
}

TEST(Timing, PicturesThatComeInTimeAreNeitherRepeatedNorDropped) {
  for (std::int64_t step : {16'667, 20'000, 33'367, 40'000, 41'708, 100'000, 142'857, 500'000}) {
    const auto t = plan_timing(every(step, 9'000'000), 9'000'000, 9'000'000);
    EXPECT_TRUE(t.repeat.empty()) << step;
    EXPECT_EQ(t.reorder, step <= 100'000) << step;
    EXPECT_EQ(t.keep_every, 1) << step;
    EXPECT_NEAR(t.rate, 1e6 / double(step), 0.2) << step;
  }
}

TEST(Timing, ALateFirstPictureIsSeenFromTheBeginning) {
  std::vector<std::int64_t> pictures;  // 29.97 a second, in milliseconds
  for (int i = 0; i < 90; ++i) pictures.push_back(std::llround(i * 1001 / 30.0) * 1000 + 23'000);
  const auto soon = plan_timing(pictures, 3'026'000, 3'026'000);
  EXPECT_EQ(soon.begin, 23'000);
  EXPECT_EQ(soon.clock, 30'000);
  for (auto& at : pictures) at += 10'000;
  const auto late = plan_timing(pictures, 3'036'000, 3'036'000);
  EXPECT_EQ(late.begin, 0);
  EXPECT_EQ(late.clock, 30'000);
}

TEST(Timing, MoreThanSixtyASecondAreHalved) {
  EXPECT_EQ(plan_timing(every(8333, 2'000'000), 2'000'000, 2'000'000).keep_every, 2);
  EXPECT_EQ(plan_timing(every(11'111, 2'000'000), 2'000'000, 2'000'000).keep_every, 2);
  EXPECT_EQ(plan_timing(every(4167, 2'000'000), 2'000'000, 2'000'000).keep_every, 4);
}

TEST(Timing, TremblingPicturesArePutRightAndWavesSmoothed) {
  std::vector<std::int64_t> trembling, waves;
  for (int i = 0; i < 130; ++i)
    trembling.push_back(i * 40'000 + std::llround(12'000 * std::sin(i * 1.7)));
  auto t = plan_timing(trembling, 5'200'000, 5'200'000);
  EXPECT_EQ(t.clock, 25);
  EXPECT_FALSE(t.even);
  for (std::int64_t at = 0; at < 4'000'000;
       at += at >= 1'000'000 && at < 2'000'000 ? 16'667 : 50'000)
    waves.push_back(at);
  t = plan_timing(waves, 4'000'000, 4'000'000);
  EXPECT_EQ(t.clock, 30);
  EXPECT_TRUE(t.even);
  // Too few to be spread.
  t = plan_timing({0, 70'000, 400'000, 410'000, 900'000}, 1'000'000, 1'000'000);
  EXPECT_EQ(t.clock, Timing::kFineClock);
  EXPECT_FALSE(t.even);
}

TEST(Timing, TheLastPictureIsHeldWhileTheSoundGoesOn) {
  const auto t = plan_timing(every(40'000, 1'000'000), 1'000'000, 6'000'000);
  EXPECT_EQ(t.repeat, (Ranges{{1, 2}}));  // 2 s and 4 s
  EXPECT_FALSE(t.reorder);
  EXPECT_EQ(t.last_length, 2'000'000);
  const auto brief = plan_timing(every(40'000, 1'000'000), 1'000'000, 1'030'000);
  EXPECT_TRUE(brief.reorder);
  EXPECT_EQ(brief.last_length, 70'000);
}

TEST(Timing, AHoleIsFilledAtTheMarks) {
  auto pictures = every(40'000, 1'000'000);
  pictures.push_back(7'500'000);
  pictures.push_back(12'000'000);
  const auto t = plan_timing(pictures, 12'500'000, 12'500'000);
  EXPECT_EQ(t.repeat, (Ranges{{1, 5}}));
  EXPECT_FALSE(t.reorder);
  const auto one = plan_timing({0}, 5'000'000, 5'000'000);
  EXPECT_EQ(one.repeat, (Ranges{{1, 2}}));
  EXPECT_EQ(one.last_length, 1'000'000);
}

constexpr std::string_view kPlaylist =
    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:0\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    "#EXTINF:0.280000,\n00000.m4s\n#EXT-X-ENDLIST\n";

TEST(Playlist, ATargetDurationIsAtLeastOneAndNeverLessThanTheLongestSegment) {
  EXPECT_TRUE(mend_media_playlist(kPlaylist, {}).contains("#EXT-X-TARGETDURATION:1\n"));
  const auto held = mend_media_playlist(kPlaylist, milliseconds(2600));
  EXPECT_TRUE(held.contains("#EXT-X-TARGETDURATION:3\n")) << held;
  EXPECT_TRUE(held.contains("#EXTINF:2.600000,\n")) << held;
  EXPECT_EQ(mend_media_playlist(held, {}), held);
  EXPECT_EQ(init_of(held), "init.mp4");
}

TEST(Playlist, BandwidthIsThatOfTheBusiestSegments) {
  const std::vector<Segment> segments{{"a", 2, 100'000}, {"b", 2, 500'000}, {"c", 0.1, 90'000}};
  EXPECT_EQ(peak_bandwidth(segments), 590'000 * 8 * 10 / 21 + 1);
  EXPECT_EQ(average_bandwidth(segments), 690'000 * 8 * 10 / 41 + 1);
  EXPECT_EQ(peak_bandwidth({{"a", 0.2, 1000}}), 40'000);  // nothing lasts half a target duration
}

TEST(Playlist, AMasterNamesWhatIsKnown) {
  const Segment s{"0.m4s", 2, 50'000};
  EXPECT_EQ(
      write_master_playlist({{.playlist = "360/index.m3u8",
                              .width = 640,
                              .height = 360,
                              .frame_rate = 30000.0 / 1001,
                              .codecs = "avc1.4d401e,mp4a.40.2",
                              .segments = {s}},
                             {.playlist = "540/index.m3u8",
                              .width = 960,
                              .height = 540,
                              .codecs = {},
                              .segments = {s, s}}}),
      "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
      "#EXT-X-STREAM-INF:BANDWIDTH=200000,AVERAGE-BANDWIDTH=200000,"
      "CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=29.970\n360/index.m3u8\n"
      "#EXT-X-STREAM-INF:BANDWIDTH=200000,AVERAGE-BANDWIDTH=200000,RESOLUTION=960x540\n"
      "540/index.m3u8\n");
}

}  // namespace
}  // namespace sv::media
