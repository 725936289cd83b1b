#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/metrics.h"
#include "platform/ports/cache.h"

namespace sv {

// Who listens to which channel in this process. Thread-safe; subscriptions keep it.
class Subscribers : public std::enable_shared_from_this<Subscribers> {
 public:
  // `changed` is told of a channel with one listener more or less; `count` may be null.
  using Changed = std::function<void(Subscribers&, const std::string& channel)>;
  explicit Subscribers(Changed changed, metrics::Gauge* count = nullptr)
      : changed_(std::move(changed)), count_(count) {}

  std::unique_ptr<Cache::Subscription> add(std::string channel, Cache::Listener listener);
  void heard(std::string_view channel, std::string_view message);
  // The channel is heard from now on, maybe again.
  void begin(std::string_view channel);
  // It has been heard for a while: told to those who came since.
  void begin_late(std::string_view channel);
  std::vector<std::string> channels() const;
  bool empty() const;
  bool has(std::string_view channel) const;

 private:
  struct One;
  class Held;
  using Ones = std::vector<std::shared_ptr<One>>;
  Ones of(std::string_view channel) const;
  void remove(const std::shared_ptr<One>& one);

  mutable std::mutex mutex_;
  std::map<std::string, Ones, std::less<>> channels_;
  const Changed changed_;
  metrics::Gauge* const count_;
};

}  // namespace sv
