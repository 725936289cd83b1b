#include <algorithm>
#include <map>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>

#include "platform/adapters/redis_servers.h"
#include "platform/adapters/redis_slots.h"

namespace sv {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;
using NodeLink = std::shared_ptr<RedisLink>;

constexpr int kRounds = 5;            // of one question: whom it is redirected to may redirect it
constexpr auto kBetweenMaps = 100ms;  // a map that is wrong may stay so for a while

// The commands of one question that go to one node together.
struct Batch {
  NodeLink link;
  std::shared_ptr<RedisConnection> connection;
  std::string bytes;
  std::vector<std::size_t> places;  // of the answers among the commands; kNobody: to ASKING
  RedisConnection::Answers answers;

  static constexpr std::size_t kNobody = ~std::size_t{0};
};

// Resumes when each has been answered, or has failed.
Task<> ask_all(std::vector<Batch>& batches) {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&]<class Handler>(Handler handler) {
        const auto waiter = std::make_shared<Handler>(std::move(handler));
        const auto left = std::make_shared<std::size_t>(batches.size());
        for (Batch& batch : batches)
          batch.connection->ask(std::move(batch.bytes), batch.places.size(),
                                [&batch, waiter, left, executor](RedisConnection::Answers answers) {
                                  batch.answers = std::move(answers);
                                  if (--*left == 0)
                                    asio::dispatch(executor, [waiter] { std::move (*waiter)(); });
                                });
      },
      asio::use_awaitable);
}

// Where one command goes next. A node that is named once is told to make an exception.
struct Route {
  std::size_t place;
  NodeLink link;
  bool once = false;
  RedisForm form = RedisForm::short_;
};

class RedisCluster final : public RedisServers, public std::enable_shared_from_this<RedisCluster> {
 public:
  RedisCluster(std::shared_ptr<RedisSite> site, asio::any_io_executor executor)
      : site_(std::move(site)), executor_(std::move(executor)), read_(executor_) {
    for (const RedisAddress& seed : site_->options.addresses) (void)node(seed);
  }

  Task<RedisConnection::Answers> ask(std::vector<RedisCommand> commands) override {
    co_await have_map();
    std::vector<Route> routes;
    for (std::size_t i = 0; i < commands.size(); ++i)
      routes.push_back({.place = i, .link = owner(redis_slot(commands[i].key))});
    std::vector<RedisReply> replies(commands.size());
    for (int round = 0; round < kRounds && !routes.empty(); ++round) {
      SV_CO_TRY(auto batches, co_await batches_of(routes, commands));
      co_await ask_all(batches);
      SV_CO_TRY(routes, take(batches, replies));
    }
    co_return replies;
  }

  // What is published anywhere is heard everywhere.
  Task<RedisDialled> dial() override {
    co_await have_map();
    RedisDialled out = fail(Errc::unavailable, "cache_unavailable", "redis: no node answers");
    for (const auto& [name, link] : std::map(nodes_)) {
      const auto reached = co_await link.link->connection();
      if (reached) co_return co_await dial_redis(site_, executor_, link.address);
      out = std::unexpected(reached.error());
    }
    co_return out;
  }

 private:
  struct Node {
    RedisAddress address;
    NodeLink link;
  };

  NodeLink node(const RedisAddress& address) {
    const auto [it, made] = nodes_.try_emplace(address.text());
    if (made)
      it->second = {
          .address = address,
          .link = std::make_shared<RedisLink>(site_, executor_, address.text(),
                                              [site = site_, executor = executor_, address] {
                                                return dial_redis(site, executor, address);
                                              })};
    return it->second.link;
  }

  // A slot that nobody owns is asked for anywhere: the answer says why.
  NodeLink owner(std::uint16_t slot) const {
    if (owners_.empty() || !owners_[slot]) return nodes_.begin()->second.link;
    return owners_[slot];
  }

  Task<Result<std::vector<Batch>>> batches_of(std::vector<Route>& routes,
                                              const std::vector<RedisCommand>& commands) {
    std::vector<Batch> out;
    for (const Route& route : routes) {
      auto batch = std::ranges::find(out, route.link, &Batch::link);
      if (batch == out.end()) {
        auto connection = co_await route.link->connection();
        if (!connection) {
          stale_ = true;
          co_return std::unexpected(connection.error());
        }
        out.push_back({.link = route.link,
                       .connection = std::move(*connection),
                       .bytes = {},
                       .places = {},
                       .answers = {}});
        batch = std::prev(out.end());
      }
      if (route.once) {
        batch->bytes += redis_command({"ASKING"});
        batch->places.push_back(Batch::kNobody);
      }
      append_redis_command(batch->bytes, commands[route.place], *batch->connection, route.form);
      batch->places.push_back(route.place);
    }
    co_return out;
  }

