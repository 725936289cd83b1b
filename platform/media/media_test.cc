#include <cmath>

#include "platform/media/sprite.h"
#include "platform/media/test_clips.h"

namespace sv::media {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class Media : public MediaFixture {
 protected:
  // Everything a rendition must be, whatever the source was.
  void expect_sound_renditions(const std::vector<RenditionFile>& made, const MediaInfo& source) {
    ASSERT_FALSE(made.empty());
    auto keys = key_times(made[0].mp4);
    for (const auto& r : made) {
      SCOPED_TRACE(r.mp4.string());
      auto got = probe(r.mp4);
      EXPECT_EQ(got.width, r.rung.width);
      EXPECT_EQ(got.height, r.rung.height);
      EXPECT_EQ(got.video_codec, "h264");
      EXPECT_EQ(got.pixel_format, "yuv420p");
      EXPECT_EQ(got.audio_codec, source.audio_codec.empty() ? "" : "aac");
      EXPECT_NEAR(double(got.duration_ms), double(source.duration_ms), 100);
      EXPECT_NEAR(std::stod(ask(r.playlist, "-show_entries format=duration -of csv=p=0")) * 1000,
                  double(source.duration_ms), 100);
      EXPECT_EQ(shell("ffmpeg -v error -nostdin -i '" + r.mp4.string() + "' -f null -"), "");
      EXPECT_EQ(shell("ffmpeg -v error -nostdin -i '" + r.playlist.string() + "' -f null -"), "");
      EXPECT_EQ(key_times(r.mp4), keys);
      EXPECT_EQ(key_times(r.playlist), keys);
      for (std::size_t i = 0; i < keys.size(); ++i)
        EXPECT_NEAR(std::stod(keys[i]), 2.0 * double(i), 0.1);
      EXPECT_EQ(lines(ask(r.mp4, "-select_streams v -show_entries stream=profile -of csv=p=0")),
                (std::vector<std::string>{"Main"}));
      auto bytes = slurp(r.mp4);
      EXPECT_LT(bytes.find("moov"), bytes.find("mdat"));
      EXPECT_EQ(r.segments.size(), keys.size() + 1);
      EXPECT_NE(slurp(r.playlist).find("#EXT-X-INDEPENDENT-SEGMENTS"), std::string::npos);
      for (const auto& s : r.segments) EXPECT_TRUE(fs::is_regular_file(s));
    }
    for (const auto& entry : fs::directory_iterator(dir_ / "job"))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".work")) << entry;
  }
};

TEST_F(Media, TheJailRunsHere) { ASSERT_OK(testing::run_task(tools_->check())); }

TEST_F(Media, ALandscapeClipBecomesAnAlignedLadder) {
  auto source = clip("a.mp4", picture("1280x720", "4.3", "30000/1001") + tone("4.3") + x264() +
                                  "-c:a aac -metadata title=secret -metadata location=+40.7-074.0/ "
                                  "-metadata:s:v:0 handler_name=secret");
  auto info = probe(source);
  EXPECT_EQ(info.width, 1280);
  EXPECT_NEAR(info.fps, 29.97, 0.01);
  EXPECT_TRUE(info.format.starts_with("mov,mp4"));
  EXPECT_NEAR(double(info.duration_ms), 4300, 60);
  std::vector<int> percents;
  auto made = transcode(source, info, [&](int p) { percents.push_back(p); });
  ASSERT_EQ(made.size(), 3u);
  expect_sound_renditions(made, info);
  EXPECT_FALSE(percents.empty());
  EXPECT_TRUE(std::ranges::is_sorted(percents));
  EXPECT_EQ(
      lines(ask(made[0].mp4,
                "-select_streams a -show_entries stream=profile,channels,start_time -of csv=p=0")),
      (std::vector<std::string>{"LC,2,0.000000"}));
  for (const auto& r : made) {
    auto tags = ask(r.mp4, "-show_entries format_tags:stream_tags:chapter_tags");
    EXPECT_EQ(tags.find("secret"), std::string::npos) << tags;
    EXPECT_EQ(tags.find("location"), std::string::npos) << tags;
    EXPECT_EQ(slurp(r.mp4).find("secret"), std::string::npos);
  }
  // A job that is done again replaces its result.
  auto again =
      testing::run_task(tools_->transcode(source, info, {ladder_for(info)[0]}, dir_ / "job", {}));
  ASSERT_OK(again);
  expect_sound_renditions(*again, info);
}

