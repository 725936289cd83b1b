#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sv {

// SHA-256 of bytes that come in pieces. One user at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::byte> bytes);
  std::string hex();  // once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);

// RFC 2104, 32 bytes.
std::string hmac_sha256(std::string_view secret, std::string_view message);

// Takes as long for a difference in the first byte as in the last.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace sv
