#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/adapters/redis_cache.h"
#include "platform/adapters/redis_reply.h"

// What a Redis Cluster says about where keys are (Redis Cluster specification, redis.io).
namespace sv {

inline constexpr std::size_t kRedisSlots = 16'384;

// CRC16 (XMODEM) of the key, or of what stands between its first { and the } behind it, if
// anything does.
std::uint16_t redis_slot(std::string_view key);

struct RedisRange {
  std::uint16_t first = 0, last = 0;
  RedisAddress master;
};
// The answer of `asked` to CLUSTER SLOTS; an address without a host is its own. nullopt: it is not
// one.
std::optional<std::vector<RedisRange>> redis_ranges(const RedisReply& reply,
                                                    const RedisAddress& asked);

struct RedisRedirect {
  bool once = false;  // ASK: for this command only, and told to the server there
  std::uint16_t slot = 0;
  RedisAddress to;
};
std::optional<RedisRedirect> redis_redirect(const RedisReply& reply, const RedisAddress& asked);

}  // namespace sv
