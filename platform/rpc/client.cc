#include "platform/rpc/client.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <deque>
#include <future>
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/core/log.h"
#include "platform/core/supervisor.h"
#include "platform/core/task_group.h"
#include "platform/rpc/breaker.h"
#include "platform/rpc/connection.h"
#include "platform/rpc/handshake.h"
#include "platform/rpc/metadata.h"

namespace sv::rpc {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;
using Steady = FrameStream::Steady;
using How = Outcome::How;

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
constexpr milliseconds kTick{50}, kProbePause{250};
constexpr milliseconds kForeignFor{60'000};  // then it is asked again: it may have been replaced
constexpr std::size_t kAttempts = 2;         // of a read that was sent
constexpr std::size_t kMuch =
    16;  // calls more than another instance has: the caller's own one is spared

// What the loops of the process know together of an instance.
struct Health {
  explicit Health(std::string a) : address(std::move(a)) {}
  const std::string address;
  std::atomic<bool> down{false};  // nobody is to call it: who set this looks until it is back
};

enum class Kind : unsigned char { unknown, ours, foreign };

// One instance, as one loop sees it.
struct Peer {
  Peer(std::shared_ptr<Health> h, const asio::any_io_executor& executor)
      : health(std::move(h)), opened(executor, Steady::time_point::max()) {}
  const std::shared_ptr<Health> health;
  int weight = 10;
  Kind kind = Kind::unknown;
  Steady::time_point asked{};  // when it said that it is foreign
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

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
std::uint64_t hash_of(std::string_view text) {  // FNV-1a: the same in every process
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}
// Weighted rendezvous hashing: the instance with the highest score is the caller's own.
double score(UserId caller, const Peer& peer) {
  const std::uint64_t h =
      mix(static_cast<std::uint64_t>(caller.value) ^ hash_of(peer.health->address));
  const double unit = (static_cast<double>(h >> 11) + 0.5) * 0x1p-53;
  return -peer.weight / std::log(unit);
}

class Clients;

// What one loop has of every service. On its loop only.
class Pool {
 public:
  Pool(Clients& owner, asio::any_io_executor executor)
      : owner_(owner), executor_(std::move(executor)), ticks_(executor_) {}

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
  Task<std::shared_ptr<Connection>> connect(std::string_view address);
  enum class Greeting : unsigned char { known, foreign, failed };
  Task<Outcome> ask(Connection& connection, std::string payload);
  Task<Greeting> greet(Connection& connection, const std::string& address);
  void went_down(const std::shared_ptr<Peer>& peer, std::string_view why);
  Task<> probe(std::shared_ptr<Peer> peer);
  int draw(int below) { return static_cast<int>(mix(++drawn_) % static_cast<unsigned>(below)); }
  void arm();
  void tick();

  Clients& owner_;
  const asio::any_io_executor executor_;
  std::map<const Target*, Peers> services_;
  asio::steady_timer ticks_;
  std::uint64_t drawn_ = 0;
  bool armed_ = false, closed_ = false;
};

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
      : options(std::move(options)) {
    for (auto& executor : executors)
      pools_.push_back(std::make_unique<Pool>(*this, std::move(executor)));
  }
  ~Clients() override { stop(); }

  Channel& to(const std::string& service, const InstanceList& instances) override {
    std::lock_guard lock(mutex_);
    for (ServiceChannel& channel : channels_)
      if (channel.target().service == service) return channel;
    Target target{service, instances, {}};
    if (options.metrics) {
      const auto counter = [&](std::string_view outcome) {
        return &options.metrics->counter("shortvideo_rpc_client_calls_total",
                                         "Calls of other processes",
                                         {{"service", service}, {"outcome", outcome}});
      };
      target.metrics = {.answered = counter("answered"), .failed = counter("failed")};
    }
    return channels_.emplace_back(*this, std::move(target));
  }

  void stop() override {
    if (std::exchange(stopped_, true)) return;
    group.stop();
    group.join();
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

  std::shared_ptr<Health> health_of(const std::string& address) {
    std::lock_guard lock(mutex_);
    auto& health = healths_[address];
    if (!health) health = std::make_shared<Health>(address);
    return health;
  }

  const ClientOptions options;
  TaskGroup group{"rpc.client"};

 private:
  std::vector<std::unique_ptr<Pool>> pools_;
  std::mutex mutex_;
  std::deque<ServiceChannel> channels_;
  std::map<std::string, std::shared_ptr<Health>> healths_;
  bool stopped_ = false;
};

Task<Result<std::string>> ServiceChannel::call(const Ctx& ctx, Method method, std::string payload) {
  if (Pool* pool = owner_.pool_of(co_await asio::this_coro::executor))
    co_return co_await pool->call(&ctx, method, payload, &target_);
  Pool& last = owner_.last();
  co_return co_await asio::co_spawn(last.executor(), last.call(&ctx, method, payload, &target_),
                                    asio::use_awaitable);
}

Task<Result<std::string>> Pool::call(const Ctx* ctx, Method method, std::string_view payload,
                                     const Target* target) {
  const Deadline deadline = std::min(ctx->deadline, Steady::now() + owner_.options.deadline);
  Peers& peers = services_[target];
  std::vector<Peer*> tried;
  Error error{.code = Errc::unavailable,
              .token = target->service + "_unavailable",
              .field = {},
              .detail = {}};
  for (std::size_t sent = 0; sent < kAttempts;) {
    renew(peers, *target);
    const auto peer = pick(peers, *ctx, method.name, tried);
    if (!peer) break;
    const Outcome outcome = co_await call_at(peer, *ctx, method, payload, deadline);
    if (outcome.how == How::answered) {
      if (target->metrics.answered) target->metrics.answered->add();
      co_return std::move(outcome.payload);
    }
    if (outcome.how == How::late) {
      error.code = Errc::deadline_exceeded;
      error.token = errc_token(Errc::deadline_exceeded);
      break;
    }
    if (outcome.how == How::lost && !method.read) {
      error.token = "outcome_unknown";
      break;
    }
    if (outcome.how == How::lost) ++sent;
    tried.push_back(peer.get());
  }
  if (target->metrics.failed) target->metrics.failed->add();
  co_return std::unexpected(std::move(error));
}

void Pool::renew(Peers& peers, const Target& target) {
  Instances now = target.instances.get();
  if (now == peers.known) return;
  auto before = std::exchange(peers.by_address, {});
  for (const Instance& instance : *now) {
    auto& peer = peers.by_address[instance.address];
    if (const auto it = before.find(instance.address); it != before.end()) {
      peer = it->second;
      before.erase(it);
    } else {
      peer = std::make_shared<Peer>(owner_.health_of(instance.address), executor_);
    }
    peer->weight = std::max(instance.weight, 1);
  }
  for (auto& [address, gone] : before)
    for (const auto& connection : gone->connections) connection->leave();
  peers.known = std::move(now);
}

std::shared_ptr<Peer> Pool::pick(Peers& peers, const Ctx& ctx, std::string_view method,
                                 const std::vector<Peer*>& tried) {
  const auto now = Steady::now();
  std::shared_ptr<Peer> own, idlest;
  double best = 0, least = 0;
  int weights = 0;
  for (const auto& [address, peer] : peers.by_address) {
    if (peer->health->down.load(std::memory_order_relaxed)) continue;
    if (std::ranges::find(tried, peer.get()) != tried.end()) continue;
    if (const auto it = peer->breakers.find(method);
        it != peer->breakers.end() && !it->second.lets_pass(now))
      continue;
    const double load = static_cast<double>(peer->outstanding) / peer->weight;
    if (!idlest || load < least) weights = 0;
    if (weights == 0 || load == least) {  // among equals by chance, each by its weight
      weights += peer->weight;
      if (draw(weights) < peer->weight) idlest = peer;
      least = load;
    }
    if (!ctx.caller) continue;
    const double its = score(ctx.caller, *peer);
    if (!own || its > best) {
      own = peer;
      best = its;
    }
  }
  // The instance that has the caller's things in memory, unless it has much more to do.
  return own && own->outstanding <= idlest->outstanding + kMuch ? own : idlest;
}

Task<Outcome> Pool::call_at(const std::shared_ptr<Peer>& peer, const Ctx& ctx, Method method,
                            std::string_view payload, Deadline deadline) {
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& c) : count(c) { ++count; }
    ~Counted() { --count; }
  } counted(peer->outstanding);
  const auto connection = co_await this->connection(peer);
  if (!connection) co_return Outcome{};
  TtHeader header;
  Ctx timed;
  timed.deadline = deadline;
  put_deadline(header, timed, Steady::now());
  if (peer->kind == Kind::ours) {
    put_metadata(header, ctx);
  } else {
    header.ints.emplace_back(kToMethod, method.name);
    header.ints.emplace_back(kMessageType, "1");
    if (!ctx.traceparent.empty())
      header.strings.emplace_back("RPC_PERSIST_TRACEPARENT", ctx.traceparent);
  }
  if (const auto it = peer->breakers.find(method.name); it != peer->breakers.end())
    it->second.begins(Steady::now());
  arm();
  Outcome outcome = co_await connection->call(std::move(header), payload, deadline);
  if (outcome.how == How::late) peer->breakers[std::string(method.name)].failed(Steady::now());
  else if (outcome.how == How::answered && !peer->breakers.empty())
    peer->breakers.erase(std::string(method.name));
  co_return outcome;
}

Task<std::shared_ptr<Connection>> Pool::connection(const std::shared_ptr<Peer>& peer) {
  const auto deadline = Steady::now() + 2 * owner_.options.connect;
  for (;;) {
    if (peer->health->down || Steady::now() > deadline) co_return nullptr;
    std::erase_if(peer->connections, [](const auto& c) { return !c->usable(); });
    std::shared_ptr<Connection> idlest;
    for (const auto& c : peer->connections)
      if (!idlest || c->outstanding() < idlest->outstanding()) idlest = c;
    if (idlest && (peer->kind == Kind::ours || idlest->outstanding() == 0)) co_return idlest;
    if (peer->connections.size() >= owner_.options.connections) co_return nullptr;
    if (!peer->opening || peer->kind == Kind::foreign) break;
    co_await peer->opened.async_wait(kNoThrow);
  }
  peer->opening = true;
  struct Opened {
    Peer& peer;
    ~Opened() {
      peer.opening = false;
      peer.opened.cancel();
    }
  } opened{*peer};
  auto made = co_await open(peer);
  if (made) peer->connections.push_back(made);
  else went_down(peer, "it cannot be reached");
  co_return made;
}

Task<std::shared_ptr<Connection>> Pool::open(const std::shared_ptr<Peer>& peer) {
  const std::string& address = peer->health->address;
  auto made = co_await connect(address);
  if (!made) co_return nullptr;
  if (peer->kind == Kind::foreign && Steady::now() - peer->asked < kForeignFor) {
    made->one_at_a_time();
    co_return made;
  }
  switch (co_await greet(*made, address)) {
    case Greeting::known:
      peer->kind = Kind::ours;
      co_return made;
    case Greeting::failed:
      made->close();
      co_return nullptr;
    case Greeting::foreign:
      break;
  }
  peer->kind = Kind::foreign;
  peer->asked = Steady::now();
  made->close();
  made = co_await connect(address);
  if (made) made->one_at_a_time();
  co_return made;
}

Task<std::shared_ptr<Connection>> Pool::connect(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) co_return nullptr;
  std::string host(address.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  // One timer ends whatever takes too long.
  tcp::socket socket(executor_);
  tcp::resolver resolver(executor_);
  asio::steady_timer timer(executor_, owner_.options.connect);
  const auto late = std::make_shared<bool>(false);
  timer.async_wait([&socket, &resolver, late](boost::system::error_code ec) {
    if (ec || *late) return;
    boost::system::error_code ignored;
    socket.close(ignored);
    resolver.cancel();
  });
  boost::system::error_code ec;
  std::vector<tcp::endpoint> endpoints;
  std::uint16_t port = 0;
  const auto digits = address.substr(colon + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), port).ec != std::errc{})
    co_return nullptr;
  if (const auto ip = asio::ip::make_address(host, ec); !ec) {
    endpoints.emplace_back(ip, port);
  } else {
    auto [failed, found] = co_await resolver.async_resolve(host, std::string(digits), kNoThrow);
    if (!failed)
      for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  }
  bool connected = false;
  for (const auto& endpoint : endpoints) {
    if (Steady::now() >= timer.expiry()) break;
    socket.close(ec);
    auto [failed] = co_await socket.async_connect(endpoint, kNoThrow);
    if ((connected = !failed)) break;
  }
  *late = true;
  timer.cancel();
  if (!connected || !socket.is_open()) co_return nullptr;
  auto made = std::make_shared<Connection>(std::move(socket));
  made->start();
  co_return made;
}

