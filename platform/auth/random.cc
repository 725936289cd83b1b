#include "platform/auth/random.h"

#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "platform/auth/encoding.h"

namespace sv::auth {

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
    throw std::runtime_error("the system has no randomness");
  return bytes;
}

std::string random_token() { return base64url_encode(random_bytes(32)); }

std::string token_hash(std::string_view token) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(token.data(), token.size(), digest, &size, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 is not available");
  return hex_encode({reinterpret_cast<const char*>(digest), size});
}

}  // namespace sv::auth
