#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/adapters/redis_cache.h"
#include "platform/adapters/redis_connection.h"
#include "platform/adapters/redis_scripts.h"
#include "platform/core/bell.h"
#include "platform/core/metrics.h"
#include "platform/core/task.h"

namespace sv {

// What all loops' connections of a cache have in common. Thread-safe.
class RedisSite {
 public:
  explicit RedisSite(RedisOptions options);

  // Logged when the server begins to fail, and when it answers again.
  void failed(const std::string& server, const Error& error);
  void answered(const std::string& server);
  void not_answered() const { count(failures_); }
  void reconnected() const { count(reconnects_); }
  metrics::Gauge* subscribers() const { return subscribers_; }

  const RedisOptions options;

 private:
  static void count(metrics::Counter* counter) {
    if (counter) counter->add();
  }
  metrics::Counter *failures_ = nullptr, *reconnects_ = nullptr;
  metrics::Gauge* subscribers_ = nullptr;
  std::mutex mutex_;
  std::set<std::string> failing_;
};

// How long to leave a server alone that does not answer.
class RedisPause {
 public:
  explicit RedisPause(const RedisOptions& options)
      : first_(options.pause), longest_(options.longest_pause), next_(first_) {}

  std::chrono::milliseconds next();  // doubles
  void reset() { next_ = first_; }

 private:
  const std::chrono::milliseconds first_, longest_;
  std::chrono::milliseconds next_;
  std::minstd_rand random_{std::random_device{}()};
};

struct RedisCommand {
  std::string key;    // its slot says which node of a cluster is asked
  std::string bytes;  // of a script: what follows its text or its name
  std::optional<RedisScript> script{};
  std::size_t parts = 0;  // of a script: how many those are
};
RedisCommand redis_script(RedisScript script, std::string key,
                          const std::vector<std::string_view>& arguments);

enum class RedisForm : unsigned char {
  short_,  // scripts by their names
  whole,
};
void append_redis_command(std::string& out, const RedisCommand& command,
                          const RedisConnection& connection, RedisForm form);

// A connection that is known there and has what it needs, or why there is none.
using RedisDialled = Result<std::shared_ptr<RedisConnection>>;
Task<RedisDialled> dial_redis(std::shared_ptr<const RedisSite> site, asio::any_io_executor executor,
                              RedisAddress address);
// To the one that the sentinels call the master, and that says so itself.
Task<RedisDialled> dial_master(std::shared_ptr<const RedisSite> site,
                               asio::any_io_executor executor);

// A loop's connection to one server, made when it is needed, and again when it is lost. On its loop
// only.
class RedisLink : public std::enable_shared_from_this<RedisLink> {
 public:
  using Dial = std::function<Task<RedisDialled>()>;
  RedisLink(std::shared_ptr<RedisSite> site, asio::any_io_executor executor, std::string server,
            Dial dial);

  // At once when there is one, or none shall be made yet.
  Task<RedisDialled> connection();
  // What it said to a question that has failed or not.
  void heard(const std::shared_ptr<RedisConnection>& connection,
             const RedisConnection::Answers& answers);
  void close();
  const std::string& server() const { return server_; }

 private:
  void start_dialling();
  void take(RedisDialled dialled);
  void leave_alone(const Error& why);

  const std::shared_ptr<RedisSite> site_;
  const asio::any_io_executor executor_;
  const std::string server_;
  const Dial dial_;
  std::shared_ptr<RedisConnection> connection_;
  RedisPause pause_;
  Error why_;  // it is left alone
  std::chrono::steady_clock::time_point not_before_{};
  bool dialling_ = false, had_one_ = false;
  Bell dialled_;
};

// The servers as one loop sees them. On its loop only; lives as long as what it is asked.
class RedisServers {
 public:
  virtual ~RedisServers() = default;
  // A reply for each command, in their order; errors of single commands are replies.
  virtual Task<RedisConnection::Answers> ask(std::vector<RedisCommand> commands) = 0;
  // One more connection, to a server that what is published goes through.
  virtual Task<RedisDialled> dial() = 0;
};
std::shared_ptr<RedisServers> make_redis_servers(std::shared_ptr<RedisSite> site,
                                                 asio::any_io_executor executor);
std::shared_ptr<RedisServers> make_redis_cluster(std::shared_ptr<RedisSite> site,
                                                 asio::any_io_executor executor);

}  // namespace sv
