#include "platform/crypto/sha256.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "platform/core/encoding.h"

namespace sv {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 is not available");
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  std::array<char, 32> digest{};
  EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return hex_encode({digest.data(), digest.size()});
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(std::as_bytes(std::span(bytes)));
  return hash.hex();
}

namespace {

constexpr std::size_t kBlock = 64, kDigest = 32;

// The digest of `block` and then `rest`. OpenSSL 3 looks an algorithm up by name whenever it is
// not told which implementation: that took four fifths of an HMAC.
void digest_of(std::span<const unsigned char, kBlock> block, std::string_view rest,
               unsigned char* out) {
  struct Context {
    EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~Context() {
      EVP_MD_CTX_free(context);
      EVP_MD_free(algorithm);
    }
  };
  thread_local const Context c;
  if (EVP_DigestInit_ex2(c.context, c.algorithm, nullptr) != 1 ||
      EVP_DigestUpdate(c.context, block.data(), block.size()) != 1 ||
      EVP_DigestUpdate(c.context, rest.data(), rest.size()) != 1 ||
      EVP_DigestFinal_ex(c.context, out, nullptr) != 1)
    throw std::runtime_error("SHA-256 is not available");
}

}  // namespace

std::string hmac_sha256(std::string_view secret, std::string_view message) {
  std::array<unsigned char, kBlock> key{}, inner{}, outer{};
  if (secret.size() > kBlock) {
    if (EVP_Digest(secret.data(), secret.size(), key.data(), nullptr, EVP_sha256(), nullptr) != 1)
      throw std::runtime_error("SHA-256 is not available");
  } else {
    std::ranges::copy(secret, key.begin());
  }
  for (std::size_t i = 0; i < kBlock; ++i) {
    inner[i] = key[i] ^ 0x36;
    outer[i] = key[i] ^ 0x5c;
  }
  std::string out(kDigest, '\0');
  auto* const digest = reinterpret_cast<unsigned char*>(out.data());
  digest_of(inner, message, digest);
  digest_of(outer, out, digest);
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(inner.data(), inner.size());
  OPENSSL_cleanse(outer.data(), outer.size());
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace sv
