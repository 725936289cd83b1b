#include "platform/auth/token.h"

#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "platform/auth/flat_json.h"
#include "platform/core/encoding.h"
#include "platform/crypto/random.h"
#include "platform/crypto/sha256.h"
#include "platform/testing/manual_clock.h"

namespace sv::auth {
namespace {

const Key kNew{"k2", "a-new-secret-of-more-than-32-bytes!!"};
const Key kOld{"k1", "an-old-secret-of-more-than-32-bytes!"};
const Key kGo{"", "the-secret-that-a-go-service-shares!"};

struct TokenTest : ::testing::Test {
  testing::ManualClock clock;
  KeyRing keys{{kNew, kOld}};
  TokenSigner tokens{keys, clock};
  std::int64_t exp() const { return clock.now_ms() / 1000 + 3600; }
  std::string claims() const {
    return fmt::format(R"({{"user_id":7,"sub":"7","sid":"42","iat":{},"exp":{}}})",
                       clock.now_ms() / 1000, exp());
  }
};

std::string forge(std::string_view header, std::string_view claims, const Key& key = kNew) {
  std::string token = base64url_encode(header) + '.' + base64url_encode(claims);
  const std::string signature = hmac_sha256(key.secret, token);
  return token + '.' + base64url_encode(signature);
}
constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT","kid":"k2"})";

TEST_F(TokenTest, ASignedTokenVerifiesWithItsClaims) {
  const auto claims = tokens.verify(tokens.sign(UserId(7), "42", std::chrono::hours(1)));
  ASSERT_TRUE(claims) << claims.error().detail;
  EXPECT_EQ(*claims, (Claims{UserId(7), "42", clock.now_ms(), clock.now_ms() + 3'600'000}));
}

TEST_F(TokenTest, ATokenExpiresAtItsSecond) {
  const std::string token = tokens.sign(UserId(7), "42", std::chrono::hours(1));
  clock.advance(std::chrono::milliseconds(3'599'999));
  EXPECT_TRUE(tokens.verify(token));
  clock.advance(std::chrono::milliseconds(1));
  EXPECT_FALSE(tokens.verify(token));
}

TEST_F(TokenTest, RotatingKeysLogsNobodyOutUntilTheOldKeyIsDropped) {
  KeyRing ring({kOld});
  TokenSigner signer(ring, clock);
  const std::string before = signer.sign(UserId(7), "42", std::chrono::hours(1));
  ring.replace({kNew, kOld});
  EXPECT_TRUE(signer.verify(before));
  EXPECT_TRUE(signer.verify(signer.sign(UserId(7), "42", std::chrono::hours(1))));
  ring.replace({kNew});
  EXPECT_FALSE(signer.verify(before));
}

TEST_F(TokenTest, ATokenWithoutKidIsCheckedOnlyAgainstTheKeyWithoutKid) {
  const std::string go = forge(R"({"alg":"HS256","typ":"JWT"})",
                               fmt::format(R"({{"user_id":7,"sub":"7","exp":{}}})", exp()), kGo);
  EXPECT_FALSE(tokens.verify(go));
  KeyRing mixed({kNew, kGo});
  TokenSigner signer(mixed, clock);
  const auto claims = signer.verify(go);
  ASSERT_TRUE(claims) << claims.error().detail;
  EXPECT_EQ(claims->session, "");
  EXPECT_FALSE(signer.verify(forge(R"({"alg":"HS256"})", this->claims(), kNew)));
  EXPECT_FALSE(signer.verify(forge(R"({"alg":"HS256","kid":""})", this->claims(), kGo)))
      << "an empty kid is not an absent one";
}

TEST_F(TokenTest, HostileTokensAreRefused) {
  const std::string good = forge(kHeader, claims());
  ASSERT_TRUE(tokens.verify(good)) << tokens.verify(good).error().detail;
  const auto dot1 = good.find('.');
  const auto dot2 = good.rfind('.');
  const std::string head = good.substr(0, dot1), body = good.substr(dot1 + 1, dot2 - dot1 - 1),
                    sig = good.substr(dot2 + 1);
  const auto with_header = [&](std::string_view h) { return forge(h, claims()); };
  const auto with_claims = [&](std::string c) { return forge(kHeader, c); };
  std::string flipped = good;
  flipped[dot1 + 3] = flipped[dot1 + 3] == 'A' ? 'B' : 'A';
  // The last character of a 32-byte signature has two bits that no byte uses: another spelling of
  // the same bytes.
  std::string respelled = good;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  respelled.back() = kAlphabet[kAlphabet.find(respelled.back()) + 1];
  unsigned char sha512[EVP_MAX_MD_SIZE];
  unsigned sha512_size = 0;
  const std::string input512 =
      base64url_encode(R"({"alg":"HS512","typ":"JWT","kid":"k2"})") + "." + body;
  HMAC(EVP_sha512(), kNew.secret.data(), static_cast<int>(kNew.secret.size()),
       reinterpret_cast<const unsigned char*>(input512.data()), input512.size(), sha512,
       &sha512_size);

  const std::vector<std::pair<std::string, std::string>> hostile{
      {"empty", ""},
      {"one dot", "."},
      {"two dots", ".."},
      {"three dots", "..."},
      {"garbage", "not a token"},
      {"two parts", head + "." + body},
      {"four parts", good + ".x"},
      {"no signature", head + "." + body + "."},
      {"no claims", head + ".." + sig},
      {"no header", "." + body + "." + sig},
      {"claims altered", flipped},
      {"signature cut", good.substr(0, good.size() - 2)},
      {"signature longer", good + "AA"},
      {"signature respelled", respelled},
      {"signature padded", good + "="},
      {"leading space", " " + good},
      {"trailing newline", good + "\n"},
      {"trailing NUL", good + std::string(1, '\0')},
      {"standard base64", head + "." + body + "." + std::string(42, '+') + "A"},
      {"signature of another token",
       head + "." +
           base64url_encode(fmt::format(R"({{"user_id":1,"sub":"1","sid":"1","exp":{}}})", exp())) +
           "." + sig},
      {"oversized", forge(kHeader, fmt::format(R"({{"user_id":7,"sid":"42","exp":{},"x":"{}"}})",
                                               exp(), std::string(5000, 'x')))},
      {"alg none", base64url_encode(R"({"alg":"none","typ":"JWT","kid":"k2"})") + "." + body + "."},
      {"alg none signed", with_header(R"({"alg":"none","typ":"JWT","kid":"k2"})")},
      {"alg nOnE", with_header(R"({"alg":"nOnE","kid":"k2"})")},
      {"alg missing", with_header(R"({"typ":"JWT","kid":"k2"})")},
      {"alg null", with_header(R"({"alg":null,"kid":"k2"})")},
      {"alg number", with_header(R"({"alg":256,"kid":"k2"})")},
      {"alg lower case", with_header(R"({"alg":"hs256","kid":"k2"})")},
      {"alg HS384", with_header(R"({"alg":"HS384","kid":"k2"})")},
      {"alg HS512 rightly signed",
       input512 + "." + base64url_encode({reinterpret_cast<const char*>(sha512), sha512_size})},
      {"alg RS256", with_header(R"({"alg":"RS256","kid":"k2"})")},
      {"alg ES256", with_header(R"({"alg":"ES256","kid":"k2"})")},
      {"alg twice", with_header(R"({"alg":"none","alg":"HS256","kid":"k2"})")},
      {"alg twice, other order", with_header(R"({"alg":"HS256","kid":"k2","alg":"none"})")},
      {"alg in disguise", with_header(R"({"\u0061lg":"none","alg":"HS256","kid":"k2"})")},
      {"kid twice", with_header(R"({"alg":"HS256","kid":"k1","kid":"k2"})")},
      {"kid unknown", with_header(R"({"alg":"HS256","kid":"k9"})")},
      {"kid of another key", with_header(R"({"alg":"HS256","kid":"k1"})")},
      {"kid empty", with_header(R"({"alg":"HS256","kid":""})")},
      {"kid number", with_header(R"({"alg":"HS256","kid":2})")},
      {"kid path", with_header(R"({"alg":"HS256","kid":"../../dev/null"})")},
      {"kid SQL", with_header(R"({"alg":"HS256","kid":"k2' OR '1'='1"})")},
      {"kid missing", with_header(R"({"alg":"HS256","typ":"JWT"})")},
      {"empty-secret HMAC", forge(kHeader, claims(), Key{"", ""})},
      {"typ JWE", with_header(R"({"alg":"HS256","typ":"JWE","kid":"k2"})")},
      {"crit", with_header(R"({"alg":"HS256","kid":"k2","crit":["exp"]})")},
      {"jwk", with_header(R"({"alg":"HS256","kid":"k2","jwk":{"kty":"oct","k":"AA"}})")},
      {"jku", with_header(R"({"alg":"HS256","kid":"k2","jku":"http://127.0.0.1/k"})")},
      {"header is an array", with_header(R"(["HS256"])")},
      {"header with a tail", with_header(R"({"alg":"HS256","kid":"k2"}{})")},
      {"header open", with_header(R"({"alg":"HS256","kid":"k2")")},
      {"claims are an array", with_claims("[]")},
      {"claims are empty", with_claims("{}")},
      {"exp missing", with_claims(R"({"user_id":7,"sub":"7","sid":"42"})")},
      {"exp a second ago",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"42","exp":{}}})",
                               clock.now_ms() / 1000 - 1))},
      {"exp now", with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"42","exp":{}}})",
                                          clock.now_ms() / 1000))},
      {"exp text",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"42","exp":"{}"}})", exp()))},
      {"exp fraction",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"42","exp":{}.5}})", exp()))},
      {"exp exponent", with_claims(R"({"user_id":7,"sub":"7","sid":"42","exp":9e99})")},
      {"exp overflow",
       with_claims(R"({"user_id":7,"sub":"7","sid":"42","exp":9223372036854775807})")},
      {"exp negative", with_claims(R"({"user_id":7,"sub":"7","sid":"42","exp":-1})")},
      {"exp twice",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"42","exp":1,"exp":{}}})", exp()))},
      {"user_id missing", with_claims(fmt::format(R"({{"sub":"7","sid":"42","exp":{}}})", exp()))},
      {"user_id 0",
       with_claims(fmt::format(R"({{"user_id":0,"sub":"0","sid":"42","exp":{}}})", exp()))},
      {"user_id negative",
       with_claims(fmt::format(R"({{"user_id":-7,"sub":"-7","sid":"42","exp":{}}})", exp()))},
      {"user_id text",
       with_claims(fmt::format(R"({{"user_id":"7","sub":"7","sid":"42","exp":{}}})", exp()))},
      {"user_id twice",
       with_claims(
           fmt::format(R"({{"user_id":7,"user_id":1,"sub":"7","sid":"42","exp":{}}})", exp()))},
      {"user_id beyond 53 bits",
       with_claims(fmt::format(
           R"({{"user_id":9007199254740992,"sub":"9007199254740992","sid":"42","exp":{}}})",
           exp()))},
      {"sub of another",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"8","sid":"42","exp":{}}})", exp()))},
      {"sid missing", with_claims(fmt::format(R"({{"user_id":7,"sub":"7","exp":{}}})", exp()))},
      {"sid empty",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"","exp":{}}})", exp()))},
      {"sid number",
       with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":42,"exp":{}}})", exp()))},
      {"sid long", with_claims(fmt::format(R"({{"user_id":7,"sub":"7","sid":"{}","exp":{}}})",
                                           std::string(65, '4'), exp()))},
  };
  ASSERT_GE(hostile.size(), 60U);
  std::set<std::string> names;
  for (const auto& [name, token] : hostile) {
    EXPECT_TRUE(names.insert(name).second) << name;
    const auto claims = tokens.verify(token);
    ASSERT_FALSE(claims) << name;
    EXPECT_EQ(claims.error().code, Errc::unauthenticated) << name;
    EXPECT_EQ(claims.error().token, "invalid_token") << name;
  }
}

