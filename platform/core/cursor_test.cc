#include "platform/core/cursor.h"

#include <limits>

#include <gtest/gtest.h>

namespace sv {
namespace {

TEST(Cursor, ComesBackAsItWas) {
  for (auto v : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'767'225'600'123},
                 std::numeric_limits<std::int64_t>::max()}) {
    auto back = decode_cursor("feed", encode_cursor("feed", {.key = v, .id = 42}));
    ASSERT_TRUE(back && *back);
    EXPECT_EQ(**back, (Cursor{.key = v, .id = 42}));
  }
}

TEST(Cursor, EmptyTextIsTheStart) {
  auto start = decode_cursor("feed", "");
  ASSERT_TRUE(start);
  EXPECT_FALSE(*start);
}

TEST(Cursor, OfAnotherListIsRefused) {
  auto other = decode_cursor("mine", encode_cursor("feed", {.key = 1, .id = 2}));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().token, "cursor_invalid");
  EXPECT_EQ(other.error().field, "cursor");
}

TEST(Cursor, AnyChangedCharacterIsRefused) {
  auto good = encode_cursor("feed", {.key = 123456789, .id = 987654321});
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_cursor("feed", bad)) << i;
  }
  EXPECT_FALSE(decode_cursor("feed", good + "A"));
  EXPECT_FALSE(decode_cursor("feed", good.substr(1)));
  EXPECT_FALSE(decode_cursor("feed", "1"));
}

}  // namespace
}  // namespace sv
