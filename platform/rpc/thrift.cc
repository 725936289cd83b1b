#include "platform/rpc/thrift.h"

namespace sv::rpc {
namespace {

// The fewest bytes a value of this type takes; 0 for a type that does not exist.
constexpr std::size_t least_bytes(std::uint8_t type) {
  switch (type) {
    case kBool:
    case kI8:
    case kStruct:
      return 1;
    case kI16:
      return 2;
    case kI32:
    case kString:
      return 4;
    case kI64:
    case kDouble:
      return 8;
    case kSet:
    case kList:
      return 5;
    case kMap:
      return 6;
    default:
      return 0;
  }
}

}  // namespace

bool Reader::next(std::uint32_t& key) {
  auto type = fixed<std::uint8_t>();
  if (!x_ok || type == kStop) return false;
  key = (static_cast<std::uint32_t>(fixed<std::uint16_t>()) << 8) | type;
  return x_ok;
}

std::string_view Reader::text() {
  std::uint32_t n = size(1);
  if (!x_ok) return {};
  std::string_view v(x_at, n);
  x_at += n;
  return v;
}

// A count of things of at least `least` bytes each.
std::uint32_t Reader::size(std::size_t least) {
  auto n = fixed<std::uint32_t>();
  if (n > 0x7fffffff || (n > 0 && least == 0)) fail();
  else if (n > 0 && n > left() / least) fail_short();
  return x_ok ? n : 0;
}

bool Reader::charge(std::uint32_t n, std::size_t memory) {
  if (n == 0) return true;
  if (n > x_budget / memory) {
    fail();
    return false;
  }
  x_budget -= n * memory;
  return true;
}

std::uint32_t Reader::elements(Type want, std::size_t memory) {
  auto type = fixed<std::uint8_t>();
  std::uint32_t n = size(least_bytes(type));
  if (type == want) return charge(n, memory) ? n : 0;
  Nested nested(*this);
  for (; n > 0 && x_ok; --n) skip_value(type);
  return 0;
}

std::uint32_t Reader::pairs(Type key, Type value, std::size_t memory) {
  auto k = fixed<std::uint8_t>();
  auto v = fixed<std::uint8_t>();
  bool known = least_bytes(k) != 0 && least_bytes(v) != 0;
  std::uint32_t n = size(known ? least_bytes(k) + least_bytes(v) : 0);
  if (k == key && v == value) return charge(n, memory) ? n : 0;
  Nested nested(*this);
  for (; n > 0 && x_ok; --n) {
    skip_value(k);
    skip_value(v);
  }
  return 0;
}

void Reader::skip_value(std::uint8_t type) {
  switch (type) {
    case kBool:
    case kI8:
      fixed<std::uint8_t>();
      return;
    case kI16:
      fixed<std::uint16_t>();
      return;
    case kI32:
      fixed<std::uint32_t>();
      return;
    case kI64:
    case kDouble:
      fixed<std::uint64_t>();
      return;
    case kString:
      text();
      return;
    case kStruct: {
      Nested nested(*this);
      for (std::uint32_t key; next(key);) skip(key);
      return;
    }
    case kSet:
    case kList:
      elements(kStop, 0);
      return;
    case kMap:
      pairs(kStop, kStop, 0);
      return;
    default:
      fail();
  }
}

}  // namespace sv::rpc
