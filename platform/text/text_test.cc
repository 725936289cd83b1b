#include "platform/text/text.h"

#include <gtest/gtest.h>

namespace sv {
namespace {

TEST(Text, IsUtf8WithoutNulAndNotTooLong) {
  using namespace std::string_literals;
  EXPECT_TRUE(check_text("about", "", 3));
  EXPECT_TRUE(check_text("about", "短视频", 3));
  EXPECT_EQ(check_text("about", "短视频!", 3).error().token, "about_too_long");
  for (const std::string& bad : {"a\0b"s, "\xff"s, "\xe7\x9f"s, "\xed\xa0\x80"s})
    EXPECT_EQ(check_text("about", bad, 3).error().token, "about_invalid");
  EXPECT_EQ(fold_text("ＡＢ c"), "ab c");
}

TEST(Text, WithoutAnythingVisibleIsNoText) {
  for (const char* empty :
       {"", " \t\n", "\u3000\u00a0", "\u200b\u200d", "\u202e", "\ufe0f", "\ufeff", "\x01"})
    EXPECT_EQ(check_visible_text("title", empty, 9).error().token, "title_required") << empty;
  for (const char* text : {".", "你", "\u202eabc", "❤\ufe0f", "\U0001FAE8", "\U000E0100\u0041"})
    EXPECT_TRUE(check_visible_text("title", text, 9)) << text;
  EXPECT_EQ(check_visible_text("title", "0123456789", 9).error().token, "title_too_long");
  EXPECT_EQ(check_visible_text("title", "\xff", 9).error().token, "title_invalid");
}

TEST(Text, LosesItsOuterBlanksOnly) {
  EXPECT_EQ(trim_text(" \u3000\ufeff\u200b你 好 \u2003\n"), "你 好");
  EXPECT_EQ(trim_text("❤\ufe0f"), "❤\ufe0f")
      << "a variation selector belongs to what stands before it";
  EXPECT_EQ(trim_text("a"), "a");
  EXPECT_EQ(trim_text("\xff \xfe"), "\xff \xfe");
  for (const char* empty : {"", " ", "\u3000\u200b"}) EXPECT_EQ(trim_text(empty), "");
}

}  // namespace
}  // namespace sv
