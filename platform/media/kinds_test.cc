#include <cmath>

#include "platform/media/hls.h"
#include "platform/media/mp4.h"
#include "platform/media/source.h"
#include "platform/media/test_clips.h"

// Kinds of films that people upload and that were once taken for what they are not.
namespace sv::media {
namespace {

namespace fs = std::filesystem;

class Kinds : public MediaFixture {
 protected:
  static std::vector<double> times(const fs::path& file, const std::string& streams = "v:0") {
    std::vector<double> out;
    for (const auto& line : lines(ask(
             file, "-select_streams " + streams + " -show_entries packet=pts_time -of csv=p=0")))
      out.push_back(std::strtod(line.c_str(), nullptr));
    std::ranges::sort(out);
    return out;
  }
  static double duration(const fs::path& file) {
    return std::stod(ask(file, "-show_entries format=duration -of csv=p=0"));
  }
  // One small rendition of a source that lasts `seconds`: everything that names a length agrees.
  RenditionFile rendition(const fs::path& source, double seconds) {
    const auto info = probe(source);
    EXPECT_NEAR(double(info.duration_ms), seconds * 1000, 100);
    fs::create_directories(dir_ / "job");
    auto made = testing::run_task(
        tools_->transcode(source, info, {ladder_for(info).front()}, dir_ / "job", {}));
    EXPECT_OK(made);
    if (!made) return {};
    const auto& r = made->front();
    double sum = 0, longest = 0;
    for (const auto& s : segments_of(slurp(r.playlist))) {
      sum += s.seconds;
      longest = std::max(longest, s.seconds);
    }
    EXPECT_NEAR(sum, seconds, 0.1);
    EXPECT_LE(longest, 2.05);
    EXPECT_NEAR(duration(r.mp4), seconds, 0.1);
    EXPECT_NEAR(duration(r.playlist), seconds, 0.1);
    const auto shown = times(r.mp4);
    const auto streamed = times(r.playlist);
    EXPECT_EQ(streamed.size(), shown.size());
    for (std::size_t i = 0; i < std::min(streamed.size(), shown.size()); ++i)
      EXPECT_NEAR(streamed[i], shown[i], 0.002) << i;
    EXPECT_EQ(std::ranges::adjacent_find(shown), shown.end()) << "doubled time stamps";
    EXPECT_EQ(shell("ffmpeg -v error -nostdin -i '" + r.mp4.string() + "' -f null -"), "");
    EXPECT_EQ(shell("ffmpeg -v error -nostdin -i '" + r.playlist.string() + "' -f null -"), "");
    return r;
  }
  static std::string vp8() { return "-c:v libvpx -deadline realtime -cpu-used 8 "; }
  // As a browser records: to a pipe, so that nothing can be written back into the header.
  fs::path piped(const std::string& name, const std::string& arguments) {
    shell("ffmpeg -v error -nostdin -y " + arguments + " -f webm - > '" + (dir_ / name).string() +
          "'");
    return dir_ / name;
  }
};

TEST_F(Kinds, TheLastPictureIsHeldWhileTheSoundGoesOn) {
  for (std::string seconds : {"2", "6"}) {
    SCOPED_TRACE(seconds);
    auto source = clip("a.mp4", picture("160x90", "1") + tone(seconds) + x264() + "-c:a aac");
    auto r = rendition(source, std::stod(seconds));
    EXPECT_EQ(times(r.mp4).size(), seconds == "2" ? 25u : 27u);  // repeated at 2 and 4 s
    EXPECT_NEAR(
        std::stod(ask(r.mp4, "-select_streams v -show_entries stream=duration -of csv=p=0")),
        std::stod(seconds), 0.1);
  }
}

TEST_F(Kinds, TremblingPicturesAreAsMany) {
  auto source = clip("jitter.mkv",
                     picture("160x90", "5.3") + tone("5.3") +
                         "-vf \"settb=1/1000,setpts='PTS+12*sin(N*1.7)'\" -fps_mode passthrough "
                         "-enc_time_base 1/1000 " +
                         x264() + "-c:a aac");
  auto r = rendition(source, 5.3);
  const auto before = times(source), after = times(r.mp4);
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 1; i < before.size(); ++i)
    EXPECT_NEAR(before[i] - before[0], after[i] - after[0], 0.021) << i;
  auto facts = read_mp4(slurp(r.mp4));
  ASSERT_OK(facts);
  EXPECT_NEAR(facts->frame_rate, 25, 0.3);
}

TEST_F(Kinds, AHundredAndTwentyPicturesASecondAreHalved) {
  auto r = rendition(clip("fast.mp4", picture("160x90", "2", "120") + x264()), 2);
  EXPECT_NEAR(double(times(r.mp4).size()), 120, 1);
}

TEST_F(Kinds, FewPicturesStayFew) {
  auto slow = rendition(clip("slow.mp4", picture("160x90", "5", "2") + x264()), 5);
  EXPECT_EQ(times(slow.mp4).size(), 10u);
  // Seven seconds a picture: it is repeated at the marks, so that segments stay short.
  auto slides = rendition(clip("slides.mp4", picture("160x90", "14", "1/7") + x264()), 14);
  EXPECT_EQ(times(slides.mp4).size(), 8u);
}

TEST_F(Kinds, LengthsThatTheFileDoesNotTellAreMeasured) {
  rendition(piped("two.webm", picture("160x90", "3", "2") + vp8()), 3);
  rendition(piped("sound.webm", picture("160x90", "3", "2") + tone("4.5") + vp8() + "-c:a libopus"),
            4.5);
  auto one = piped("one.webm", picture("160x90", "3", "2") + vp8() + "-frames:v 1");
  auto r = rendition(one, 0.5);
  EXPECT_EQ(times(r.mp4).size(), 1u);
  const auto info = probe(one);
  EXPECT_EQ(info.bit_rate, std::int64_t(fs::file_size(one)) * 8000 / info.duration_ms);
}

TEST_F(Kinds, AClipOfAFewPicturesHasATargetDuration) {
  auto r = rendition(clip("brief.mp4", picture("160x90", "0.28") + x264()), 0.28);
  EXPECT_TRUE(slurp(r.playlist).contains("#EXT-X-TARGETDURATION:1\n")) << slurp(r.playlist);
}

TEST_F(Kinds, TheFilmIsTheStreamThatPlays) {
  auto film = clip("film.mp4", picture("160x90", "2") + x264());
  auto still = clip("still.png", "-f lavfi -i color=red:s=320x200 -frames:v 1");
  const std::string marked = "-disposition:v:0 default -disposition:v:1 0 ";
  struct Case {
    std::string name, codec, more;
  };
  for (const auto& c :
       {Case{"a.mov", "mjpeg -pix_fmt yuvj420p", marked}, Case{"a.mov", "png", ""},
        Case{"a.mkv", "mjpeg -pix_fmt yuvj420p", ""}, Case{"a.mkv", "png", marked}}) {
    SCOPED_TRACE(c.name + " " + c.codec);
    auto source = clip(c.name, "-i " + still.string() + " -i " + film.string() +
                                   " -map 0 -map 1 -c:v:1 copy " + c.more + "-c:v:0 " + c.codec);
    const auto info = probe(source);
    EXPECT_EQ(info.width, 160);
    EXPECT_EQ(info.video_codec, "h264");
    ASSERT_OK(testing::run_task(tools_->poster(source, {}, dir_ / "p.jpg")));
    EXPECT_EQ(lines(ask(dir_ / "p.jpg", "-show_entries stream=width -of csv=p=0")),
              (std::vector<std::string>{"160"}));
    ASSERT_OK(testing::run_task(tools_->remux(source, info, dir_ / "out.mp4")));
    EXPECT_EQ(times(dir_ / "out.mp4").size(), 50u);
  }
  // Of two that play, the marked one.
  auto other = clip("other.mp4", picture("320x180", "2") + x264());
  auto two =
      clip("two.mkv", "-i " + other.string() + " -i " + film.string() +
                          " -map 0 -map 1 -c copy -disposition:v:0 0 -disposition:v:1 default");
  EXPECT_EQ(probe(two).width, 160);
}

TEST_F(Kinds, OnlyPlainStereoIsCopied) {
  EXPECT_TRUE(probe(clip("plain.mp4", picture("160x90", "2") + tone("2") + x264() + "-c:a aac"))
                  .remuxable());
  for (std::string sound : {"-ac 4 -c:a aac", "-ac 6 -c:a aac", "-c:a aac -profile:a aac_main"}) {
    SCOPED_TRACE(sound);
    auto source = clip("a.mp4", picture("160x90", "2") + tone("2") + x264() + sound);
    const auto info = probe(source);
    EXPECT_FALSE(info.remuxable());
    auto copied = testing::run_task(tools_->remux(source, info, dir_ / "out.mp4"));
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().code, Errc::unsupported_media);
    auto facts = read_mp4(slurp(rendition(source, 2).mp4));
    ASSERT_OK(facts);
    EXPECT_TRUE(facts->codecs().starts_with("avc1.4d40")) << facts->codecs();
    EXPECT_TRUE(facts->codecs().ends_with(",mp4a.40.2")) << facts->codecs();
    EXPECT_EQ(facts->audio_channels, 2);
  }
}

