#pragma once

#include <array>
#include <string_view>

namespace sv {

// What Redis does in one step. Each has one key, so that it runs on one node of a cluster.

// KEYS[1] bits, milliseconds. The bits fit in 31.
inline constexpr std::string_view kAddBits = R"lua(
local bits = bit.bor(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%d', bits), 'PX', ARGV[2])
return bits)lua";

// KEYS[1] tokens a second, burst, cost → whether it had them, tokens left, ms until it has, ms
// until it is full. Time is the server's. A bucket that is not there is full.
inline constexpr std::string_view kTake = R"lua(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if bucket[1] then
  tokens = math.min(burst, bucket[1] + math.max(0, now - bucket[2]) / 1000000 * rate)
end
local wanted, allowed, wait = math.max(cost, 1), 0, 0
if tokens >= wanted then
  allowed = 1
  tokens = tokens - cost
else
  wait = math.ceil(math.min((wanted - tokens) / rate, 1e9) * 1000)
end
local full = math.ceil(math.min((burst - tokens) / rate, 1e9) * 1000)
if cost > 0 then
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], full + 1000)
end
return {allowed, math.floor(tokens), wait, full})lua";

// KEYS[1] revision in 20 digits, value, milliseconds → whether it is there now (redis_cache.cc says
// how it is stored).
inline constexpr std::string_view kSetIfNewer = R"lua(
local there = string.match(redis.call('GET', KEYS[1]) or '', '^\1(%d+):')
if there and there >= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], '\1' .. ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
return 1)lua";

enum class RedisScript : unsigned char { add_bits, take, set_if_newer };
inline constexpr std::array<std::string_view, 3> kRedisScripts{kAddBits, kTake, kSetIfNewer};

}  // namespace sv