TEST_F(Media, ARotatedPhoneClipIsPortraitAndStaysUpright) {
  auto plain = clip("p.mp4", picture("640x360", "2.2") + x264());
  auto source = clip("r.mp4", "-i " + plain.string() + " -c copy -metadata:s:v:0 rotate=90");
  auto info = probe(source);
  EXPECT_EQ(info.width, 360);
  EXPECT_EQ(info.height, 640);
  auto made = transcode(source, info);
  expect_sound_renditions(made, info);
  ASSERT_OK(testing::run_task(tools_->remux(source, info, dir_ / "remux.mp4")));
  EXPECT_EQ(probe(dir_ / "remux.mp4").height, 640);
  ASSERT_OK(testing::run_task(tools_->poster(source, milliseconds(500), dir_ / "poster.jpg")));
  EXPECT_EQ(
      lines(ask(dir_ / "poster.jpg", "-show_entries stream=codec_name,width,height -of csv=p=0")),
      (std::vector<std::string>{"mjpeg,360,640"}));
}

struct Case {
  const char* name;
  const char* file;
  const char* arguments;
  int width, height;
};

class OddSources : public Media, public ::testing::WithParamInterface<Case> {};

TEST_P(OddSources, BecomePlainEightBitRenditions) {
  const auto& c = GetParam();
  auto source = clip(c.file, c.arguments);
  auto info = probe(source);
  EXPECT_EQ(info.width, c.width);
  EXPECT_EQ(info.height, c.height);
  expect_sound_renditions(transcode(source, info), info);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, OddSources,
    ::testing::Values(
        Case{"Silent10Bit", "a.mp4",
             "-f lavfi -i testsrc2=s=640x360:r=25:d=2.5 -c:v libx264 -preset ultrafast -pix_fmt "
             "yuv420p10le",
             640, 360},
        Case{"Hdr", "a.mp4",
             "-f lavfi -i testsrc2=s=640x360:r=25:d=2.5 -c:v libx265 -preset ultrafast "
             "-x265-params log-level=none -pix_fmt yuv420p10le -color_trc "
             "smpte2084 "
             "-color_primaries bt2020 -colorspace bt2020nc",
             640, 360},
        Case{"FourTwoTwoOddSides", "a.mkv",
             "-f lavfi -i testsrc2=s=402x722:r=25:d=2.5 -vf format=yuv444p,crop=401:721:exact=1 "
             "-c:v ffv1 -pix_fmt yuv422p",
             401, 721},
        Case{"Surround", "a.mkv",
             "-f lavfi -i testsrc2=s=640x360:r=25:d=2.5 -f lavfi -i anoisesrc=d=2.5:r=44100 -ac 6 "
             "-c:v mpeg4 -c:a ac3",
             640, 360},
        Case{"AlphaWebm", "a.webm",
             "-f lavfi -i testsrc2=s=320x240:r=25:d=2.5 -f lavfi -i sine=d=2.5 -vf format=yuva420p "
             "-c:v libvpx -deadline realtime -cpu-used 8 "
             "-auto-alt-ref 0 -c:a libopus",
             320, 240},
        Case{"AlphaMov", "a.mov",
             "-f lavfi -i testsrc2=s=320x240:r=25:d=2.5 -vf format=argb -c:v qtrle", 320, 240},
        Case{"VariableRate", "a.mp4",
             "-f lavfi -i testsrc2=s=320x240:r=60:d=4 -vf "
             "select='not(mod(n\\,3))+between(t\\,1\\,2)' -fps_mode vfr -c:v libx264 -preset "
             "ultrafast",
             320, 240},
        Case{"Slides", "a.mp4",
             "-f lavfi -i testsrc2=s=320x240:r=1:d=6 -c:v libx264 -preset ultrafast", 320, 240},
        Case{"Tiny", "a.mp4",
             "-f lavfi -i testsrc2=s=64x64:r=25:d=2.5 -c:v libx264 -preset ultrafast", 64, 64},
        Case{"Avi", "a.avi",
             "-f lavfi -i testsrc2=s=320x240:r=25:d=2.5 -f lavfi -i sine=d=2.5 -c:v mpeg4 -c:a mp3",
             320, 240},
        Case{"TransportStream", "a.ts",
             "-f lavfi -i testsrc2=s=320x240:r=25:d=2.5 -f lavfi -i sine=d=2.5 -c:v libx264 "
             "-preset ultrafast -c:a aac",
             320, 240},
        Case{"Flv", "a.flv",
             "-f lavfi -i testsrc2=s=320x240:r=25:d=2.5 -f lavfi -i sine=d=2.5 -ar 44100 -c:v flv "
             "-c:a mp3",
             320, 240},
        Case{"LiveWebm", "a.webm",
             "-f lavfi -i testsrc2=s=320x240:r=25:d=2.5 -c:v libvpx -deadline realtime -cpu-used 8 "
             "-live 1",
             320, 240},
        Case{"WidePixels", "a.mp4",
             "-f lavfi -i testsrc2=s=360x288:r=25:d=2.5 -vf setsar=16/11 -c:v libx264 -preset "
             "ultrafast",
             524, 288}),
    [](const auto& i) { return std::string(i.param.name); });