// Both voices of a pair that is not called left and right are heard, each in its ear.
TEST_F(Kinds, APairOfVoicesStaysAPair) {
  auto source =
      clip("pair.mkv",
           picture("160x90", "2") +
               "-f lavfi -i \"aevalsrc='0.5*sin(880*PI*t)|0.5*sin(2400*PI*t)':d=2:c=FC+LFE\" " +
               x264() + "-c:a pcm_s16le");
  auto r = rendition(source, 2);
  for (std::string ear : {"0", "1"}) {
    const auto said = shell("ffmpeg -nostdin -hide_banner -i '" + r.mp4.string() +
                            "' -af pan=mono\\|c0=c" + ear + ",volumedetect -f null -");
    const auto at = said.find("mean_volume: ");
    ASSERT_NE(at, said.npos) << said;
    EXPECT_GT(std::stod(said.substr(at + 13)), -20) << ear;
  }
}

TEST_F(Kinds, ATrackThatCannotBeHeardIsPassedOver) {
  auto noise = clip("noise.mka", tone("2") + "-c:a aac -bsf:a noise=amount=1");
  auto film = clip("film.mkv", picture("160x90", "2") + tone("2") + x264() + "-c:a libopus");
  auto both = clip("both.mkv", "-i " + film.string() + " -i " + noise.string() +
                                   " -map 0:v -map 1:a -map 0:a -c copy");
  EXPECT_EQ(probe(both).audio_codec, "opus");
  auto deaf = clip("deaf.mkv",
                   "-i " + film.string() + " -i " + noise.string() + " -map 0:v -map 1:a -c copy");
  EXPECT_EQ(probe(deaf).audio_codec, "");
  rendition(deaf, 2);
}

