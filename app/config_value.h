#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "app/config.h"

// How the values of configuration keys are written. Each gives nullopt for what is not one.
namespace sv::setting {

// A value on its way in: text from the environment, --set or a YAML scalar; or a YAML node for
// lists and maps.
struct Input {
  std::string origin;  // "config.yaml", "the environment", "--set"
  std::string text;
  YAML::Node node;  // undefined for text
};

template <class T>
std::optional<T> number(std::string_view s) {
  T v{};
  auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if (r.ec != std::errc{} || r.ptr != s.data() + s.size()) return std::nullopt;
  return v;
}

std::optional<std::chrono::seconds> duration(std::string_view s);  // 90, 90s, 15m, 24h, 30d
std::optional<std::int64_t> bytes(std::string_view s);             // 1048576, 512K, 4G, 4GiB
std::optional<bool> boolean(std::string_view s);
// The environment and --set take what a file takes, [a, "b"], and with fewer keys to press a or
// a,b.
std::optional<std::vector<std::string>> list(const Input& in);
std::optional<std::vector<Config::AuthKey>> auth_keys(const Input& in);

}  // namespace sv::setting
