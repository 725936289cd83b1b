#include "platform/adapters/redis_slots.h"

#include <array>
#include <charconv>

namespace sv {
namespace {

using Kind = RedisReply::Kind;

constexpr std::array<std::uint16_t, 256> kCrc = [] {
  std::array<std::uint16_t, 256> out{};
  for (unsigned i = 0; i < out.size(); ++i) {
    unsigned crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
    out[i] = static_cast<std::uint16_t>(crc);
  }
  return out;
}();

std::string_view hashed_part(std::string_view key) {
  const auto open = key.find('{');
  if (open == std::string_view::npos) return key;
  const auto close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

bool is_slot(const RedisReply& reply) {
  return reply.kind == Kind::number && reply.number >= 0 &&
         reply.number < static_cast<std::int64_t>(kRedisSlots);
}

// One of CLUSTER SLOTS: first, last, [host, port, …] of the master, then of its replicas.
std::optional<RedisRange> range_of(const RedisReply& reply, const RedisAddress& asked) {
  const auto& parts = reply.list;
  if (parts.size() < 3 || !is_slot(parts[0]) || !is_slot(parts[1])) return std::nullopt;
  const auto& node = parts[2].list;
  if (node.size() < 2 || node[1].kind != Kind::number) return std::nullopt;
  RedisRange out{.first = static_cast<std::uint16_t>(parts[0].number),
                 .last = static_cast<std::uint16_t>(parts[1].number),
                 .master = {.host = node[0].text, .port = std::to_string(node[1].number)}};
  if (out.master.host.empty()) out.master.host = asked.host;
  if (out.first > out.last || out.master.host == "?") return std::nullopt;
  return out;
}

}  // namespace

std::uint16_t redis_slot(std::string_view key) {
  unsigned crc = 0;
  for (const char c : hashed_part(key))
    crc = (crc << 8 ^ kCrc[(crc >> 8 ^ static_cast<unsigned char>(c)) & 0xff]) & 0xffff;
  return static_cast<std::uint16_t>(crc % kRedisSlots);
}

std::optional<std::vector<RedisRange>> redis_ranges(const RedisReply& reply,
                                                    const RedisAddress& asked) {
  if (reply.kind != Kind::list || reply.list.empty()) return std::nullopt;
  std::vector<RedisRange> out;
  for (const RedisReply& one : reply.list) {
    auto range = range_of(one, asked);
    if (!range) return std::nullopt;
    out.push_back(std::move(*range));
  }
  return out;
}

// "MOVED 3999 127.0.0.1:6381", and the same with ASK. An IPv6 address stands without brackets.
std::optional<RedisRedirect> redis_redirect(const RedisReply& reply, const RedisAddress& asked) {
  RedisRedirect out{.once = reply.is_error("ASK"), .slot = 0, .to = {}};
  if (!out.once && !reply.is_error("MOVED")) return std::nullopt;
  const std::string_view text = reply.text;
  const std::string_view rest = text.substr(std::min(text.find(' ') + 1, text.size()));
  const auto space = rest.find(' ');
  const auto colon = rest.rfind(':');
  if (space == std::string_view::npos || colon == std::string_view::npos || colon < space)
    return std::nullopt;
  const auto [end, ec] = std::from_chars(rest.data(), rest.data() + space, out.slot);
  if (ec != std::errc{} || end != rest.data() + space || out.slot >= kRedisSlots)
    return std::nullopt;
  out.to = {.host = std::string(rest.substr(space + 1, colon - space - 1)),
            .port = std::string(rest.substr(colon + 1))};
  if (out.to.host.empty()) out.to.host = asked.host;
  return out;
}

}  // namespace sv
