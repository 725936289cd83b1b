#include "platform/rpc/pool.h"

#include <algorithm>
#include <cmath>

#include "platform/core/log.h"
#include "platform/core/supervisor.h"
#include "platform/rpc/dial.h"
#include "platform/rpc/metadata.h"

namespace sv::rpc {
namespace {

using std::chrono::milliseconds;
using Steady = FrameStream::Steady;
using How = Outcome::How;

constexpr milliseconds kLook{50}, kProbePause{250};
constexpr milliseconds kForeignFor{60'000};  // then it is asked again: it may have been replaced
constexpr std::size_t kAttempts = 2;         // of a read that was sent
// Calls more than another instance has: the caller's own one is spared.
constexpr std::size_t kMuch = 16;

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
  const std::uint64_t h = mix(static_cast<std::uint64_t>(caller.value) ^ peer.hash);
  const double unit = (static_cast<double>(h >> 11) + 0.5) * 0x1p-53;
  return -peer.weight / std::log(unit);
}

}  // namespace

std::shared_ptr<Health> PoolShare::health_of(const std::string& service,
                                             const std::string& address) {
  std::lock_guard lock(mutex_);
  auto& health = healths_[{service, address}];
  if (!health) health = std::make_shared<Health>(service, address);
  return health;
}

int Pool::draw(int below) { return static_cast<int>(mix(++drawn_) % static_cast<unsigned>(below)); }

Task<Result<std::string>> Pool::call(const Ctx* ctx, Method method, std::string_view payload,
                                     const Target* target) {
  const Deadline deadline = std::min(ctx->deadline, Steady::now() + share_.options.deadline);
  Peers& peers = services_[target];
  std::vector<Peer*> tried;
  Error error{.code = Errc::unavailable,
              .token = target->service + "_unavailable",
              .field = {},
              .detail = {}};
  for (std::size_t sent = 0; sent < kAttempts && !closed_;) {
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
      peer = std::make_shared<Peer>(share_.health_of(target.service, instance.address), executor_);
      peer->hash = hash_of(instance.address);
    }
    peer->weight = std::max(instance.weight, 1);
  }
  for (auto& [address, gone] : before)
    for (const auto& connection : std::vector(gone->connections)) {
      connection->leave();
      leaving_.push_back(connection);
    }
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
  if (outcome.how == How::late) {
    peer->breakers[std::string(method.name)].failed(Steady::now());
  } else if (outcome.how == How::answered) {
    const auto it = peer->breakers.find(method.name);
    if (it != peer->breakers.end()) it->second.succeeded();
  }
  co_return outcome;
}

Task<std::shared_ptr<Connection>> Pool::connection(const std::shared_ptr<Peer>& peer) {
  const auto deadline = Steady::now() + 2 * share_.options.connect;
  for (;;) {
    if (peer->health->down || Steady::now() > deadline) co_return nullptr;
    std::erase_if(peer->connections, [](const auto& c) { return !c->is_open(); });
    std::shared_ptr<Connection> idlest;
    for (const auto& c : peer->connections)
      if (c->usable() && (!idlest || c->outstanding() < idlest->outstanding())) idlest = c;
    if (idlest && (peer->kind == Kind::ours || idlest->outstanding() == 0)) co_return idlest;
    if (peer->connections.size() >= share_.options.connections) co_return nullptr;
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
  const auto state = co_await asio::this_coro::cancellation_state;
  if (made) peer->connections.push_back(made);
  else if (state.cancelled() == asio::cancellation_type::none)  // else the caller gave up
    went_down(peer, "it cannot be reached");
  co_return made;
}

Task<std::shared_ptr<Connection>> Pool::open(const std::shared_ptr<Peer>& peer) {
  const std::string& address = peer->health->address;
  auto made = co_await dial(executor_, address, share_.options.tls.get(), share_.options.connect);
  if (!made) co_return nullptr;
  if (peer->kind == Kind::foreign && Steady::now() - peer->asked < kForeignFor) {
    made->one_at_a_time();
    co_return made;
  }
  switch (co_await greet(executor_, made, address, peer->health->service, share_.options.secrets,
                         share_.options.connect)) {
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
  made = co_await dial(executor_, address, share_.options.tls.get(), share_.options.connect);
  if (made) made->one_at_a_time();
  co_return made;
}

void Pool::went_down(const std::shared_ptr<Peer>& peer, std::string_view why) {
  if (peer->health->down.exchange(true)) return;
  log::warn("rpc", "an instance is not called until it answers",
            {{"address", peer->health->address}, {"why", why}});
  share_.group.spawn(executor_, [this, peer] { return probe(peer); });
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
  ticks_.expires_after(kLook);
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
        if (connection->tick(now, share_.options.silence, peer->kind == Kind::ours))
          went_down(peer, "it gives no sign of life");
        busy = busy || connection->outstanding() > 0;
      }
  std::erase_if(leaving_, [](const auto& c) { return !c->is_open(); });
  for (const auto& connection : std::vector(leaving_)) {
    // Of an instance that nobody names any more only the deadlines count.
    connection->tick(now, share_.options.silence, false);
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
  for (const auto& connection : std::vector(leaving_)) connection->close();
  services_.clear();
  leaving_.clear();
}

}  // namespace sv::rpc