TEST_F(TokenTest, EveryPrefixAndEverySingleBitFlipOfATokenIsRefused) {
  const std::string good = tokens.sign(UserId(7), "42", std::chrono::hours(1));
  for (std::size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(tokens.verify(good.substr(0, n))) << n;
  for (std::size_t n = 0; n < good.size(); ++n)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[n] = static_cast<char>(bad[n] ^ (1 << bit));
      EXPECT_FALSE(tokens.verify(bad)) << n << ' ' << bit;
    }
}

TEST_F(TokenTest, KeysMayBeReplacedWhileOthersVerify) {
  const std::string token = tokens.sign(UserId(7), "42", std::chrono::hours(1));
  std::jthread rotating([&](std::stop_token stop) {
    while (!stop.stop_requested()) {
      keys.replace({kOld, kNew});
      keys.replace({kNew});
    }
  });
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(tokens.verify(token));
}

TEST(KeyRing, RefusesKeysThatAreNotSafe) {
  EXPECT_FALSE(KeyRing::validate({}));
  EXPECT_FALSE(KeyRing::validate({{"k", "short"}}));
  EXPECT_FALSE(KeyRing::validate({kNew, kNew}));
  EXPECT_FALSE(KeyRing::validate({{"a kid", kNew.secret}}));
  EXPECT_TRUE(KeyRing::validate({kNew, kOld, kGo}));
}

