#include "platform/adapters/etcd_registry.h"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <random>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "platform/core/json_writer.h"
#include "platform/core/log.h"
#include "platform/core/supervisor.h"
#include "platform/core/task_group.h"

namespace sv {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSettle{20};   // changes come together
constexpr std::chrono::milliseconds kRetry{1000};  // at the latest: a lease is short

std::string value_of(const Instance& instance) {
  std::string out = R"({"network":"tcp","address":)";
  json::append_string(out, instance.address);
  return out + fmt::format(R"(,"weight":{},"tags":null}})", instance.weight);
}

std::optional<Instance> instance_of(std::string_view value) {
  boost::system::error_code ec;
  const auto json = boost::json::parse(value, ec);
  const auto* object = ec ? nullptr : json.if_object();
  const auto* address = object ? object->if_contains("address") : nullptr;
  if (!address || !address->is_string() || address->get_string().find(':') == std::string::npos)
    return std::nullopt;
  Instance out{.address = std::string(address->get_string())};
  if (const auto* weight = object->if_contains("weight"); weight && weight->is_int64())
    out.weight = static_cast<int>(std::clamp<std::int64_t>(weight->get_int64(), 0, 10'000));
  if (out.weight <= 0) out.weight = 10;
  return out;
}

std::int64_t new_lease() {
  std::random_device random;
  return static_cast<std::int64_t>((std::uint64_t{random()} << 31 ^ random()) >> 1 | 1) &
         0x7fffffffffffffff;
}

class EtcdRegistry final : public Registry {
 public:
  EtcdRegistry(EtcdOptions options, asio::any_io_executor executor, metrics::Registry& metrics)
      : options_(std::move(options)),
        etcd_(options_.place, options_.timeout),
        executor_(std::move(executor)),
        metrics_(metrics) {}
  ~EtcdRegistry() override {
    announcing_.stop();
    following_.stop();
    announcing_.join();
    following_.join();
  }

  const InstanceList& instances_of(std::string_view service) override {
    std::lock_guard lock(mutex_);
    if (const auto it = lists_.find(service); it != lists_.end()) return it->second;
    InstanceList& list = lists_[std::string(service)];
    following_.spawn(executor_, [this, name = std::string(service), &list,
                                 &loop = loop_of("etcd.follow." + std::string(service))] {
      return supervise(loop, [this, name, &list] { return follow(name, list); }, kRetry);
    });
    return list;
  }

  void announce(std::string service, Instance instance) override {
    std::lock_guard lock(mutex_);
    Announced& one =
        announced_.emplace_back(prefix_of(service) + instance.address, value_of(instance));
    announcing_.spawn(executor_, [this, &one, &loop = loop_of("etcd.announce." + service)] {
      return supervise(loop, [this, &one] { return keep(one); }, kRetry);
    });
  }

  bool announced() const override {
    std::lock_guard lock(mutex_);
    return std::ranges::all_of(announced_, [](const Announced& one) { return one.there.load(); });
  }

  // The loops have ended before a key is taken back, so that none comes again.
  Task<> withdraw() override {
    announcing_.stop();
    while (announcing_.running() > 0) co_await pause(std::chrono::milliseconds(5));
    for (Announced& one : announced_) {
      auto gone = co_await etcd_.remove(one.key);
      if (gone && one.lease != 0) gone = co_await etcd_.revoke(one.lease);
      if (!gone && gone.error().code != Errc::not_found)
        log::warn("etcd", "an announcement could not be taken back, its lease ends it",
                  {{"key", one.key}, {"error", gone.error().detail}});
      one.there = false;
    }
  }

 private:
  struct Announced {
    Announced(std::string k, std::string v) : key(std::move(k)), value(std::move(v)) {}
    const std::string key, value;
    std::int64_t lease = 0;            // granted
    std::int64_t asked = new_lease();  // granted or not: nobody has told yet
    std::atomic<bool> there{false};
    Steady::time_point due{}, checked{};  // its next sign of life; when the key was seen
  };

  // One step: a lease and the key when they are missing, else a pause and a sign of life.
  Task<Result<>> keep(Announced& one) {
    if (one.lease == 0) {
      auto granted = co_await etcd_.grant(one.asked, options_.ttl);
      if (!granted &&
          granted.error().code != Errc::conflict)  // conflict: the answer was lost before
        co_return granted;
      one.lease = one.asked;
      one.due = Steady::now() + options_.keep_alive;
    }
    if (!one.there) {
      auto put = co_await etcd_.put(one.key, one.value, one.lease);
      if (!put) {
        if (put.error().code == Errc::not_found) lose(one);
        co_return put;
      }
      one.there = true;
      one.checked = Steady::now();
      log::info("etcd", "announced", {{"key", one.key}});
    }
    if (const auto now = Steady::now(); now < one.due)
      co_await pause(std::chrono::ceil<std::chrono::milliseconds>(one.due - now));
    auto kept = co_await etcd_.keep_alive(one.lease);
    if (kept) one.due = Steady::now() + options_.keep_alive;
    if (!kept) {
      if (kept.error().code != Errc::not_found) co_return kept;
      log::warn("etcd", "the lease has ended, announcing again", {{"key", one.key}});
      lose(one);
      co_return Result<>{};
    }
    if (Steady::now() - one.checked < options_.check) co_return Result<>{};
    co_return co_await check(one);
  }

  Task<Result<>> check(Announced& one) {
    SV_CO_TRY(const auto found, co_await etcd_.list(one.key));
    one.checked = Steady::now();
    one.there = std::ranges::any_of(found.pairs, [&](const EtcdClient::Pair& pair) {
      return pair.key == one.key && pair.lease == one.lease && pair.value == one.value;
    });
    co_return Result<>{};
  }

  std::string prefix_of(std::string_view service) const {
    return fmt::format("{}/{}/", options_.prefix, service);
  }

  SupervisedLoop& loop_of(const std::string& name) {
    return loops_.emplace_back(
        name, metrics_.counter("shortvideo_loop_failures_total",
                               "Rounds of background loops that failed", {{"loop", name}}));
  }

  static void lose(Announced& one) {
    one.lease = 0;
    one.asked = new_lease();  // a number is used for one lease
    one.there = false;
  }

  Task<Result<>> follow(const std::string& service, InstanceList& list) {
    const std::string prefix = prefix_of(service);
    SV_CO_TRY(const auto range, co_await etcd_.list(prefix));
    std::vector<Instance> now;
    for (const auto& pair : range.pairs)
      if (auto instance = instance_of(pair.value)) now.push_back(std::move(*instance));
    // Nobody is worse reached through those that were there: they may be, and etcd may have lost
    // what it knew.
    if (const Instances known = list.get(); *known != now && !(now.empty() && !known->empty()))
      list.set(std::move(now));
    SV_CO_CHECK(co_await etcd_.wait_for_change(prefix, range.revision, options_.list));
    co_await pause(kSettle);
    co_return Result<>{};
  }

  const EtcdOptions options_;
  EtcdClient etcd_;
  const asio::any_io_executor executor_;
  metrics::Registry& metrics_;
  mutable std::mutex mutex_;
  std::map<std::string, InstanceList, std::less<>> lists_;
  std::deque<Announced> announced_;
  std::deque<SupervisedLoop> loops_;
  TaskGroup announcing_{"etcd.announce"}, following_{"etcd.follow"};
};

}  // namespace

std::unique_ptr<Registry> make_etcd_registry(EtcdOptions options, asio::any_io_executor executor,
                                             metrics::Registry& metrics) {
  return std::make_unique<EtcdRegistry>(std::move(options), std::move(executor), metrics);
}

}  // namespace sv
