#include "platform/crypto/random.h"

#include <stdexcept>

#include <openssl/rand.h>

#include "platform/core/encoding.h"
#include "platform/crypto/sha256.h"

namespace sv {

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1)
    throw std::runtime_error("the system has no randomness");
  return bytes;
}

std::string random_token() { return base64url_encode(random_bytes(32)); }

std::string token_hash(std::string_view token) { return sha256_hex(token); }

}  // namespace sv
