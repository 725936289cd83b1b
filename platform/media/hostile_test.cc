#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/media/sniff.h"
#include "platform/media/test_clips.h"

// Files made to hurt. Each is refused with a stable token, opens no connection and leaves nothing
// behind.
namespace sv::media {
namespace {

namespace fs = std::filesystem;

// A listening socket that must not hear from anybody.
class Ear {
 public:
  Ear() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&a), n) != 0 || ::listen(fd_, 8) != 0)
      throw std::runtime_error("cannot listen");
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
    port_ = ntohs(a.sin_port);
  }
  ~Ear() { ::close(fd_); }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;
  bool heard() const {
    int c = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (c >= 0) ::close(c);
    return c >= 0;
  }
  std::string url(const std::string& path) const {
    return fmt::format("http://127.0.0.1:{}/{}", port_, path);
  }

 private:
  int fd_;
  int port_ = 0;
};

std::string u32(std::uint64_t v) { return {char(v >> 24), char(v >> 16), char(v >> 8), char(v)}; }
std::string box(const std::string& name, const std::string& content) {
  return u32(content.size() + 8) + name + content;
}

class Hostile : public MediaFixture {
 protected:
  std::string refused_bytes(const std::string& name, const std::string& bytes) {
    spill(dir_ / name, bytes);
    return refusal(dir_ / name);
  }
  std::string good_mp4(const std::string& extra = "-movflags +faststart") {
    return slurp(
        clip("good.mp4", picture("64x64", "2") + tone("2") + x264() + "-c:a aac " + extra));
  }
  // Rows of `name` boxes' payload positions.
  static std::vector<std::size_t> find_all(const std::string& bytes, const std::string& name) {
    std::vector<std::size_t> at;
    for (auto p = bytes.find(name); p != bytes.npos; p = bytes.find(name, p + 1))
      at.push_back(p + 4);
    return at;
  }
  void TearDown() override {
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".work")) << entry.path();
    }
  }
};

TEST_F(Hostile, WhatIsNoMediaIsNeverOpened) {
  EXPECT_EQ(refused_bytes("empty.mp4", ""), "media_unreadable");
  EXPECT_EQ(refused_bytes("text.mp4", "just a letter to my mother\n"), "media_unreadable");
  EXPECT_EQ(refused_bytes("script.mp4", "ffconcat version 1.0\nfile /etc/passwd\n"),
            "media_unreadable");
  EXPECT_EQ(refused_bytes("page.mp4", "<html><script>alert(1)</script>"), "media_unreadable");
  EXPECT_EQ(refused_bytes("elf.mp4", slurp("/bin/true")), "media_unreadable");
  EXPECT_EQ(refused_bytes("zeros.mp4", std::string(100000, '\0')), "media_unreadable");
}

