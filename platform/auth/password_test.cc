#include "platform/auth/password.h"

#include <gtest/gtest.h>

namespace sv::auth {
namespace {

TEST(Password, AHashVerifiesItsPasswordOnly) {
  const std::string hash = hash_password("correct horse", 4);
  EXPECT_TRUE(hash.starts_with("$2b$04$"));
  EXPECT_TRUE(verify_password("correct horse", hash));
  EXPECT_FALSE(verify_password("correct horsf", hash));
  EXPECT_FALSE(verify_password("", hash));
  EXPECT_NE(hash, hash_password("correct horse", 4)) << "salted";
}

TEST(Password, AKnownVectorVerifies) {
  // From the public crypt_blowfish test set.
  EXPECT_TRUE(
      verify_password("U*U", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

TEST(Password, NothingIsCutOff) {
  const std::string longest(72, 'x');
  const std::string hash = hash_password(longest, 4);
  EXPECT_TRUE(verify_password(longest, hash));
  EXPECT_FALSE(verify_password(longest + "y", hash));
  using namespace std::string_literals;
  EXPECT_FALSE(verify_password("secret-a\0b"s, hash_password("secret-a", 4)));
  EXPECT_THROW(hash_password(longest + "y", 4), std::runtime_error);
  EXPECT_THROW(hash_password("secret-a\0b"s, 4), std::runtime_error);
}

TEST(Password, OnlyBcryptHashesCount) {
  for (const char* hash : {"", "*0", "*1", "plain", "$1$abcdefgh$", "$2a$04$", "$2b$04$"})
    EXPECT_FALSE(verify_password("plain", hash)) << hash;
}

TEST(Password, TheDummyIsAHashOfTheSameCost) {
  EXPECT_EQ(dummy_hash(10).size(), 60U);
  EXPECT_TRUE(dummy_hash(10).starts_with("$2b$10$"));
  EXPECT_FALSE(verify_password("anything", dummy_hash(4)));
  EXPECT_THROW(hash_password("anything", 3), std::runtime_error);
}

TEST(Password, NewOnesAreCheckedAgainstLengthAndTheCommonOnes) {
  using namespace std::string_literals;
  const auto token = [](std::string_view p) {
    const auto ok = check_new_password("new_password", p);
    return ok ? std::string() : ok.error().token;
  };
  EXPECT_EQ(token(""), "new_password_required");
  EXPECT_EQ(token("seven77"), "new_password_too_short");
  EXPECT_EQ(token("a fine one"), "");
  EXPECT_EQ(token(std::string(72, 'x')), "");
  EXPECT_EQ(token(std::string(73, 'x')), "new_password_too_long");
  EXPECT_EQ(token("abcdefgh\0ij"s), "new_password_invalid");
  for (const char* common :
       {"12345678", "password", "PassWord", "QWERTYUIOP", "11111111", "ｐassword"})
    EXPECT_EQ(token(common), "password_common") << common;
}

}  // namespace
}  // namespace sv::auth
