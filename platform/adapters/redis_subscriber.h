#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "platform/adapters/redis_servers.h"
#include "platform/adapters/subscribers.h"

namespace sv {

// Hears what is published, on a connection of its own that exists while somebody listens.
// Everything happens on its loop, but for what is said otherwise. The cache is destroyed when the
// loops have ended (app/server.cc): what runs here is in no task group that would have to be
// joined, and keeps what it uses.
class RedisSubscriber : public std::enable_shared_from_this<RedisSubscriber> {
 public:
  static std::shared_ptr<RedisSubscriber> make(std::shared_ptr<RedisSite> site,
                                               asio::any_io_executor executor,
                                               std::shared_ptr<RedisServers> servers);
  RedisSubscriber(std::shared_ptr<RedisSite> site, asio::any_io_executor executor,
                  std::shared_ptr<RedisServers> servers);

  // From any thread.
  std::unique_ptr<Cache::Subscription> add(std::string channel, Cache::Listener listener);
  std::string wire_name(std::string_view channel) const { return prefix_ + std::string(channel); }
  void stop() { stopping_ = true; }  // a little later

 private:
  // Of a channel on this connection.
  enum class State : unsigned char { asked, heard };

  void changed(const std::string& channel);
  void begin();
  static Task<> run(std::shared_ptr<RedisSubscriber> self);
  Task<Result<>> listen();
  void ask_for(const std::string& channel);
  void take(RedisReply reply);
  Task<> sleep(std::chrono::milliseconds time);

  const std::shared_ptr<RedisSite> site_;
  const asio::any_io_executor executor_;
  const std::shared_ptr<RedisServers> servers_;
  const std::string prefix_;  // channels are the server's, whichever database one has chosen
  std::shared_ptr<Subscribers> subscribers_;
  std::shared_ptr<RedisConnection> connection_;
  std::map<std::string, State, std::less<>> channels_;
  RedisPause pause_;
  asio::steady_timer timer_;
  bool running_ = false, silent_ = false, had_one_ = false;
  std::atomic<bool> stopping_{false};
};

}  // namespace sv
