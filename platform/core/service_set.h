#pragma once

#include <cstdint>
#include <initializer_list>

namespace sv {

enum class Service : unsigned char {
  user,
  video,
  social,
  interaction,
  message,
  live,
  danmu,
  recommend
};

class ServiceSet {
 public:
  constexpr ServiceSet() = default;
  constexpr ServiceSet(std::initializer_list<Service> services) {
    for (Service service : services) bits_ |= bit(service);
  }
  static constexpr ServiceSet all() { return from_bits(0xFF); }
  static constexpr ServiceSet from_bits(std::uint64_t bits) {
    ServiceSet out;
    out.bits_ = static_cast<std::uint8_t>(bits);
    return out;
  }

  constexpr std::uint64_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool contains(Service service) const { return (bits_ & bit(service)) != 0; }
  constexpr bool operator==(const ServiceSet&) const = default;

 private:
  static constexpr std::uint8_t bit(Service service) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(service));
  }
  std::uint8_t bits_ = 0;
};

}  // namespace sv
