#include "platform/net/uri.h"

#include <charconv>
#include <cstdint>

#include "platform/core/utf8.h"

namespace sv::net {
namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus : bool { stays, is_space };

std::optional<std::string> decode(std::string_view s, Plus plus) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    char c = s[i];
    if (c == '%') {
      bool whole = s.size() - i > 2;
      int high = whole ? hex(s[i + 1]) : -1;
      int low = whole ? hex(s[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::is_space) {
      c = ' ';
    }
    if (c == '\0') return std::nullopt;
    out.push_back(c);
  }
  if (!utf8_length(out)) return std::nullopt;
  return out;
}

}  // namespace

std::optional<std::string> decode_path(std::string_view s) { return decode(s, Plus::stays); }

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(
    std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (pair.empty()) continue;
    std::size_t equals = pair.find('=');
    auto name = decode(pair.substr(0, equals), Plus::is_space);
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : decode(pair.substr(equals + 1), Plus::is_space);
    if (!name || !value) return std::nullopt;
    pairs.emplace_back(std::move(*name), std::move(*value));
  }
  return pairs;
}

Result<Authority> parse_authority(std::string_view text, std::string_view port) {
  Authority out{.host = {}, .port = std::string(port)};
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos && !text.ends_with(']')) {
    out.port = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  out.host = text;
  std::uint16_t number = 0;
  const auto [end, ec] =
      std::from_chars(out.port.data(), out.port.data() + out.port.size(), number);
  if (ec != std::errc{} || end != out.port.data() + out.port.size() || number == 0)
    return fail(Errc::invalid_argument, {}, "a port is not a number");
  if (out.host.empty()) return fail(Errc::invalid_argument, {}, "no host is named");
  return out;
}

}  // namespace sv::net
