#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "platform/adapters/redis_cache.h"
#include "platform/adapters/redis_connection.h"
#include "platform/core/fd.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"

// Redis servers of the tests' own, each a process in a temporary folder.
namespace sv::testing {

inline bool redis_is_installed() {
  std::string_view path = std::getenv("PATH") ? std::getenv("PATH") : "";
  while (!path.empty()) {
    const auto folder = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), folder.size() + 1));
    if (::access(fmt::format("{}/redis-server", folder).c_str(), X_OK) == 0) return true;
  }
  return false;
}

inline std::uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  (void)::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), size);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size);
  return ntohs(at.sin_port);
}

// What the server at the port says to one command; an error when there is none.
inline Result<RedisReply> say(std::uint16_t port, std::vector<std::string_view> parts) {
  const auto question = [](std::uint16_t to, std::string bytes) -> Task<Result<RedisReply>> {
    auto connection = std::make_shared<RedisConnection>(
        co_await asio::this_coro::executor,
        RedisAddress{.host = "127.0.0.1", .port = std::to_string(to)}, std::chrono::seconds(5));
    SV_CO_CHECK(co_await connection->open(nullptr));
    auto said = co_await connection->ask(std::move(bytes), 1);
    connection->close();
    if (!said) co_return std::unexpected(said.error());
    co_return std::move(said->front());
  };
  return run_task(question(port, redis_command(parts)));
}