TEST_F(Media, ARemuxCopiesTheStreamsAndDropsTheMetadata) {
  for (std::string name : {"a.mkv", "a.flv", "a.ts", "a.mp4"}) {
    auto source = clip(
        name, picture("640x360", "3") + tone("3") + x264() +
                  "-b:v 400k -c:a aac -metadata title=secret -metadata location=+40.7-074.0/ " +
                  (name == "a.mp4" ? "-timecode 01:02:03:04" : ""));
    auto info = probe(source);
    EXPECT_TRUE(info.remuxable()) << name << " " << info.bit_rate;
    auto started = std::chrono::steady_clock::now();
    ASSERT_OK(testing::run_task(tools_->remux(source, info, dir_ / "out.mp4")));
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(2));
    auto bytes = slurp(dir_ / "out.mp4");
    EXPECT_LT(bytes.find("moov"), bytes.find("mdat"));
    EXPECT_EQ(bytes.find("secret"), std::string::npos);
    EXPECT_EQ(bytes.find("40.7"), std::string::npos);
    auto got = probe(dir_ / "out.mp4");
    EXPECT_NEAR(double(got.duration_ms), double(info.duration_ms), 100) << name;
    EXPECT_EQ(lines(ask(dir_ / "out.mp4", "-show_entries stream=codec_type -of csv=p=0")),
              (std::vector<std::string>{"video", "audio"}));
    EXPECT_EQ(shell("ffmpeg -v error -nostdin -i '" + (dir_ / "out.mp4").string() + "' -f null -"),
              "");
  }
}

TEST_F(Media, AnAttachedPictureIsNoVideo) {
  auto cover = clip("cover.png", picture("64x64", "1") + "-frames:v 1");
  auto song =
      clip("song.mp4", "-f lavfi -i sine=d=2 -i " + cover.string() +
                           " -map 0 -map 1 -c:a aac -c:v png -disposition:v:0 attached_pic");
  EXPECT_EQ(refusal(song), "media_no_video");
  EXPECT_EQ(refusal(clip("sound.mp4", tone("1") + "-c:a aac")), "media_no_video");
}