TEST_F(Hostile, APlaylistOpensNeitherFilesNorConnections) {
  Ear ear;
  auto real = clip("real.ts", picture("64x64", "1") + x264());
  for (const auto& target : {ear.url("a.ts"), "file://" + real.string(), real.string(),
                             "concat:" + real.string() + "|" + ear.url("b")}) {
    EXPECT_EQ(refused_bytes("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n" + target +
                                            "\n#EXT-X-ENDLIST\n"),
              "media_unreadable");
  }
  EXPECT_EQ(refused_bytes("dash.mp4", "<?xml version=\"1.0\"?><MPD><BaseURL>" + ear.url("") +
                                          "</BaseURL></MPD>"),
            "media_unreadable");
  EXPECT_EQ(refused_bytes("sdp.mp4", "v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
            "media_unreadable");
  EXPECT_FALSE(ear.heard());
}

// The first bytes of one format, the body of another: only the announced demuxer may look.
TEST_F(Hostile, APolyglotIsReadAsWhatItsFirstBytesSay) {
  Ear ear;
  auto list = "\n#EXTM3U\n#EXTINF:2,\n" + ear.url("a.ts") + "\n";
  EXPECT_EQ(refused_bytes("a.mp4", box("ftyp", "isom" + u32(0) + "isom") + list),
            "media_unreadable");
  EXPECT_EQ(refused_bytes("b.mp4", std::string("FLV\x01", 4) + list), "media_unreadable");
  auto ts = slurp(clip("t.ts", picture("64x64", "1") + x264()));
  EXPECT_EQ(refused_bytes("c.mp4", box("ftyp", "isom" + u32(0) + "isom") + ts), "media_unreadable");
  EXPECT_FALSE(ear.heard());
}

TEST_F(Hostile, ExternalDataReferencesAreNotFollowed) {
  Ear ear;
  auto bytes = good_mp4();
  // A `url ` entry with the self-contained flag (…01) becomes one that points elsewhere; the box
  // keeps its size.
  for (auto at : find_all(bytes, "url ")) bytes[at + 3] = 0;
  spill(dir_ / "dref.mp4", bytes);
  (void)testing::run_task(tools_->probe(dir_ / "dref.mp4"));

  auto location = ear.url("movie.mp4");
  auto source = slurp(dir_ / "good.mp4");
  auto dref = source.find("dref") - 4;
  auto entry = box("url ", u32(0) + location + '\0');
  auto grown = entry.size() - 12;
  std::string changed =
      source.substr(0, dref) + box("dref", u32(0) + u32(1) + entry) + source.substr(dref + 28);
  // The parents grow with it.
  for (std::string name : {"moov", "trak", "mdia", "minf", "dinf"}) {
    auto at = changed.find(name) - 4;
    auto size =
        (std::uint64_t(std::uint8_t(changed[at])) << 24 |
         std::uint64_t(std::uint8_t(changed[at + 1])) << 16 |
         std::uint64_t(std::uint8_t(changed[at + 2])) << 8 | std::uint8_t(changed[at + 3])) +
        grown;
    changed.replace(at, 4, u32(size));
  }
  spill(dir_ / "dref2.mp4", changed);
  (void)testing::run_task(tools_->probe(dir_ / "dref2.mp4"));
  (void)testing::run_task(tools_->poster(dir_ / "dref2.mp4", {}, dir_ / "p.jpg"));
  EXPECT_FALSE(ear.heard());
}

TEST_F(Hostile, ATruncatedFileIsIncomplete) {
  auto bytes = good_mp4();
  for (double part : {0.999, 0.9, 0.5, 0.2}) {
    EXPECT_EQ(refused_bytes("cut.mp4", bytes.substr(0, std::size_t(double(bytes.size()) * part))),
              "media_truncated")
        << part;
  }
  auto late = good_mp4("");  // moov at the end
  EXPECT_EQ(refused_bytes("late.mp4", late.substr(0, late.size() - 100)), "media_truncated");
  EXPECT_EQ(refused_bytes("late.mp4", late.substr(0, late.size() / 2)), "media_truncated");
  EXPECT_EQ(refused_bytes("head.mp4", bytes.substr(0, 40)), "media_truncated");
  auto fragments = good_mp4("-movflags frag_keyframe+empty_moov");
  EXPECT_EQ(refused_bytes("frag.mp4", fragments.substr(0, fragments.size() * 2 / 3)),
            "media_truncated");
  auto mkv = slurp(clip("a.mkv", picture("64x64", "2") + x264()));
  EXPECT_EQ(refused_bytes("cut.mkv", mkv.substr(0, mkv.size() / 2)), "media_truncated");
  auto avi = slurp(clip("a.avi", picture("64x64", "2") + "-c:v mpeg4"));
  EXPECT_EQ(refused_bytes("cut.avi", avi.substr(0, avi.size() / 2)), "media_truncated");
}

// mdat with size 0 reaches to the end of the file, wherever that is now: only the samples tell.
TEST_F(Hostile, MissingSamplesAreNoticedWhenTheBoxesAreNot) {
  auto bytes = good_mp4();
  auto mdat = bytes.find("mdat");
  bytes.replace(mdat - 4, 4, u32(0));
  spill(dir_ / "open.mp4", bytes);
  EXPECT_EQ(probe(dir_ / "open.mp4").width, 64);
  EXPECT_EQ(refused_bytes("cut.mp4", bytes.substr(0, mdat + (bytes.size() - mdat) / 2)),
            "media_truncated");
}

TEST_F(Hostile, AGiganticPictureIsRefusedBeforeItIsDecoded) {
  const auto good = good_mp4();
  const std::string side{char(60000 >> 8), char(60000 & 255)};
  auto tracks = good;
  auto at = tracks.find("tkhd") + 4 + 76;  // version 0
  tracks.replace(at, 2, side).replace(at + 4, 2, side);
  EXPECT_EQ(refused_bytes("tkhd.mp4", tracks), "media_too_large");
  auto entry = good;
  at = entry.find("avc1", entry.find("stsd")) + 4 + 24;
  entry.replace(at, 2, side).replace(at + 2, 2, side);
  EXPECT_EQ(refused_bytes("stsd.mp4", entry), "media_too_large");

  // In the H.264 sequence header itself, in containers that say nothing else.
  auto raw = clip("raw.h264", picture("64x64", "1") + x264() + "-bf 0");
  auto big = dir_ / "sps.ts";
  // h264_metadata cannot set a size; crop offsets cannot grow one: so write an SPS (ITU-T H.264
  // §7.3.2.1.1) of 3750 × 3750 macroblocks.
  std::string bits;
  auto u = [&](unsigned v, int n) {
    while (n--) bits += char('0' + (v >> n & 1));
  };
  auto ue = [&](unsigned v) {
    int n = 0;
    while ((v + 1) >> (n + 1)) ++n;
    bits.append(std::size_t(n), '0');
    u(v + 1, n + 1);
  };
  u(66, 8), u(0xc0, 8), u(62, 8);
  ue(0), ue(0), ue(2), ue(1), u(0, 1), ue(3749), ue(3749), u(1, 1), u(1, 1), u(0, 1), u(0, 1),
      u(1, 1);
  while (bits.size() % 8) bits += '0';
  std::string sps{'\0', '\0', '\0', '\1', '\x67'};
  for (std::size_t i = 0; i < bits.size(); i += 8)
    sps += char(std::stoi(bits.substr(i, 8), nullptr, 2));
  auto stream = slurp(raw);
  auto first = stream.find(std::string("\0\0\0\1\x67", 5)),
       next = stream.find(std::string("\0\0\0\1", 4), first + 4);
  ASSERT_NE(next, std::string::npos);
  stream.replace(first, next - first, sps);
  spill(raw, stream);
  shell("ffmpeg -v quiet -nostdin -y -f h264 -i '" + raw.string() + "' -c copy '" + big.string() +
        "'");
  ASSERT_GT(fs::file_size(big), 1000u);
  EXPECT_EQ(refusal(big), "media_too_large");
}

TEST_F(Hostile, AHalfDayOfNothingIsTooLong) {
  auto blank =
      clip("blank.mp4",
           "-f lavfi -i color=black:s=64x64:r=1/600:d=43200 -c:v libx264 -preset ultrafast");
  EXPECT_EQ(refusal(blank), "media_too_long");
  EXPECT_EQ(refusal(clip("blank.mkv", "-i " + blank.string() + " -c copy")), "media_too_long");
}

TEST_F(Hostile, ALinkIsNotASource) {
  auto real = clip("real.mp4", picture("64x64", "1") + x264());
  fs::create_symlink(real, dir_ / "link.mp4");
  auto r = testing::run_task(tools_->probe(dir_ / "link.mp4"));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::internal);
  // Nor is one that lies where a result goes followed.
  spill(dir_ / "victim", "precious");
  fs::create_symlink(dir_ / "victim", dir_ / "out.mp4");
  ASSERT_OK(testing::run_task(tools_->remux(real, probe(real), dir_ / "out.mp4")));
  EXPECT_EQ(slurp(dir_ / "victim"), "precious");
  EXPECT_FALSE(fs::is_symlink(dir_ / "out.mp4"));
}