  // Fills in the replies; gives what has to be asked again, elsewhere.
  Result<std::vector<Route>> take(std::vector<Batch>& batches, std::vector<RedisReply>& replies) {
    std::vector<Route> out;
    for (Batch& batch : batches) {
      batch.link->heard(batch.connection, batch.answers);
      if (!batch.answers) {
        stale_ = true;
        return std::unexpected(batch.answers.error());
      }
      bool once = false;
      for (std::size_t i = 0; i < batch.places.size(); ++i) {
        const bool asking = batch.places[i] == Batch::kNobody;
        if (!asking) take_one(batch, i, once, replies, out);
        once = asking;
      }
    }
    return out;
  }

  void take_one(Batch& batch, std::size_t i, bool once, std::vector<RedisReply>& replies,
                std::vector<Route>& again) {
    RedisReply& reply = (*batch.answers)[i];
    if (const auto redirect = redis_redirect(reply, batch.connection->address())) {
      again.push_back(
          {.place = batch.places[i], .link = follow(*redirect), .once = redirect->once});
    } else if (reply.is_error("NOSCRIPT")) {
      again.push_back(
          {.place = batch.places[i], .link = batch.link, .once = once, .form = RedisForm::whole});
    }
    replies[batch.places[i]] = std::move(reply);
  }

  NodeLink follow(const RedisRedirect& redirect) {
    const NodeLink link = node(redirect.to);
    if (redirect.once) return link;
    if (!owners_.empty()) owners_[redirect.slot] = link;
    stale_ = true;  // what else has moved?
    return link;
  }

  // Who has none waits for it; who has an old one goes on with that one.
  Task<> have_map() {
    const auto seen = read_.rings();
    if (!reading_ && (owners_.empty() || (stale_ && Steady::now() >= next_map_))) {
      reading_ = true;
      stale_ = false;
      asio::co_spawn(executor_, read_map(shared_from_this()),
                     [self = shared_from_this()](std::exception_ptr) {
                       self->reading_ = false;
                       self->next_map_ = Steady::now() + kBetweenMaps;
                       self->read_.ring();
                     });
    }
    if (reading_ && owners_.empty()) co_await read_.wait(site_->options.timeout, seen);
  }

  static Task<> read_map(std::shared_ptr<RedisCluster> self) {
    for (const auto& [name, node] : std::map(self->nodes_)) {
      const auto connection = co_await node.link->connection();
      if (!connection) continue;
      const auto said = co_await (*connection)->ask(redis_command({"CLUSTER", "SLOTS"}), 1);
      node.link->heard(*connection, said);
      if (!said) continue;
      const auto ranges = redis_ranges(said->front(), node.address);
      if (!ranges) continue;
      self->adopt(*ranges);
      co_return;
    }
    self->stale_ = true;
  }

  // Nodes that own nothing any more are left; those that were named at the start are asked again
  // when all others are gone.
  void adopt(const std::vector<RedisRange>& ranges) {
    auto before = std::exchange(nodes_, {});
    const auto keep = [&](const RedisAddress& address) {
      if (auto old = before.extract(address.text()); !old.empty()) nodes_.insert(std::move(old));
      return node(address);
    };
    owners_.assign(kRedisSlots, nullptr);
    for (const RedisRange& range : ranges) {
      const NodeLink link = keep(range.master);
      std::fill(owners_.begin() + range.first, owners_.begin() + range.last + 1, link);
    }
    for (const RedisAddress& seed : site_->options.addresses) keep(seed);
    for (const auto& [name, node] : before) node.link->close();
  }

  const std::shared_ptr<RedisSite> site_;
  const asio::any_io_executor executor_;
  std::map<std::string, Node> nodes_;  // never empty
  std::vector<NodeLink> owners_;       // by slot; empty: not known yet
  bool stale_ = false, reading_ = false;
  Steady::time_point next_map_{};
  Bell read_;
};

}  // namespace

std::shared_ptr<RedisServers> make_redis_cluster(std::shared_ptr<RedisSite> site,
                                                 asio::any_io_executor executor) {
  return std::make_shared<RedisCluster>(std::move(site), std::move(executor));
}

}  // namespace sv
