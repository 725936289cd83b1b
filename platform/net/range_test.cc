#include "platform/net/range.h"

#include <gtest/gtest.h>

namespace sv::net {
namespace {

using Kind = ByteRange::Kind;
ByteRange part(std::uint64_t offset, std::uint64_t length) {
  return {.kind = Kind::part, .offset = offset, .length = length};
}

TEST(Range, GivesOnePart) {
  EXPECT_EQ(parse_range("bytes=0-0", 10), part(0, 1));
  EXPECT_EQ(parse_range("bytes=0-", 10), part(0, 10));
  EXPECT_EQ(parse_range("bytes=3-5", 10), part(3, 3));
  EXPECT_EQ(parse_range("bytes=9-", 10), part(9, 1));
  EXPECT_EQ(parse_range("bytes=5-99", 10), part(5, 5));
  EXPECT_EQ(parse_range("bytes=-3", 10), part(7, 3));
  EXPECT_EQ(parse_range("bytes=-30", 10), part(0, 10));
  EXPECT_EQ(parse_range("Bytes= 1-2 ", 10), part(1, 2));
  EXPECT_EQ(parse_range("bytes=1-99999999999999999999999999", 10), part(1, 9));
  EXPECT_EQ(parse_range("bytes=-99999999999999999999999999", 10), part(0, 10));
}

TEST(Range, KnowsWhatCannotBeSatisfied) {
  for (std::string_view s :
       {"bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999999-"})
    EXPECT_EQ(parse_range(s, 10).kind, Kind::unsatisfiable) << s;
  for (std::string_view s : {"bytes=0-", "bytes=-1", "bytes=0-0"})
    EXPECT_EQ(parse_range(s, 0).kind, Kind::unsatisfiable) << s;
}

TEST(Range, IgnoresWhatItDoesNotUnderstand) {
  for (std::string_view s :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes=1-2,4-5", "bytes=1-2,",
        "items=0-1", "bytes=+1-2", "bytes=1--2", "bytes=0x1-2", "bytes 1-2", "=1-2"})
    EXPECT_EQ(parse_range(s, 10), ByteRange{}) << s;
}

TEST(Range, PrintsContentRange) {
  EXPECT_EQ(content_range_line(part(3, 4), 10), "Content-Range: bytes 3-6/10\r\n");
  EXPECT_EQ(content_range_line({.kind = Kind::unsatisfiable}, 10), "Content-Range: bytes */10\r\n");
}

TEST(Range, ComparesIfRangeStrongly) {
  EXPECT_TRUE(if_range_matches("", "\"a\"", 0));
  EXPECT_TRUE(if_range_matches("\"a\"", "\"a\"", 0));
  EXPECT_FALSE(if_range_matches("\"b\"", "\"a\"", 0));
  EXPECT_FALSE(if_range_matches("W/\"a\"", "\"a\"", 0));
  EXPECT_FALSE(if_range_matches("W/\"a\"", "W/\"a\"", 0));
  EXPECT_TRUE(if_range_matches("Sun, 06 Nov 1994 08:49:37 GMT", "\"a\"", 784111777'000));
  EXPECT_FALSE(if_range_matches("Sun, 06 Nov 1994 08:49:38 GMT", "\"a\"", 784111777'000));
  EXPECT_FALSE(if_range_matches("nonsense", "\"a\"", 784111777'000));
}

TEST(Range, ComparesIfNoneMatchWeakly) {
  EXPECT_TRUE(etag_matches("*", "\"a\""));
  EXPECT_TRUE(etag_matches("\"x\", W/\"a\"", "\"a\""));
  EXPECT_TRUE(etag_matches("\"a\"", "W/\"a\""));
  EXPECT_FALSE(etag_matches("", "\"a\""));
  EXPECT_FALSE(etag_matches("\"b\",", "\"a\""));
  EXPECT_FALSE(etag_matches("a", "\"a\""));
}

}  // namespace
}  // namespace sv::net
