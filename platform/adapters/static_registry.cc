#include "platform/adapters/static_registry.h"

namespace sv {
namespace {

class StaticRegistry final : public Registry {
 public:
  explicit StaticRegistry(std::map<std::string, std::vector<Instance>> instances) {
    for (auto& [service, its] : instances) lists_[service].set(std::move(its));
  }
  const InstanceList& instances_of(std::string_view service) override {
    const auto it = lists_.find(service);
    return it == lists_.end() ? none_ : it->second;
  }
  void announce(std::string, Instance) override {}
  bool announced() const override { return true; }
  Task<> withdraw() override { co_return; }

 private:
  std::map<std::string, InstanceList, std::less<>> lists_;
  const InstanceList none_;
};

}  // namespace

std::unique_ptr<Registry> make_static_registry(
    std::map<std::string, std::vector<Instance>> instances) {
  return std::make_unique<StaticRegistry>(std::move(instances));
}

}  // namespace sv
