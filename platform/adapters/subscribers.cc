#include "platform/adapters/subscribers.h"

#include <utility>

namespace sv {

// Its lock is held during what is called; recursive, for what is called may end the subscription.
struct Subscribers::One {
  const std::string channel;
  const Cache::Listener listener;
  std::recursive_mutex mutex;
  bool ended = false, begun = false;

  void hear(std::string_view message) {
    const std::lock_guard lock(mutex);
    if (!ended && listener.heard) listener.heard(message);
  }
  void begin() {
    const std::lock_guard lock(mutex);
    begun = true;
    if (!ended && listener.missed) listener.missed();
  }
  void begin_late() {
    const std::lock_guard lock(mutex);
    if (!begun) begin();
  }
  void end() {
    const std::lock_guard lock(mutex);
    ended = true;
  }
};

class Subscribers::Held final : public Cache::Subscription {
 public:
  Held(std::shared_ptr<Subscribers> all, std::shared_ptr<One> one)
      : all_(std::move(all)), one_(std::move(one)) {}
  ~Held() override {
    one_->end();
    all_->remove(one_);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  const std::shared_ptr<Subscribers> all_;
  const std::shared_ptr<One> one_;
};

std::unique_ptr<Cache::Subscription> Subscribers::add(std::string channel,
                                                      Cache::Listener listener) {
  const auto one = std::make_shared<One>(channel, std::move(listener));
  {
    const std::lock_guard lock(mutex_);
    channels_[channel].push_back(one);
  }
  if (count_) count_->add(1);
  auto held = std::make_unique<Held>(shared_from_this(), one);
  changed_(*this, channel);
  return held;
}

void Subscribers::remove(const std::shared_ptr<One>& one) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = channels_.find(one->channel);
    std::erase(at->second, one);
    if (at->second.empty()) channels_.erase(at);
  }
  if (count_) count_->add(-1);
  changed_(*this, one->channel);
}

void Subscribers::heard(std::string_view channel, std::string_view message) {
  for (const auto& one : of(channel)) one->hear(message);
}

void Subscribers::begin(std::string_view channel) {
  for (const auto& one : of(channel)) one->begin();
}

void Subscribers::begin_late(std::string_view channel) {
  for (const auto& one : of(channel)) one->begin_late();
}

Subscribers::Ones Subscribers::of(std::string_view channel) const {
  const std::lock_guard lock(mutex_);
  const auto at = channels_.find(channel);
  return at == channels_.end() ? Ones{} : at->second;
}

std::vector<std::string> Subscribers::channels() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [channel, ones] : channels_) out.push_back(channel);
  return out;
}

bool Subscribers::empty() const {
  const std::lock_guard lock(mutex_);
  return channels_.empty();
}

bool Subscribers::has(std::string_view channel) const {
  const std::lock_guard lock(mutex_);
  return channels_.contains(channel);
}

}  // namespace sv
