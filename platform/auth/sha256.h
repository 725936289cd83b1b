#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace sv::auth {

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

}  // namespace sv::auth
