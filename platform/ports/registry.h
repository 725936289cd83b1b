#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/core/task.h"

namespace sv {

// Where one instance of a service listens.
struct Instance {
  std::string address;  // "10.0.0.7:8881", "[::1]:8881"
  int weight = 10;      // its share of the calls
  bool operator==(const Instance&) const = default;
};
using Instances = std::shared_ptr<const std::vector<Instance>>;

// The instances of one service as they are known now, in the order of their addresses. A registry
// that falls silent leaves what it said last. Thread-safe.
class InstanceList {
 public:
  Instances get() const {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void set(std::vector<Instance> instances) {
    auto made = std::make_shared<const std::vector<Instance>>(std::move(instances));
    std::lock_guard lock(mutex_);
    now_ = std::move(made);
  }

 private:
  mutable std::mutex mutex_;
  Instances now_ = std::make_shared<const std::vector<Instance>>();
};

// Says where services are. Thread-safe.
class Registry {
 public:
  virtual ~Registry() = default;
  // Followed from the first call on; the list lives as long as the registry.
  virtual const InstanceList& instances_of(std::string_view service) = 0;
  // Others are told of it until withdraw(), whatever happens to the registry in between.
  virtual void announce(std::string service, Instance instance) = 0;
  // Whether everything announced is there for others to see, as far as is known.
  virtual bool announced() const = 0;
  // Takes back all of it; ends in time also when nobody answers.
  virtual Task<> withdraw() = 0;
};

}  // namespace sv