TEST(Encoding, Base64urlHasOneTextPerValue) {
  for (std::size_t n = 0; n < 50; ++n) {
    const std::string bytes = random_bytes(n);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
  }
  EXPECT_EQ(base64url_encode("\xFB\xFF\xFE"), "-__-");  // the two letters that differ from base64
  for (std::string_view bad : {"A", "AB=", "AB==", "A+", "A/", "A B", "AB\n", "AAB", "AAAAB"})
    EXPECT_FALSE(base64url_decode(bad)) << bad;
  EXPECT_EQ(hex_encode(std::string("\x00\xff\x1a", 3)), "00ff1a");
}

TEST(Random, OpaqueTokensAre256BitsAndNeverRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string token = random_token();
    EXPECT_EQ(base64url_decode(token)->size(), 32U);
    EXPECT_TRUE(seen.insert(token).second);
  }
  EXPECT_EQ(token_hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2, B.1
}

TEST(FlatJson, ReadsWhatTokensHaveAndNothingElse) {
  const auto object =
      parse_flat_json(" {\"a\" : -12, \"b\":\"x\\\"y\\\\z\\/\",\"c\":true,\"d\":1.5} ");
  ASSERT_TRUE(object);
  EXPECT_EQ(std::get<std::int64_t>(*find_member(*object, "a")), -12);
  EXPECT_EQ(std::get<std::string>(*find_member(*object, "b")), "x\"y\\z/");
  EXPECT_TRUE(std::holds_alternative<Other>(*find_member(*object, "d")));
  for (std::string_view bad :
       {"", "{", "{,}", "{\"a\":1,}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":[]}",
        "{\"a\":{}}", "{\"a\":\"\n\"}", "{\"a\" 1}", "{'a':1}", "{\"a\":tru}", "{\"a\":1} x",
        "{\"a\":\"\\u0041\"}", "{\"a\":-}", "{\"a\":1e}"})
    EXPECT_FALSE(parse_flat_json(bad)) << bad;
}

}  // namespace
}  // namespace sv::auth
