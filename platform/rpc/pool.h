#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "platform/core/metrics.h"
#include "platform/core/task_group.h"
#include "platform/ports/registry.h"
#include "platform/rpc/breaker.h"
#include "platform/rpc/channel.h"
#include "platform/rpc/client.h"
#include "platform/rpc/connection.h"

namespace sv::rpc {

// What the loops of the process know together of a service's instance.
struct Health {
  Health(std::string s, std::string a) : service(std::move(s)), address(std::move(a)) {}
  const std::string service, address;
  std::atomic<bool> down{false};  // nobody is to call it: who set this looks until it is back
};

enum class Kind : unsigned char { unknown, ours, foreign };

// One instance, as one loop sees it.
struct Peer {
  Peer(std::shared_ptr<Health> h, const asio::any_io_executor& executor)
      : health(std::move(h)), opened(executor, FrameStream::Steady::time_point::max()) {}
  const std::shared_ptr<Health> health;
  std::uint64_t hash = 0;  // of the address
  int weight = 10;
  Kind kind = Kind::unknown;
  FrameStream::Steady::time_point asked{};  // when it said that it is foreign
  bool opening = false;
  asio::steady_timer opened;  // cancelled when a connection has been opened, or has not
  std::vector<std::shared_ptr<Connection>> connections;
  std::map<std::string, Breaker, std::less<>> breakers;  // by method
  std::size_t outstanding = 0;
};

struct ServiceMetrics {
  metrics::Counter* answered = nullptr;
  metrics::Counter* failed = nullptr;
};

// A service's instances, as one loop sees them.
struct Peers {
  Instances known;
  std::map<std::string, std::shared_ptr<Peer>, std::less<>> by_address;
};

struct Target {
  std::string service;
  const InstanceList& instances;
  ServiceMetrics metrics;
};

// What the pools of a client have together. Thread-safe.
class PoolShare {
 public:
  explicit PoolShare(ClientOptions o) : options(std::move(o)) {}
  std::shared_ptr<Health> health_of(const std::string& service, const std::string& address);

  const ClientOptions options;
  TaskGroup group{"rpc.client"};

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Health>> healths_;
};

// What one loop has of every service. On its loop only.
class Pool {
 public:
  Pool(PoolShare& share, asio::any_io_executor executor)
      : share_(share), executor_(std::move(executor)), ticks_(executor_) {}

  const asio::any_io_executor& executor() const { return executor_; }
  Task<Result<std::string>> call(const Ctx* ctx, Method method, std::string_view payload,
                                 const Target* target);
  void close();

 private:
  std::shared_ptr<Peer> pick(Peers& peers, const Ctx& ctx, std::string_view method,
                             const std::vector<Peer*>& tried);
  void renew(Peers& peers, const Target& target);
  Task<Outcome> call_at(const std::shared_ptr<Peer>& peer, const Ctx& ctx, Method method,
                        std::string_view payload, Deadline deadline);
  // Null: it cannot be reached, or is not what it says.
  Task<std::shared_ptr<Connection>> connection(const std::shared_ptr<Peer>& peer);
  Task<std::shared_ptr<Connection>> open(const std::shared_ptr<Peer>& peer);
  void went_down(const std::shared_ptr<Peer>& peer, std::string_view why);
  Task<> probe(std::shared_ptr<Peer> peer);
  int draw(int below);
  void arm();
  void tick();

  PoolShare& share_;
  const asio::any_io_executor executor_;
  std::map<const Target*, Peers> services_;
  std::vector<std::shared_ptr<Connection>> leaving_;  // of instances that are gone, until they end
  asio::steady_timer ticks_;
  std::uint64_t drawn_ = 0;
  bool armed_ = false, closed_ = false;
};

}  // namespace sv::rpc