TEST_F(Media, ASpriteHasATileForEachKeyFrameAndItsTimes) {
  auto source = clip("a.mp4", picture("640x360", "12.4") + x264());
  auto info = probe(source);
  ASSERT_OK(testing::run_task(
      tools_->sprite(source, info, dir_ / "s.jpg", dir_ / "s.vtt", "/media/s.jpg")));
  EXPECT_EQ(lines(ask(dir_ / "s.jpg", "-show_entries stream=codec_name,width,height -of csv=p=0")),
            (std::vector<std::string>{"mjpeg,1120,90"}));
  auto vtt = slurp(dir_ / "s.vtt");
  EXPECT_TRUE(
      vtt.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n/media/s.jpg#xywh=0,0,160,90\n"))
      << vtt;
  EXPECT_NE(vtt.find("00:00:12.000 --> 00:00:12.400\n/media/s.jpg#xywh=960,0,160,90\n"),
            std::string::npos)
      << vtt;
}

TEST_F(Media, ASpriteOfALongVideoIsThinned) {
  auto source =
      clip("a.mp4", picture("64x36", "400", "2") + "-c:v libx264 -preset ultrafast -g 2 ");
  auto info = probe(source);
  ASSERT_OK(
      testing::run_task(tools_->sprite(source, info, dir_ / "s.jpg", dir_ / "s.vtt", "s.jpg")));
  auto vtt = slurp(dir_ / "s.vtt");
  auto cues = 0;
  for (auto at = vtt.find("#xywh"); at != vtt.npos; at = vtt.find("#xywh", at + 1)) ++cues;
  EXPECT_GT(cues, 60);
  EXPECT_LE(cues, 100);
}

TEST_F(Media, APosterPastTheEndIsTheFirstPicture) {
  auto source = clip("a.mp4", picture("1280x1080", "1") + x264());
  ASSERT_OK(testing::run_task(tools_->poster(source, std::chrono::hours(1), dir_ / "poster.jpg")));
  EXPECT_EQ(lines(ask(dir_ / "poster.jpg", "-show_entries stream=width,height -of csv=p=0")),
            (std::vector<std::string>{"853,720"}));
}

TEST_F(Media, PicturesBecomeSmallJpegs) {
  for (std::string name : {"i.png", "i.jpg", "i.webp", "i.gif"}) {
    auto source = clip(name, picture("300x800", "1") + "-frames:v 1");
    auto made = testing::run_task(tools_->image(source, 100, dir_ / "out.jpg"));
    ASSERT_OK(made) << name;
    EXPECT_EQ(
        lines(ask(dir_ / "out.jpg", "-show_entries stream=codec_name,width,height -of csv=p=0")),
        (std::vector<std::string>{"mjpeg,100,266"}))
        << name;
  }
  spill(dir_ / "t.png", "<svg xmlns='http://www.w3.org/2000/svg'/>");
  auto refused = testing::run_task(tools_->image(dir_ / "t.png", 100, dir_ / "out2.jpg"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().token, "media_unreadable");
}

TEST_F(Media, AvatarsFitABoxAndAreNeverUpscaled) {
  struct Case {
    std::string size, drawn;
  };
  for (const auto& c :
       {Case{"1200x900", "427,320"}, Case{"900x500", "576,320"}, Case{"300x900", "213,640"},
        Case{"5000x2", "640,1"}, Case{"2x5000", "1,640"}, Case{"20x8", "20,8"}}) {
    auto source =
        clip("i.png", "-f lavfi -i color=red:s=" + c.size + " -frames:v 1 -pix_fmt rgb24");
    ASSERT_OK(testing::run_task(tools_->avatar(source, 320, dir_ / "out.jpg"))) << c.size;
    EXPECT_EQ(lines(ask(dir_ / "out.jpg", "-show_entries stream=width,height -of csv=p=0")),
              (std::vector<std::string>{c.drawn}))
        << c.size;
  }
}

// One of each format, and what phones put behind the end of a JPEG: a film, a second picture,
// padding.
TEST_F(Media, WholePicturesBecomeAvatarsAndCutOnesDoNot) {
  using namespace std::string_literals;
  const auto try_avatar = [&](const fs::path& source) {
    return testing::run_task(tools_->avatar(source, 320, dir_ / "out.jpg"));
  };
  for (std::string name : {"i.jpg", "i.png", "i.webp", "lossless.webp", "i.gif"}) {
    auto source = clip(
        name, picture("800x600", "1") + "-frames:v 1 " + (name[0] == 'l' ? "-lossless 1" : ""));
    EXPECT_OK(try_avatar(source)) << name;
    const std::string bytes = slurp(source);
    for (double part : {0.5, 0.97}) {
      spill(dir_ / "cut", bytes.substr(0, std::size_t(double(bytes.size()) * part)));
      auto cut = try_avatar(dir_ / "cut");
      ASSERT_FALSE(cut) << name << " " << part;
      EXPECT_EQ(cut.error().token, "media_unreadable") << cut.error().detail;
    }
  }
  EXPECT_OK(try_avatar(clip("moving.gif", picture("300x200", "1"))));
  const std::string jpeg = slurp(dir_ / "i.jpg");
  for (const auto& behind : {"\0\0\0\x18"
                             "ftypmp42\xff\xd9\xff\xd8 frames"s,
                             jpeg, std::string(5000, '\0')}) {
    spill(dir_ / "phone.jpg", jpeg + behind);
    EXPECT_OK(try_avatar(dir_ / "phone.jpg"));
  }
  spill(dir_ / "text", "just a letter to my mother\n");
  EXPECT_EQ(try_avatar(dir_ / "text").error().code, Errc::unsupported_media);
}

TEST_F(Media, AvatarsMayHaveAsManyPixelsAsPhonesTake) {
  for (std::string name : {"i.jpg", "i.png", "i.webp", "i.gif"}) {
    auto source = clip(name, "-f lavfi -i color=teal:s=8064x6048 -frames:v 1");
    EXPECT_OK(testing::run_task(tools_->avatar(source, 320, dir_ / "out.jpg"))) << name;
    EXPECT_EQ(lines(ask(dir_ / "out.jpg", "-show_entries stream=width,height -of csv=p=0")),
              (std::vector<std::string>{"427,320"}))
        << name;
  }
}

// Phones store the picture as the sensor saw it and say in EXIF how it was held.
TEST_F(Media, APhoneJpegIsTurnedUpright) {
  auto bytes = slurp(clip("i.jpg", picture("320x200", "1") + "-frames:v 1"));
  using namespace std::string_view_literals;
  constexpr auto kOrientation6 =
      "\xff\xe1\0\x22"
      "Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"sv;
  bytes.insert(2, kOrientation6);
  spill(dir_ / "phone.jpg", bytes);
  ASSERT_OK(testing::run_task(tools_->image(dir_ / "phone.jpg", 720, dir_ / "out.jpg")));
  EXPECT_EQ(lines(ask(dir_ / "out.jpg", "-show_entries stream=width,height -of csv=p=0")),
            (std::vector<std::string>{"200,320"}));
  EXPECT_EQ(slurp(dir_ / "out.jpg").find("Exif"), std::string::npos);
}

TEST(Ladder, NeverUpscalesAndKeepsTheShape) {
  auto names = [](int w, int h) {
    std::string out;
    for (const auto& r : ladder_for({.width = w, .height = h}))
      out += fmt::format("{}:{}x{} ", r.name, r.width, r.height);
    return out;
  };
  EXPECT_EQ(names(3840, 2160), "360:640x360 540:960x540 720:1280x720 1080:1920x1080 ");
  EXPECT_EQ(names(1080, 1920), "360:360x640 540:540x960 720:720x1280 1080:1080x1920 ");
  EXPECT_EQ(names(1281, 720), "360:640x360 540:960x540 720:1280x720 ");
  EXPECT_EQ(names(719, 1280), "360:360x640 540:540x962 ");
  EXPECT_EQ(names(101, 57), "360:100x56 ");
  EXPECT_EQ(names(64, 64), "360:64x64 ");
  EXPECT_EQ(names(1, 1), "360:2x2 ");
  EXPECT_EQ(names(0, 0), "");
}

TEST(Remuxable, OnlyWhatEveryPlayerPlays) {
  MediaInfo good{.duration_ms = 1000,
                 .width = 1920,
                 .height = 1080,
                 .format = "mov,mp4",
                 .video_codec = "h264",
                 .pixel_format = "yuv420p",
                 .audio_codec = "aac",
                 .bit_rate = 6'700'000};
  EXPECT_TRUE(good.remuxable());
  auto with = [&](auto change) {
    auto info = good;
    change(info);
    return info.remuxable();
  };
  EXPECT_TRUE(with([](auto& i) { i.audio_codec = ""; }));
  EXPECT_TRUE(with([](auto& i) { std::swap(i.width, i.height); }));
  EXPECT_TRUE(with([](auto& i) { i.bit_rate = 25'000'000; }));
  EXPECT_FALSE(with([](auto& i) { i.bit_rate = 25'000'001; }));
  EXPECT_FALSE(with([](auto& i) { i.pixel_format = "yuv420p10le"; }));
  EXPECT_FALSE(with([](auto& i) { i.video_codec = "hevc"; }));
  EXPECT_FALSE(with([](auto& i) { i.audio_codec = "opus"; }));
  EXPECT_FALSE(with([](auto& i) { i.width = 2560, i.height = 1440; }));
}

TEST(Remuxable, ACopyIsLeanUpToOneAndAHalfTimesTheCapOfItsRung) {
  MediaInfo info{.width = 1080, .height = 1920};
  EXPECT_TRUE(info.lean(6'750'000));
  EXPECT_FALSE(info.lean(6'750'001));
  info.width = 720, info.height = 1280;
  EXPECT_TRUE(info.lean(3'750'000));
  EXPECT_FALSE(info.lean(3'750'001));
  info.width = 100, info.height = 100;
  EXPECT_TRUE(info.lean(1'050'000));
  EXPECT_FALSE(info.lean(1'050'001));
}

TEST(Sprite, AGridHoldsAHundredTiles) {
  EXPECT_EQ(grid_for(1).columns, 1);
  EXPECT_EQ(grid_for(11).columns, 10);
  EXPECT_EQ(grid_for(11).rows, 2);
  EXPECT_EQ(grid_for(100).rows, 10);
}

}  // namespace
}  // namespace sv::media
