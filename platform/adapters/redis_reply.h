#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"

struct redisReader;

namespace sv {

struct RedisReply {
  enum class Kind : unsigned char { nil, text, number, list, error };
  Kind kind = Kind::nil;
  std::string text = {};  // of an error too
  std::int64_t number = 0;
  std::vector<RedisReply> list = {};

  // An error of that code, its first word: "MOVED".
  bool is_error(std::string_view code) const;
};

// A command in Redis' own form. Parts may be any bytes.
std::string redis_command(const std::vector<std::string_view>& parts);
void append_redis_part(std::string& out, std::string_view part);

// Takes replies (RESP2) out of a stream of bytes. What it holds is in proportion to what has come,
// whatever lengths were announced. One user at a time.
class RedisReader {
 public:
  RedisReader();
  ~RedisReader();
  RedisReader(const RedisReader&) = delete;
  RedisReader& operator=(const RedisReader&) = delete;

  void feed(std::string_view bytes);
  // nullopt: it is not whole yet. An error: these are no replies, and the reader is of no more use.
  Result<std::optional<RedisReply>> next();

 private:
  redisReader* const reader_;
};

}  // namespace sv
