#include "services/user/username.h"

#include <gtest/gtest.h>

namespace sv::user {
namespace {

TEST(Username, SpellingsOfOneNameShareAKey) {
  const auto key = username_key("alice");
  ASSERT_TRUE(key);
  for (std::string_view same : {"ALICE", "Alice", "ａｌｉｃｅ", "Ａlice", "ⓐlice"})
    EXPECT_EQ(username_key(same).value_or(""), *key) << same;
  EXPECT_EQ(username_key("straße").value(), username_key("STRASSE").value());
  EXPECT_EQ(username_key("caf\u00e9").value(), username_key("cafe\u0301").value());
  EXPECT_NE(username_key("alice").value(), username_key("a1ice").value());
}

TEST(Username, OrdinaryNamesOfTheWorldAreFine) {
  for (std::string_view name :
       {"a", "小明", "たろう", "user name", "Ünal", "o'brien", "a_b-c.d", "😀fun", "한국", "x y z"})
    EXPECT_TRUE(username_key(name)) << name;
  std::string longest;
  for (int i = 0; i < kMaxUsernameCharacters; ++i) longest += "短";
  EXPECT_TRUE(username_key(longest));
  const auto longer = username_key(longest + "片");
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().token, "username_too_long");
}

TEST(Username, WhatCannotBeSeenIsRefused) {
  using namespace std::string_literals;
  const std::vector<std::string> bad{" a",
                                     "a ",
                                     "\u3000a",
                                     "a\u00a0",
                                     "a\tb",
                                     "a\nb",
                                     "a\0b"s,
                                     "a\u007f",
                                     "a\u200bb",
                                     "a\u200db",
                                     "\ufeffa",
                                     "a\u202eb",
                                     "a\u2066b",
                                     "a\u200eb",
                                     "a\u2028b",
                                     "a\u00adb",
                                     "\u3164",
                                     "a\u115fb",
                                     "\u2800",
                                     "a\ufe0f",
                                     "a\U000e0041b",
                                     "a\ue000b",
                                     "a\u0378b",
                                     "a\xff",
                                     "a\xc0\xaf",
                                     "a\xed\xa0\x80",
                                     "a\xf4\x90\x80\x80",
                                     "a\u0085b",
                                     "a\xe4\xbd"};
  for (const std::string& name : bad) {
    const auto key = username_key(name);
    ASSERT_FALSE(key) << name;
    EXPECT_EQ(key.error().token, "username_invalid") << name;
    EXPECT_EQ(key.error().field, "username");
  }
  EXPECT_EQ(username_key("").error().token, "username_required");
  EXPECT_EQ(username_key(std::string(10'000, 'a')).error().token, "username_too_long");
}

}  // namespace
}  // namespace sv::user
