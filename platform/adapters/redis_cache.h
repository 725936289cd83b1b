#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/error.h"
#include "platform/core/metrics.h"
#include "platform/ports/cache.h"

namespace sv {

struct RedisOptions {
  std::string host = "127.0.0.1", port = "6379", user = {}, password = {};
  int database = 0;
  std::string prefix = "sv:";  // of every key: installations may share a server
  // Of one question. After it the connection is taken for lost, and for `pause` nobody is asked.
  std::chrono::milliseconds timeout{250}, pause{250};
  metrics::Registry* metrics = nullptr;
};

// "redis://[user:password@]host[:port][/database][?prefix=text]"; an error's detail says what is
// wrong.
Result<RedisOptions> parse_redis_url(std::string_view url);

// The cache of an installation, on Redis 5 or later (RESP2, docs of redis.io). A connection a loop;
// commands of many requests go out together. Every value has a time to live; a bucket's ends when
// it would be full again. `executors`: one single-threaded io_context's executor per thread; a call
// from elsewhere is made on the last.
std::unique_ptr<Cache> make_redis_cache(RedisOptions options,
                                        std::vector<asio::any_io_executor> executors);

}  // namespace sv