// Watched by a timer of its own: the connection is not the pool's yet.
Task<Outcome> Pool::ask(Connection& connection, std::string payload) {
  asio::steady_timer timer(executor_, owner_.options.connect);
  timer.async_wait([its = std::static_pointer_cast<Connection>(connection.shared_from_this())](
                       boost::system::error_code ec) {
    if (!ec) its->close();
  });
  co_return co_await connection.call({}, payload, Deadline::max());
}

Task<Pool::Greeting> Pool::greet(Connection& connection, const std::string& address) {
  const auto& secrets = owner_.options.secrets;
  const std::string nonce = new_nonce();
  const Outcome hello = co_await ask(connection, text_call(kHello, nonce));
  if (hello.how != How::answered) co_return Greeting::failed;
  const auto reply = read_text_reply(hello.payload, kHello);
  if (!reply) co_return reply.error().code == Errc::absent ? Greeting::foreign : Greeting::failed;
  const std::string_view theirs = std::string_view(*reply).substr(0, kNonceBytes);
  const std::string_view shown = std::string_view(*reply).substr(theirs.size());
  if (secrets.empty()) co_return Greeting::known;
  if (!proves(shown, Side::server, secrets, nonce, theirs)) {
    log::error("rpc", "an instance does not have this cluster's rpc.secret: it is not called",
               {{"address", address}});
    co_return Greeting::failed;
  }
  const Outcome proven = co_await ask(
      connection, text_call(kProve, proof(Side::client, secrets.front(), nonce, theirs)));
  const auto believed = read_bool_reply(proven.payload, kProve);
  if (proven.how != How::answered || !believed) co_return Greeting::failed;
  if (*believed) co_return Greeting::known;
  log::error("rpc", "an instance does not take this process's rpc.secret: it is not called",
             {{"address", address}});
  co_return Greeting::failed;
}

