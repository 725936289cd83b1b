// Requests that two parsers could read differently (request smuggling), each over a raw socket: 400
// and close, and nothing of what follows is taken for a second request.
#include <gtest/gtest.h>

#include "platform/net/http_testing.h"

namespace sv::net {
namespace {

Task<> echo(Exchange& x) {
  auto body = co_await x.read_all(1 << 20);
  if (body) (void)co_await x.send(200, "", "[" + *body + "]");
}

constexpr std::string_view kSecond = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

struct Case {
  const char* name;
  std::string_view request;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class AmbiguousFraming : public testing::TestWithParam<Case> {};

TEST_P(AmbiguousFraming, IsAnsweredFourHundredAndClosed) {
  TestServer server(echo, {}, 1);
  RawClient c(server.port());
  c.send(std::string(GetParam().request) + std::string(kSecond));
  std::string all = c.rest();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 400 Bad Request\r\n")) << all;
  EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos) << all;
  EXPECT_TRUE(all.ends_with("{\"code\":400}")) << all;
  EXPECT_EQ(all.find("200 OK"), std::string::npos) << all;
}

using namespace std::string_view_literals;
INSTANTIATE_TEST_SUITE_P(
    , AmbiguousFraming,
    testing::Values(
        Case{"LengthAndChunked",
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
             "chunked\r\n\r\n0\r\n\r\n"},
        Case{"ChunkedAndLength",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
             "5\r\n\r\n0\r\n\r\n"},
        Case{"TwoLengths",
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc"},
        Case{"TwoEqualLengths",
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"},
        Case{"ListOfLengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc"},
        Case{"LengthIsAWord", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\nabc"},
        Case{"LengthHasASign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"},
        Case{"LengthIsNegative", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc"},
        Case{"LengthIsHex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"},
        Case{"LengthIsEmpty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc"},
        Case{"LengthOverflows",
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nabc"},
        Case{"UnknownCoding",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"},
        Case{"CodingBeforeChunked",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        Case{"CodingAfterChunked",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
        Case{"TwoCodings",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: "
             "chunked\r\n\r\n0\r\n\r\n"},
        Case{"CodingWithVerticalTab",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
             "chunked\r\n\r\n0\r\n\r\n"},
        Case{"CodingEmpty", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"},
        Case{"ChunkedInHttp10",
             "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Case{"SpaceBeforeColon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc"},
        Case{"BareLineFeedAfterField", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"},
        Case{"BareLineFeedAfterRequestLine", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        Case{"OnlyBareLineFeeds", "GET / HTTP/1.1\nHost: a\n\n"},
        Case{"BareCarriageReturn", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n"},
        Case{"FoldedField", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"},
        Case{"FoldedFirstField", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        Case{"FieldFoldedToNothing", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n \r\n\r\n"},
        Case{"FieldWithoutColon", "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"},
        Case{"FieldWithoutName", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"},
        Case{"NulInField", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"sv},
        Case{"NoHost", "GET / HTTP/1.1\r\nX: y\r\n\r\n"},
        Case{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        Case{"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        Case{"HostWithUser", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        Case{"HostList", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
        Case{"NoVersion", "GET /\r\nHost: a\r\n\r\n"},
        Case{"UnknownVersion", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        Case{"LowercaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n"},
        Case{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"FragmentInTarget", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"TargetWithoutSlash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"StarForGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"Connect", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"AbsoluteWithoutHost", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"AbsoluteWithUser", "GET http://u@b/x HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"TwoEmptyLinesInFront", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"TlsHello", "\x16\x03\x01\x02"},
        Case{"ChunkSizeIsAWord",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n"},
        Case{"ChunkSizeHasPrefix",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"},
        Case{"ChunkSizeHasSign",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"},
        Case{"ChunkSizeHasSpace",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 "
             "\r\nabc\r\n0\r\n\r\n"},
        Case{
            "ChunkSizeIsEmpty",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n"},
        Case{"ChunkSizeOverflows",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"},
        Case{"ChunkLongerThanItsSize",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
        Case{"ChunkEndsWithLineFeed",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"},
        Case{"ChunkLineEndsWithLineFeed",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"},
        Case{"LineFeedInExtension",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n3;a=\"\n\"\r\nabc\r\n0\r\n\r\n"},
        Case{"LineFeedInLastExtension",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n3\r\nabc\r\n0;a=\"\n\"\r\n\r\n"},
        Case{"ExtensionAcrossLines",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n"},
        Case{"FoldedTrailer",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n "
             "z\r\n\r\n"},
        Case{"LengthInTrailer",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: "
             "3\r\n\r\n"},
        Case{"BareLineFeedInTrailer",
             "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\nZ: "
             "w\r\n\r\n"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Framing,
     IsRefusedAsSoonAsItIsSeen) {  // no later byte could mend it, so nobody waits for a time-out
  TestServer server(echo, {}, 1);
  for (std::string_view start :
       {"GET / HTTP/1.1\nHost"sv, "GET / HTTP/1.1\r\nHost: a\r\n X"sv, "\x80"sv}) {
    RawClient c(server.port());
    c.send(start);
    if (start.size() > 20) c.send("\r\n");
    EXPECT_TRUE(c.answer().starts_with("HTTP/1.1 400 ")) << start;
  }
}

TEST(Framing, TrailersCannotChangeTheRequest) {
  TestServer server(echo, {}, 1);
  RawClient c(server.port());
  c.send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nHost: "
      "b\r\nConnection: close\r\n\r\n" +
      std::string(kSecond));
  EXPECT_TRUE(c.answer().ends_with("[ab]"));
  EXPECT_TRUE(c.answer().ends_with("[]"));
}

TEST(Framing, LimitsChunkHeadsAndTrailers) {
  TestServer server(echo, {}, 1);
  for (std::string_view begin : {"3;"sv, "0\r\nX: "sv}) {
    RawClient c(server.port());
    c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(begin) +
           std::string(100'000, 'x'));
    EXPECT_TRUE(c.answer().starts_with("HTTP/1.1 400 "));
  }
}

}  // namespace
}  // namespace sv::net
