#include "platform/rpc/client.h"

#include <deque>
#include <future>
#include <mutex>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "platform/rpc/pool.h"

namespace sv::rpc {
namespace {

class Clients;

class ServiceChannel final : public Channel {
 public:
  ServiceChannel(Clients& owner, Target target) : owner_(owner), target_(std::move(target)) {}
  const Target& target() const { return target_; }
  Task<Result<std::string>> call(const Ctx& ctx, Method method, std::string payload) override;

 private:
  Clients& owner_;
  const Target target_;
};

class Clients final : public Client {
 public:
  Clients(ClientOptions options, std::vector<asio::any_io_executor> executors)
      : share_(std::move(options)) {
    for (auto& executor : executors)
      pools_.push_back(std::make_unique<Pool>(share_, std::move(executor)));
  }
  ~Clients() override { stop(); }

  Channel& to(const std::string& service, const InstanceList& instances) override {
    std::lock_guard lock(mutex_);
    for (ServiceChannel& channel : channels_)
      if (channel.target().service == service) return channel;
    Target target{service, instances, {}};
    if (share_.options.metrics) {
      const auto counter = [&](std::string_view outcome) {
        return &share_.options.metrics->counter("shortvideo_rpc_client_calls_total",
                                                "Calls of other processes",
                                                {{"service", service}, {"outcome", outcome}});
      };
      target.metrics = {.answered = counter("answered"), .failed = counter("failed")};
    }
    return channels_.emplace_back(*this, std::move(target));
  }

  void stop() override {
    if (std::exchange(stopped_, true)) return;
    share_.group.stop();
    share_.group.join();
    for (auto& pool : pools_) {
      std::promise<void> closed;
      asio::post(pool->executor(), [&] {
        pool->close();
        closed.set_value();
      });
      closed.get_future().wait();
    }
  }

  // Null: that is no loop of ours.
  Pool* pool_of(const asio::any_io_executor& executor) {
    const auto& context = asio::query(executor, asio::execution::context);
    for (auto& pool : pools_)
      if (&asio::query(pool->executor(), asio::execution::context) == &context) return pool.get();
    return nullptr;
  }
  Pool& last() { return *pools_.back(); }

 private:
  PoolShare share_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::mutex mutex_;
  std::deque<ServiceChannel> channels_;
  bool stopped_ = false;
};

Task<Result<std::string>> ServiceChannel::call(const Ctx& ctx, Method method, std::string payload) {
  if (Pool* pool = owner_.pool_of(co_await asio::this_coro::executor))
    co_return co_await pool->call(&ctx, method, payload, &target_);
  Pool& last = owner_.last();
  co_return co_await asio::co_spawn(last.executor(), last.call(&ctx, method, payload, &target_),
                                    asio::use_awaitable);
}

}  // namespace

std::unique_ptr<Client> make_client(ClientOptions options,
                                    std::vector<asio::any_io_executor> executors) {
  return std::make_unique<Clients>(std::move(options), std::move(executors));
}

}  // namespace sv::rpc