void Pool::went_down(const std::shared_ptr<Peer>& peer, std::string_view why) {
  if (peer->health->down.exchange(true)) return;
  log::warn("rpc", "an instance is not called until it answers",
            {{"address", peer->health->address}, {"why", why}});
  owner_.group.spawn(executor_, [this, peer] { return probe(peer); });
}

// Until it answers, or nobody knows it any more.
Task<> Pool::probe(std::shared_ptr<Peer> peer) {
  const auto known = [&] {
    return std::ranges::any_of(services_, [&](const auto& service) {
      return std::ranges::any_of(service.second.by_address,
                                 [&](const auto& entry) { return entry.second == peer; });
    });
  };
  for (;;) {
    co_await pause(kProbePause);
    for (auto& [target, peers] : services_) renew(peers, *target);
    if (!known()) break;
    if (auto made = co_await open(peer)) {
      peer->connections.push_back(made);
      log::info("rpc", "an instance answers again", {{"address", peer->health->address}});
      break;
    }
  }
  peer->health->down = false;
}

void Pool::arm() {
  if (std::exchange(armed_, true) || closed_) return;
  ticks_.expires_after(kTick);
  ticks_.async_wait([this](boost::system::error_code ec) {
    if (!ec) tick();
  });
}

void Pool::tick() {
  armed_ = false;
  const auto now = Steady::now();
  bool busy = false;
  for (auto& [target, peers] : services_)
    for (auto& [address, peer] : std::map(peers.by_address))
      for (const auto& connection : std::vector(peer->connections)) {
        if (connection->tick(now, owner_.options.silence, peer->kind == Kind::ours))
          went_down(peer, "it gives no sign of life");
        busy = busy || connection->outstanding() > 0;
      }
  if (busy) arm();
}

void Pool::close() {
  closed_ = true;
  ticks_.cancel();
  for (auto& [target, peers] : services_)
    for (auto& [address, peer] : peers.by_address)
      for (const auto& connection : std::vector(peer->connections)) connection->close();
  services_.clear();
}

}  // namespace

std::unique_ptr<Client> make_client(ClientOptions options,
                                    std::vector<asio::any_io_executor> executors) {
  return std::make_unique<Clients>(std::move(options), std::move(executors));
}

}  // namespace sv::rpc