TEST_F(Hostile, AGiganticImageIsRefused) {
  // A PNG header of 60000 × 60000; the decoder checks the size before the checksum of the data.
  auto png = slurp(clip("a.png", picture("64x64", "1") + "-frames:v 1"));
  png.replace(16, 8, u32(60000) + u32(60000));
  spill(dir_ / "big.png", png);
  auto r = testing::run_task(tools_->image(dir_ / "big.png", 100, dir_ / "out.jpg"));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unprocessable);
  EXPECT_FALSE(fs::exists(dir_ / "out.jpg"));
}

TEST_F(Hostile, ABombIsNoAvatar) {
  for (std::string name : {"bomb.jpg", "bomb.png", "bomb.gif"}) {
    auto source =
        clip(name, "-f lavfi -i color=black:s=16000x3200 -frames:v 1");  // 51.2 megapixels
    auto r = testing::run_task(tools_->avatar(source, 320, dir_ / "out.jpg"));
    ASSERT_FALSE(r) << name;
    EXPECT_EQ(r.error().token, "media_too_large") << r.error().detail;
  }
  auto png = slurp(dir_ / "bomb.png");
  png.replace(16, 8, u32(20000) + u32(20000));
  spill(dir_ / "header.png", png);
  auto r = testing::run_task(tools_->avatar(dir_ / "header.png", 320, dir_ / "out.jpg"));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().token, "media_too_large") << r.error().detail;
  EXPECT_FALSE(fs::exists(dir_ / "out.jpg"));
}

TEST(Sniff, KnowsTheContainersByTheirFirstBytes) {
  auto of = [](std::string_view s) { return sniff(std::as_bytes(std::span(s.data(), s.size()))); };
  using namespace std::string_view_literals;
  EXPECT_EQ(of("\0\0\0\x18"
               "ftypmp42"sv),
            Container::mp4);
  EXPECT_EQ(of("\x1a\x45\xdf\xa3"sv), Container::matroska);
  EXPECT_EQ(of("RIFF\0\0\0\0AVI LIST"sv), Container::avi);
  EXPECT_EQ(of("RIFF\0\0\0\0WAVEfmt "sv), Container::unknown);
  EXPECT_EQ(of("FLV\x01\x05"sv), Container::flv);
  EXPECT_EQ(of("G"sv), Container::unknown);
  EXPECT_EQ(of(""sv), Container::unknown);
  std::string ts(400, 'x');
  ts[0] = ts[188] = ts[376] = 'G';
  EXPECT_EQ(of(ts), Container::mpegts);
  ts[376] = 'x';
  EXPECT_EQ(of(ts), Container::unknown);
}

}  // namespace
}  // namespace sv::media