TEST_F(Kinds, AGoodIndexOfNoiseIsNoFilm) {
  auto source = clip(
      "noise.mp4", picture("160x90", "2") + tone("2") + x264() + "-c:a aac -bsf:v noise=amount=1");
  const auto info = probe(source);
  auto poster = testing::run_task(tools_->poster(source, {}, dir_ / "p.jpg"));
  ASSERT_FALSE(poster);
  EXPECT_EQ(poster.error().token, "media_unreadable");
  auto copied = testing::run_task(tools_->remux(source, info, dir_ / "out.mp4"));
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().token, "media_unreadable");
}

std::string probed(const std::string& video, const std::string& audio) {
  return R"({"streams": [{"index": 0, "codec_type": "video", "codec_name": "h264", "width": 64,
      "height": 64, "pix_fmt": "yuv420p")" +
         video + R"(}, {"index": 1, "codec_type": "audio", "codec_name": "aac", "profile": "LC",
      "sample_rate": "48000", "channels": 2, "channel_layout": "stereo")" +
         audio +
         R"(}], "format": {"format_name": "mov,mp4", "duration": "2", "bit_rate": "9000"}})";
}

TEST(ParseProbe, KnowsWhatMayNotBeCopied) {
  const auto plain = [](const std::string& video, const std::string& audio) {
    auto source = parse_probe(probed(video, audio), {}, {});
    return source && source->info.remuxable();
  };
  const auto config = [](const std::string& hex) {
    return R"(, "extradata": "\n00000000: )" + hex + R"(                      ..V..\n")";
  };
  EXPECT_TRUE(plain("", ""));
  EXPECT_TRUE(plain("", config("1190 56e5 00")));
  EXPECT_FALSE(plain("", config("1180 0420 0000")));  // channels by a program config element
  EXPECT_FALSE(plain("", R"(, "profile": "HE-AAC")"));
  EXPECT_FALSE(plain(R"(, "field_order": "tt")", ""));
  EXPECT_FALSE(plain(R"(, "color_transfer": "arib-std-b67")", ""));
  const auto matrix = [](const std::string& a, const std::string& d) {
    return R"(, "side_data_list": [{"rotation": 0, "displaymatrix": "\n00000000: )" + a +
           R"( 0 0\n00000001: 0 )" + d + R"( 0\n00000002: 0 0 1073741824\n"}])";
  };
  EXPECT_TRUE(plain(matrix("65536", "65536"), ""));
  EXPECT_TRUE(plain(matrix("-65536", "-65536"), ""));
  EXPECT_FALSE(plain(matrix("-65536", "65536"), ""));
}

}  // namespace
}  // namespace sv::media