// Until it is so, or the test has failed.
inline bool eventually(const std::function<bool()>& so,
                       std::chrono::seconds at_most = std::chrono::seconds(15)) {
  const auto end = std::chrono::steady_clock::now() + at_most;
  while (std::chrono::steady_clock::now() < end) {
    if (so()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

class RedisProcess {
 public:
  // `arguments` are those of redis-server; with `port` it listens there without TLS.
  explicit RedisProcess(std::vector<std::string> arguments, std::uint16_t port = free_port())
      : port_(port), arguments_(std::move(arguments)) {
    start();
  }
  ~RedisProcess() { stop(); }
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;

  void start() {
    std::vector<std::string> words{"redis-server"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    for (const auto& word : {"--port", "", "--bind", "127.0.0.1", "--save", "", "--dir", ""})
      words.emplace_back(word);
    words[words.size() - 7] = std::to_string(port_);
    words.back() = folder_.path().string();
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int nowhere = ::open("/dev/null", O_RDWR);
      for (const int fd : {0, 1, 2}) ::dup2(nowhere, fd);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    EXPECT_TRUE(eventually([this] { return say(port_, {"PING"}).has_value(); }));
  }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  std::uint16_t port() const { return port_; }
  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  std::string url() const { return "redis://" + address(); }

 private:
  const std::uint16_t port_;
  const std::vector<std::string> arguments_;
  TempDir folder_;
  pid_t pid_ = 0;
};

// Three masters, each with a third of the slots.
class RedisClusterProcesses {
 public:
  static constexpr std::size_t kNodes = 3;

  RedisClusterProcesses() {
    for (std::size_t i = 0; i < kNodes; ++i) {
      bus_.push_back(free_port());
      nodes_.push_back(std::make_unique<RedisProcess>(std::vector<std::string>{
          "--cluster-enabled", "yes", "--cluster-port", std::to_string(bus_[i]),
          "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"}));
    }
    for (std::size_t i = 0; i < kNodes; ++i) {
      const auto first = std::to_string(first_slot(i)),
                 last = std::to_string(first_slot(i + 1) - 1);
      EXPECT_OK(say(port(i), {"CLUSTER", "ADDSLOTSRANGE", first, last}));
      EXPECT_OK(say(port(i), {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}));
      if (i > 0)
        EXPECT_OK(say(port(0), {"CLUSTER", "MEET", "127.0.0.1", std::to_string(port(i)),
                                std::to_string(bus_[i])}));
    }
    for (std::size_t i = 0; i < kNodes; ++i)
      EXPECT_TRUE(eventually([&] { return knows_all(i); })) << "node " << i;
  }

  RedisProcess& node(std::size_t i) { return *nodes_[i]; }
  std::uint16_t port(std::size_t i) const { return nodes_[i]->port(); }
  std::string id(std::size_t i) const { return say(port(i), {"CLUSTER", "MYID"})->text; }
  static std::size_t first_slot(std::size_t node) { return node * 16'384 / kNodes; }
  std::string url() const {
    return fmt::format("redis+cluster://{},{}", nodes_[0]->address(), nodes_[1]->address());
  }

 private:
  bool knows_all(std::size_t i) const {
    const auto info = say(port(i), {"CLUSTER", "INFO"});
    return info && info->text.contains("cluster_state:ok") &&
           info->text.contains("cluster_slots_ok:16384");
  }

  std::vector<std::uint16_t> bus_;
  std::vector<std::unique_ptr<RedisProcess>> nodes_;
};

// A master, its replica and a sentinel that does not wait long.
class RedisSentinelProcesses {
 public:
  RedisSentinelProcesses() {
    EXPECT_TRUE(eventually([this] {
      const auto known = say(sentinel_->port(), {"SENTINEL", "replicas", "cache"});
      const auto role = say(replica_.port(), {"ROLE"});
      return known && known->list.size() == 1 && role && role->list.size() > 3 &&
             role->list[3].text == "connected";
    }));
  }

  RedisProcess& master() { return master_; }
  RedisProcess& replica() { return replica_; }
  std::string url() const {
    // The first is nobody.
    return fmt::format("redis+sentinel://127.0.0.1:{},{}/cache", nobody_, sentinel_->address());
  }

 private:
  std::unique_ptr<RedisProcess> start_sentinel() {
    const std::string file = folder_ / "sentinel.conf";
    FILE* out = std::fopen(file.c_str(), "w");
    fmt::print(out,
               "sentinel monitor cache 127.0.0.1 {} 1\n"
               "sentinel down-after-milliseconds cache 200\n"
               "sentinel failover-timeout cache 1000\n",
               master_.port());
    std::fclose(out);
    return std::make_unique<RedisProcess>(std::vector<std::string>{file, "--sentinel"});
  }

  TempDir folder_;
  const std::uint16_t nobody_ = free_port();
  RedisProcess master_{{"--repl-diskless-sync-delay", "0"}};
  RedisProcess replica_{{"--replicaof", "127.0.0.1", std::to_string(master_.port())}};
  std::unique_ptr<RedisProcess> sentinel_ = start_sentinel();
};

// A cache with two loops of its own and, unless told otherwise, keys that nobody else has.
class RedisForTests final : public Cache {
 public:
  explicit RedisForTests(RedisOptions options) {
    static std::atomic<int> number{0};
    if (options.prefix == RedisOptions().prefix)
      options.prefix = fmt::format("test-{}-{}:", ::getpid(), number++);
    options.metrics = &metrics;
    cache_ = make_redis_cache(std::move(options), {one_.get_executor(), other_.get_executor()});
  }
  explicit RedisForTests(std::string_view url) : RedisForTests(parse_redis_url(url).value()) {}
  ~RedisForTests() override {
    for (auto* io : {&one_, &other_}) io->stop();
    for (auto& thread : threads_) thread.join();
  }
  bool shared() const override { return cache_->shared(); }
  Task<Result<std::vector<std::optional<std::string>>>> get_many(
      std::span<const std::string> keys) override {
    return cache_->get_many(keys);
  }
  Task<Result<>> set(std::string_view key, std::string value,
                     std::chrono::milliseconds ttl) override {
    return cache_->set(key, std::move(value), ttl);
  }
  Task<Result<>> remove(std::string_view key) override { return cache_->remove(key); }
  Task<Result<>> add_bits(std::string_view key, std::uint64_t bits,
                          std::chrono::milliseconds ttl) override {
    return cache_->add_bits(key, bits, ttl);
  }
  Task<Result<bool>> set_if_absent(std::string_view key, std::string value,
                                   std::chrono::milliseconds ttl) override {
    return cache_->set_if_absent(key, std::move(value), ttl);
  }
  Task<Result<bool>> set_if_newer(std::string_view key, std::string value, std::int64_t revision,
                                  std::chrono::milliseconds ttl) override {
    return cache_->set_if_newer(key, std::move(value), revision, ttl);
  }
  Task<Result<Taken>> take(std::string_view key, double rate, std::int64_t burst,
                           std::int64_t cost) override {
    return cache_->take(key, rate, burst, cost);
  }
  Task<Result<>> publish(std::string_view channel, std::string message) override {
    return cache_->publish(channel, std::move(message));
  }
  std::unique_ptr<Subscription> subscribe(std::string channel, Listener listener) override {
    return cache_->subscribe(std::move(channel), std::move(listener));
  }

  // What its loops were told before has begun.
  void settle() {
    for (auto* io : {&one_, &other_}) {
      std::promise<void> reached;
      asio::post(*io, [&] { reached.set_value(); });
      reached.get_future().wait();
    }
  }

  metrics::Registry metrics;

 private:
  asio::io_context one_{1}, other_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guards_[2] = {
      asio::make_work_guard(one_), asio::make_work_guard(other_)};
  std::unique_ptr<Cache> cache_;
  std::thread threads_[2] = {std::thread([this] { one_.run(); }),
                             std::thread([this] { other_.run(); })};
};

}  // namespace sv::testing
