#include "platform/auth/signed_url.h"

#include <gtest/gtest.h>

#include "platform/testing/manual_clock.h"

namespace sv::auth {
namespace {

struct SignedUrl : ::testing::Test {
  testing::ManualClock clock;
  KeyRing keys{{{"k1", std::string(32, 's')}}};
  UrlSigner links{keys, clock};

  // The values of "exp=…&kid=…&sig=…".
  static std::array<std::string, 3> parts(const std::string& query) {
    const auto kid = query.find("&kid="), sig = query.find("&sig=");
    return {query.substr(4, kid - 4), query.substr(kid + 5, sig - kid - 5), query.substr(sig + 5)};
  }
};

TEST_F(SignedUrl, OpensItsPrefixUntilItExpires) {
  const auto [exp, kid, sig] = parts(links.sign("/media/videos/7/", std::chrono::hours(2)));
  EXPECT_TRUE(links.verify("/media/videos/7/", exp, kid, sig));
  EXPECT_EQ(links.verify("/media/videos/8/", exp, kid, sig).error().token, "link_invalid");
  EXPECT_FALSE(links.verify("/media/videos/", exp, kid, sig));
  clock.set(std::stoll(exp) * 1000 - 1);
  EXPECT_TRUE(links.verify("/media/videos/7/", exp, kid, sig));
  clock.set(std::stoll(exp) * 1000);
  EXPECT_EQ(links.verify("/media/videos/7/", exp, kid, sig).error().token, "link_expired");
}

TEST_F(SignedUrl, IsTheSameTextWithinTheHour) {
  const std::string first = links.sign("/p/", std::chrono::minutes(90));
  clock.advance(std::chrono::minutes(29));
  EXPECT_EQ(links.sign("/p/", std::chrono::minutes(90)), first);
  clock.advance(std::chrono::minutes(2));
  EXPECT_NE(links.sign("/p/", std::chrono::minutes(90)), first);
  EXPECT_EQ(std::stoll(parts(first)[0]) % 3600, 0);
}

TEST_F(SignedUrl, AlteredLinksAreRefused) {
  const auto [exp, kid, sig] = parts(links.sign("/p/", std::chrono::hours(1)));
  for (const std::string& other : {std::to_string(std::stoll(exp) + 3600), std::string(), "x" + exp,
                                   exp + "x", " " + exp, "+" + exp, std::string(30, '9')}) {
    EXPECT_FALSE(links.verify("/p/", other, kid, sig)) << other;
  }
  for (const std::string& other : {std::string(), std::string("k2"), kid + " "})
    EXPECT_FALSE(links.verify("/p/", exp, other, sig)) << other;
  for (const std::string& other : {std::string(), sig + "A", sig.substr(1), std::string(43, 'A')})
    EXPECT_FALSE(links.verify("/p/", exp, kid, other)) << other;
}

TEST_F(SignedUrl, OutlivesARotationOfKeys) {
  const auto [exp, kid, sig] = parts(links.sign("/p/", std::chrono::hours(1)));
  keys.replace({{"k2", std::string(32, 't')}, {"k1", std::string(32, 's')}});
  EXPECT_TRUE(links.verify("/p/", exp, kid, sig));
  keys.replace({{"k2", std::string(32, 't')}});
  EXPECT_FALSE(links.verify("/p/", exp, kid, sig));
}

}  // namespace
}  // namespace sv::auth
