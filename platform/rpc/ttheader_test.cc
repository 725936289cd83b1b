#include "platform/rpc/ttheader.h"

#include <gtest/gtest.h>

#include <cctype>
#include <random>

#include "platform/rpc/message.h"

namespace sv::rpc {
namespace {

std::string bytes(std::string_view hex) {
  std::string digits, out;
  for (char c : hex)
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return out;
}

const std::string kCall =
    bytes("80010001 0000000b 566572696679546f6b656e 00000001 0b0001 00000003 746f6b 00");
const std::string kReply = bytes("80010002 0000000b 566572696679546f6b656e 00000001 02 0000 01 00");

struct Golden {
  const char* name;
  Framing framing;
  TtHeader header;
  std::string payload, frame;
};

std::vector<Golden> goldens() {
  const std::string boom = bytes(
      "80010003 0000000b 566572696679546f6b656e 00000001 0b0001 0000000f "
      "62697a206572726f723a20626f6f6d 080002 00000006 00");
  const std::string empty = bytes("80010002 0000000b 566572696679546f6b656e 00000001 00");
  return {
      {"call as a Go gateway sends it",
       Framing::ttheader,
       {.seqid = 1},
       kCall,
       bytes("00000030 1000 0000 00000001 0001 00000000") + kCall},
      {"reply as a Go server sends it",
       Framing::ttheader,
       {.seqid = 1},
       kReply,
       bytes("0000002a 1000 0000 00000001 0001 00000000") + kReply},
      {"length inside the payload",
       Framing::ttheader_framed,
       {.seqid = 1},
       kCall,
       bytes("00000034 1000 0000 00000001 0001 00000000 00000022") + kCall},
      {"int pair",
       Framing::ttheader,
       {.seqid = 1, .ints = {{kMessageType, "1"}}},
       kCall,
       bytes("00000038 1000 0000 00000001 0003 0000 10 0001 0016 0001 31 0000") + kCall},
      {"string pair",
       Framing::ttheader,
       {.seqid = 1, .strings = {{"isn", "UserService"}}},
       kCall,
       bytes("00000044 1000 0000 00000001 0006 0000 01 0001 0003 69736e 000b "
             "5573657253657276696365 00") +
           kCall},
      {"exception",
       Framing::ttheader,
       {.seqid = 1},
       boom,
       bytes("00000043 1000 0000 00000001 0001 00000000") + boom},
      {"business status",
       Framing::ttheader,
       {.seqid = 1, .ints = {{kMessageType, "2"}}, .strings = {{"biz-status", "404"}}},
       empty,
       bytes("00000042 1000 0000 00000001 0008 0000 01 0001 000a 62697a2d737461747573 0003 343034 "
             "10 0001 0016 0001 32 0000") +
           empty},
      {"framed", Framing::framed, {}, kCall, bytes("00000022") + kCall},
      {"buffered", Framing::buffered, {}, kCall, kCall},
  };
}

TEST(TtHeader, WritesGoldenFramesToTheByte) {
  for (const Golden& g : goldens()) {
    std::string out;
    ASSERT_TRUE(write_frame(out, g.framing, g.header, g.payload)) << g.name;
    EXPECT_EQ(out, g.frame) << g.name;
  }
}

TEST(TtHeader, ReadsGoldenFramesWholeAndByteByByte) {
  for (const Golden& g : goldens()) {
    Frame frame;
    std::size_t need = 0;
    for (std::size_t n = 0; n < g.frame.size(); ++n) {
      ASSERT_EQ(parse_frame(std::string_view(g.frame).substr(0, n), frame, need),
                FrameStatus::need_more)
          << g.name << " " << n;
      ASSERT_GT(need, n);
      ASSERT_LE(need, g.frame.size());
    }
    std::string two = g.frame + g.frame;  // a pipelined second frame is left alone
    ASSERT_EQ(parse_frame(two, frame, need), FrameStatus::ready) << g.name;
    EXPECT_EQ(frame.framing, g.framing) << g.name;
    EXPECT_EQ(frame.header, g.header) << g.name;
    EXPECT_EQ(frame.payload, g.payload) << g.name;
    EXPECT_EQ(frame.size, g.frame.size()) << g.name;
  }
}

TEST(TtHeader, PairsMayRepeatAndTheLastValueOfAKeyCounts) {
  std::string info =
      bytes("0000 10 0001 0016 0001 31 00 10 0002 0016 0001 32 000c 0003 353030 11 0002 6869");
  info.resize((info.size() + 3) / 4 * 4);
  std::string head = bytes("1000 0000 00000007");
  put_big_endian(head, static_cast<std::uint16_t>(info.size() / 4));
  std::string input;
  put_big_endian(input, static_cast<std::uint32_t>(head.size() + info.size() + kCall.size()));
  input += head + info + kCall;
  Frame frame;
  std::size_t need = 0;
  ASSERT_EQ(parse_frame(input, frame, need), FrameStatus::ready);
  EXPECT_EQ(frame.header.find(kMessageType), "2");
  EXPECT_EQ(frame.header.find(kRpcTimeout), "500");
  EXPECT_EQ(frame.header.acl_token, "hi");
  EXPECT_EQ(frame.header.find("isn"), "");
}

TEST(TtHeader, RefusesStreamsUnknownInfoAndSizesBeyondTheCap) {
  Frame frame;
  std::size_t need = 0;
  auto parse = [&](const std::string& s) { return parse_frame(s, frame, need); };
  EXPECT_EQ(parse(bytes("00000030 1000 0002 00000001 0001 00000000") + kCall),
            FrameStatus::broken);  // streaming
  EXPECT_EQ(parse(bytes("00000030 1000 0000 00000001 0001 00000200") + kCall),
            FrameStatus::broken);  // info block 2
  EXPECT_EQ(parse(bytes("00000030 1000 0000 00000001 0001 03000000") + kCall),
            FrameStatus::broken);  // another protocol
  EXPECT_EQ(parse(bytes("00000030 1000 0000 00000001 ffff 00000000") + kCall),
            FrameStatus::broken);  // header longer than the frame
  EXPECT_EQ(parse(bytes("00000030 1000 0000 00000001 0001 00000100") + kCall),
            FrameStatus::broken);  // pairs cut off
  EXPECT_EQ(parse(bytes("7fffffff 1000 0000")), FrameStatus::broken);
  EXPECT_EQ(parse(bytes("ffffffff 8001 0001")), FrameStatus::broken);
  EXPECT_EQ(parse("GET / HTTP/1.1\r\n"), FrameStatus::broken);
  EXPECT_EQ(parse(bytes("80010001 ffffffff")), FrameStatus::broken);
}

TEST(TtHeader, TooLongTextsAreNotWritten) {
  std::string out;
  EXPECT_FALSE(
      write_frame(out, Framing::ttheader, {.strings = {{"k", std::string(70'000, 'x')}}}, kCall));
  TtHeader many;
  for (int i = 0; i < 10; ++i) many.strings.emplace_back("k", std::string(30'000, 'x'));
  EXPECT_FALSE(write_frame(out, Framing::ttheader, many, kCall));
  EXPECT_TRUE(out.empty());
}

TEST(TtHeader, DamagedFramesNeverCrash) {
  std::mt19937 rng(std::random_device{}());
  auto seed = rng();
  rng.seed(seed);
  SCOPED_TRACE(seed);
  for (const Golden& g : goldens()) {
    for (int i = 0; i < 2000; ++i) {
      std::string s = g.frame;
      for (int k = 0; k < 3; ++k) s[rng() % s.size()] = static_cast<char>(rng());
      Frame frame;
      std::size_t need = 0;
      FrameStatus status = parse_frame(s, frame, need);
      if (status == FrameStatus::ready) {
        ASSERT_LE(frame.size, s.size());
        ASSERT_LE(frame.payload.size(), frame.size);
      } else if (status == FrameStatus::need_more) {
        ASSERT_GT(need, s.size());
        ASSERT_LE(need, kMaxFrame + 4);
      }
    }
  }
}

}  // namespace
}  // namespace sv::rpc
