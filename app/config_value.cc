#include "app/config_value.h"

#include <algorithm>
#include <span>

namespace sv::setting {
namespace {

struct Unit {
  char letter;
  std::int64_t size;
};
constexpr Unit kDurations[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}};
constexpr Unit kSizes[] = {{'K', 1LL << 10}, {'M', 1LL << 20}, {'G', 1LL << 30}, {'T', 1LL << 40}};
constexpr std::int64_t kLongest = 36'500LL * 86'400, kLargest = 1LL << 50;

// A whole number with or without a unit, from 0 to `most`.
std::optional<std::int64_t> scaled(std::string_view s, std::span<const Unit> units,
                                   std::int64_t most) {
  std::int64_t size = 1;
  const auto unit =
      std::ranges::find_if(units, [&](const Unit& u) { return s.ends_with(u.letter); });
  if (unit != units.end()) {
    size = unit->size;
    s.remove_suffix(1);
  }
  const auto n = number<std::int64_t>(s);
  if (!n || *n < 0 || *n > most / size) return std::nullopt;
  return *n * size;
}

// One YAML value and nothing after it.
std::optional<YAML::Node> yaml(const std::string& text) {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) return std::nullopt;
    return documents.empty() ? YAML::Node() : documents.front();
  } catch (const YAML::Exception&) { return std::nullopt; }
}

std::optional<YAML::Node> list_node(const Input& in) {
  if (in.node) return in.node;
  const std::size_t first = std::min(in.text.find_first_not_of(' '), in.text.size());
  const std::string_view start = std::string_view(in.text).substr(first, 1);
  if (start == "\"" || start == "'") return yaml("[" + in.text + "]");
  if (start == "[" || start == "{") return yaml(in.text);
  return YAML::Node(in.text);
}

}  // namespace

std::optional<std::chrono::seconds> duration(std::string_view s) {
  const auto n = scaled(s, kDurations, kLongest);
  if (!n) return std::nullopt;
  return std::chrono::seconds(*n);
}

std::optional<std::int64_t> bytes(std::string_view s) {
  if (s.ends_with("iB")) s.remove_suffix(2);
  return scaled(s, kSizes, kLargest);
}

std::optional<bool> boolean(std::string_view s) {
  if (s == "true" || s == "1" || s == "on" || s == "yes") return true;
  if (s == "false" || s == "0" || s == "off" || s == "no") return false;
  return std::nullopt;
}

std::optional<std::vector<std::string>> list(const Input& in) {
  std::vector<std::string> out;
  const std::optional<YAML::Node> node = list_node(in);
  if (!node) return std::nullopt;
  if (node->IsSequence()) {
    for (const auto& item : *node) {
      if (!item.IsScalar()) return std::nullopt;
      out.push_back(item.Scalar());
    }
    return out;
  }
  if (!node->IsScalar() && !node->IsNull()) return std::nullopt;
  for (std::size_t at = 0; at < in.text.size();) {
    std::size_t comma = std::min(in.text.find(',', at), in.text.size());
    std::string item = in.text.substr(at, comma - at);
    item.erase(0, item.find_first_not_of(' '));
    item.erase(item.find_last_not_of(' ') + 1);
    if (!item.empty()) out.push_back(std::move(item));
    at = comma + 1;
  }
  return out;
}

std::optional<std::vector<Config::AuthKey>> auth_keys(const Input& in) {
  const std::optional<YAML::Node> node = in.node ? in.node : yaml(in.text);
  if (!node) return std::nullopt;
  std::vector<Config::AuthKey> out;
  if (node->IsNull()) return out;
  if (!node->IsSequence()) return std::nullopt;
  for (const auto& item : *node) {
    if (!item.IsMap() || !item["kid"] || !item["secret"] || !item["kid"].IsScalar() ||
        !item["secret"].IsScalar())
      return std::nullopt;
    out.push_back({item["kid"].Scalar(), item["secret"].Scalar()});
  }
  return out;
}

}  // namespace sv::setting
