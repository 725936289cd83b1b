#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/adapters/redis_cache.h"
#include "platform/core/task.h"

struct redisReader;
struct redisReply;

namespace sv {

struct RedisReply {
  enum class Kind : unsigned char { nil, text, number, list, error };
  Kind kind = Kind::nil;
  std::string text;  // of an error too
  std::int64_t number = 0;
  std::vector<RedisReply> list;
};

// A command in Redis' own form. Parts may be any bytes.
std::string redis_command(const std::vector<std::string_view>& parts);

// One connection and its answers, which come in the order of the commands. On its loop only.
class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  RedisConnection(asio::any_io_executor executor, const RedisOptions& options);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Connects, says who it is and which database it means.
  Task<Result<>> open();
  // `unavailable` when the answer did not come: the connection is closed then.
  Task<Result<std::vector<RedisReply>>> ask(std::string commands, std::size_t answers);
  bool is_open() const { return open_; }
  void close();

 private:
  using Answers = Result<std::vector<RedisReply>>;
  struct Waiting {
    std::size_t wanted;
    std::chrono::steady_clock::time_point deadline;
    std::move_only_function<void(Answers)> done;
    std::vector<RedisReply> answers{};
  };
  void flush_soon();  // what many requests ask goes out together
  void flush();
  void read();
  void take_in(std::size_t got);
  void watch();

  const RedisOptions& options_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  redisReader* const reader_;
  std::string out_;
  std::size_t sent_ = 0;
  std::vector<char> in_;
  std::deque<Waiting> waiting_;
  bool open_ = false, writing_ = false, watching_ = false, flush_posted_ = false;
};

}  // namespace sv
