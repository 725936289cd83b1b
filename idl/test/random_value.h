#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>
#include "platform/core/flat_map.h"

#include "platform/core/ids.h"
#include "platform/core/text.h"

namespace sv::test {

// Fills structs with random values, extremes and empty ones among them. Texts are UTF-8 without
// NUL.
class Random {
 public:
  explicit Random(std::uint64_t seed) : x_rng(seed) {}

  std::uint64_t next() { return x_rng(); }
  void fill(bool& v) { v = next() % 2 == 0; }
  void fill(std::int8_t& v) { v = static_cast<std::int8_t>(number()); }
  void fill(std::int16_t& v) { v = static_cast<std::int16_t>(number()); }
  void fill(std::int32_t& v) { v = static_cast<std::int32_t>(number()); }
  void fill(std::int64_t& v) { v = static_cast<std::int64_t>(number()); }
  void fill(double& v) { v = static_cast<double>(static_cast<std::int64_t>(next())) / 1e9; }
  void fill(std::string& v) {
    static const char* const kPieces[] = {"a",    "Z9", " ",    "\"", "\\",  "\n",
                                          "\x1f", "é",  "视频", "🎬", "<b>", "0123456789abcdef"};
    v.clear();
    for (std::uint64_t n = next() % 12; n > 0; --n) v += kPieces[next() % std::size(kPieces)];
  }
  void fill(Text& v) { v = make<std::string>(); }
  template <class Tag>
  void fill(StrongId<Tag>& v) {
    v.value = static_cast<std::int64_t>(next() >> 11);
  }
  template <class T>
  void fill(std::optional<T>& v) {
    v.reset();
    if (next() % 2 == 0) fill(v.emplace());
  }
  template <class T>
  void fill(std::vector<T>& v) {
    v.clear();
    for (std::uint64_t n = next() % 4; n > 0; --n) v.push_back(make<T>());
  }
  template <class T>
  void fill(std::set<T>& v) {
    v.clear();
    for (std::uint64_t n = next() % 4; n > 0; --n) v.insert(make<T>());
  }
  template <class K, class V>
  void fill(FlatMap<K, V>& v) {
    v.clear();
    for (std::uint64_t n = next() % 4; n > 0; --n) v[make<K>()] = make<V>();
  }
  template <class T>
  void fill(T& v) {
    randomize(*this, v);
  }
  template <class T>
  T make() {
    T v{};
    fill(v);
    return v;
  }

 private:
  std::uint64_t number() {
    switch (next() % 4) {
      case 0:
        return next() % 3;
      case 1:
        return std::uint64_t{1} << (next() % 64);
      case 2:
        return ~(std::uint64_t{1} << (next() % 64));
      default:
        return next();
    }
  }
  std::mt19937_64 x_rng;
};

}  // namespace sv::test
