#include "platform/auth/password.h"

#include <memory>
#include <stdexcept>
#include <unordered_set>

#include <crypt.h>

#include "platform/auth/key_ring.h"
#include "platform/crypto/random.h"
#include "platform/crypto/sha256.h"
#include "platform/text/text.h"

namespace sv::auth {
namespace {

// What people choose first when eight characters are asked for: keyboard walks, digit runs, and the
// words that every leak is full of. Compared after case folding.
const std::unordered_set<std::string_view>& common_passwords() {
  static const std::unordered_set<std::string_view> set{
      "00000000",   "0000000000",  "0123456789",   "01234567",   "11111111",      "1111111111",
      "11112222",   "11223344",    "12121212",     "123123123",  "1231231234",    "12312312",
      "123321123",  "12341234",    "123454321",    "1234554321", "12345678",      "123456789",
      "1234567890", "12345678910", "123456123",    "1234qwer",   "1234abcd",      "123abc123",
      "123qwe123",  "123qweasd",   "147258369",    "159357456",  "1q2w3e4r",      "1q2w3e4r5t",
      "1qaz2wsx",   "1qazxsw2",    "1qaz2wsx3edc", "20202020",   "22222222",      "23456789",
      "31415926",   "33333333",    "52013141",     "5201314520", "5201314a",      "55555555",
      "66666666",   "666666666",   "66668888",     "77777777",   "78945612",      "789456123",
      "87654321",   "88888888",    "888888888",    "98765432",   "987654321",     "9876543210",
      "99999999",   "999999999",   "a1234567",     "a12345678",  "a123456789",    "aa123456",
      "aa12345678", "aaaaaaaa",    "aaaa1111",     "abc12345",   "abc123456",     "abcd1234",
      "abcdefgh",   "abcdefg1",    "admin123",     "admin1234",  "administrator", "asd123456",
      "asdasdasd",  "asdf1234",    "asdfasdf",     "asdfghjk",   "asdfghjkl",     "baseball",
      "basketball", "changeme",    "charlie1",     "computer",   "dearbook",      "dragon123",
      "facebook",   "football",    "football1",    "fuckyou1",   "google123",     "hello123",
      "helloworld", "iloveyou",    "iloveyou1",    "internet",   "jennifer",      "jordan23",
      "letmein1",   "letmein123",  "liverpool",    "login123",   "lovelove",      "master123",
      "michael1",   "michelle",    "monkey123",    "p@ssw0rd",   "p@ssword",      "passw0rd",
      "password",   "password!",   "password1",    "password12", "password123",   "password1234",
      "pokemon1",   "princess",    "princess1",    "q1w2e3r4",   "q1w2e3r4t5",    "qazwsxedc",
      "qq123456",   "qweasdzxc",   "qwer1234",     "qwerasdf",   "qwert123",      "qwerty12",
      "qwerty123",  "qwerty1234",  "qwertyui",     "qwertyuiop", "root1234",      "samantha",
      "secret123",  "starwars",    "sunshine",     "sunshine1",  "superman",      "test1234",
      "test12345",  "testtest",    "trustno1",     "victoria",   "welcome1",      "welcome123",
      "whatever",   "woaini123",   "woaini1314",   "woaini520",  "zaq12wsx",      "zxcvbnm1",
      "zxcvbnm123", "zxcvbnmm"};
  return set;
}

// Empty on failure.
std::string crypt_text(const std::string& password, const std::string& setting) {
  const auto data =
      std::make_unique<crypt_data>();  // 32 KiB: not for a coroutine's or pool's stack
  const char* out =
      crypt_rn(password.c_str(), setting.c_str(), data.get(), static_cast<int>(sizeof(crypt_data)));
  return out == nullptr ? std::string() : std::string(out);
}

bool is_bcrypt(std::string_view hash) { return hash.size() == 60 && hash.starts_with("$2b$"); }

bool can_be_hashed(std::string_view password) {
  return password.size() <= kMaxPasswordBytes && password.find('\0') == std::string_view::npos;
}

}  // namespace

Result<> check_new_password(std::string_view field, std::string_view password) {
  if (password.empty()) return invalid(field, "required");
  if (password.size() < kMinPasswordBytes) return invalid(field, "too_short");
  if (password.size() > kMaxPasswordBytes) return invalid(field, "too_long");
  if (password.find('\0') != std::string_view::npos)
    return invalid(field, "invalid", "NUL in a password");
  if (common_passwords().contains(fold_text(password))) {
    Error error{.code = Errc::invalid_argument,
                .token = "password_common",
                .field = std::string(field),
                .detail = {}};
    return std::unexpected(std::move(error));
  }
  return {};
}

std::string hash_password(const std::string& password, int cost) {
  if (cost < kMinBcryptCost || cost > kMaxBcryptCost)
    throw std::runtime_error("bcrypt cost is out of range");
  if (!can_be_hashed(password)) throw std::runtime_error("password cannot be hashed");
  const std::string seed = random_bytes(16);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (crypt_gensalt_rn("$2b$", static_cast<unsigned long>(cost), seed.data(),
                       static_cast<int>(seed.size()), setting, sizeof setting) == nullptr)
    throw std::runtime_error("libxcrypt makes no bcrypt salt");
  std::string hash = crypt_text(password, setting);
  if (!is_bcrypt(hash)) throw std::runtime_error("libxcrypt makes no bcrypt hash");
  return hash;
}

bool verify_password(const std::string& password, const std::string& hash) {
  if (!is_bcrypt(hash)) return false;
  // One that cannot be the password costs the same time as a wrong one.
  const bool possible = can_be_hashed(password);
  const std::string again = crypt_text(possible ? password : std::string("impossible"), hash);
  return equal_constant_time(again, hash) && possible;
}

std::string dummy_hash(int cost) {
  return fmt::format("$2b${:02}$", cost) + std::string(22, 'u') + std::string(31, '.');
}

}  // namespace sv::auth
