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

namespace net {
class TlsAuthority;
}

struct RedisAddress {
  std::string host, port;
  std::string text() const { return host + ":" + port; }
  bool operator==(const RedisAddress&) const = default;
};

struct RedisOptions {
  enum class Shape : unsigned char {
    single,    // the first address
    sentinel,  // the addresses are of sentinels, who know where `master` is
    cluster,   // the addresses are of some nodes, who know the others
  };
  Shape shape = Shape::single;
  std::vector<RedisAddress> addresses{{.host = "127.0.0.1", .port = "6379"}};
  std::string master{}, user{}, password{};
  int database = 0;
  std::string prefix = "sv:";                      // of every key: installations may share a server
  std::shared_ptr<const net::TlsAuthority> tls{};  // null: without TLS
  // Of one question. After it the connection is taken for lost, and nobody is asked for a while:
  // for `pause`, which doubles up to `longest_pause` while there is no answer; a random part of it,
  // so that processes do not return together.
  std::chrono::milliseconds timeout{250}, pause{50}, longest_pause{1000};
  metrics::Registry* metrics = nullptr;
};

// redis://[user:password@]host[:port][/database],
// redis+sentinel://[…@]host[:port],…/master[/database] or redis+cluster://[…@]host[:port],…; each
// with [?prefix=text]. User and password are percent-encoded, and either may be empty. rediss… is
// the same over TLS: the servers show certificates for their names, of the system's authorities or
// of those in [?ca=/file]. An error's detail says what is wrong, without repeating what may be
// secret.
Result<RedisOptions> parse_redis_url(std::string_view url);

// The cache of an installation, on Redis 5 or later (RESP2, docs of redis.io). A loop has a
// connection to each server that it asks; commands of many requests go out together. Every value
// has a time to live; a bucket's ends when it would be full again. `executors`: one single-threaded
// io_context's executor per thread; a call from elsewhere is made on the last, which also hears
// what is published.
std::unique_ptr<Cache> make_redis_cache(RedisOptions options,
                                        std::vector<asio::any_io_executor> executors);

}  // namespace sv
