#include "platform/net/uri.h"

#include <gtest/gtest.h>

namespace sv::net {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST(Uri, DecodesPaths) {
  EXPECT_EQ(decode_path("/a%20b+c%2Fd"), "/a b+c/d");
  EXPECT_EQ(decode_path(""), "");
  EXPECT_EQ(decode_path("%E4%b8%ad"), "中");
  EXPECT_EQ(decode_path("中"), "中");  // raw UTF-8, as curl sends it
}

TEST(Uri, RefusesBrokenEscapesNulAndInvalidUtf8) {
  for (std::string_view s : {"%", "a%2", "%zz", "%2g", "%00", "%ff", "%c0%af", "%e4%b8",
                             "%ed%a0%80", "%f4%90%80%80", "%80", "%f0%80%80%80"})
    EXPECT_FALSE(decode_path(s)) << s;
  EXPECT_FALSE(decode_path(std::string_view("a\0b", 3)));
  EXPECT_TRUE(decode_path("%f4%8f%bf%bf"));
}

TEST(Uri, TakesAnAuthorityApart) {
  const auto text = [](std::string_view authority) {
    const auto one = parse_authority(authority, "80");
    return one ? one->host + " " + one->port : one.error().detail;
  };
  EXPECT_EQ(text("host"), "host 80");
  EXPECT_EQ(text("host:9000"), "host 9000");
  EXPECT_EQ(text("[::1]"), "::1 80");
  EXPECT_EQ(text("[::1]:9000"), "::1 9000");
  EXPECT_EQ(text(":9000"), "no host is named");
  for (const char* bad : {"host:", "host:0", "host:65536", "host:x", "me:sesame"})
    EXPECT_EQ(text(bad), "a port is not a number") << bad;
}

TEST(Uri, ParsesQueries) {
  EXPECT_EQ(parse_query("a=1&b=x+y%2B&&c&=d&a=2&e=f=g"),
            (Pairs{{"a", "1"}, {"b", "x y+"}, {"c", ""}, {"", "d"}, {"a", "2"}, {"e", "f=g"}}));
  EXPECT_EQ(parse_query(""), Pairs{});
  EXPECT_EQ(parse_query("keyword=%E4%B8%AD%E6%96%87"), (Pairs{{"keyword", "中文"}}));
}

TEST(Uri, RefusesQueriesWithABrokenNameOrValue) {
  EXPECT_FALSE(parse_query("a=%"));
  EXPECT_FALSE(parse_query("%zz=a"));
  EXPECT_FALSE(parse_query("ok=1&b=%ff"));
}

}  // namespace
}  // namespace sv::net
