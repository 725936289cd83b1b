#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/adapters/redis_cache.h"
#include "platform/adapters/redis_reply.h"
#include "platform/adapters/redis_scripts.h"
#include "platform/core/task.h"
#include "platform/net/tls.h"

namespace sv {

// One connection and its answers, which come in the order of the commands. On its loop only.
class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  using Answers = Result<std::vector<RedisReply>>;
  using Done = std::move_only_function<void(Answers)>;

  RedisConnection(asio::any_io_executor executor, RedisAddress address,
                  std::chrono::milliseconds timeout);
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Connects, with `tls` over TLS. Never cancelled: who opens one does so for many.
  Task<Result<>> open(const net::TlsAuthority* tls);
  // `unavailable` when the answers did not come in time: the connection is closed then.
  Task<Answers> ask(std::string commands, std::size_t answers);
  // The same for who waits for several connections; `done` is never called from within.
  void ask(std::string commands, std::size_t answers, Done done);
  // From now on nothing is asked any more: all that comes is heard, until it is closed.
  void listen(std::move_only_function<void(RedisReply)> hear,
              std::move_only_function<void()> closed);
  void send(std::string_view commands);
  void close();
  bool is_open() const { return open_; }
  const RedisAddress& address() const { return address_; }

  // By the script's place in kRedisScripts; empty: the server did not tell.
  std::array<std::string, kRedisScripts.size()> script_names;

 private:
  using Step = net::TlsConnection::Step;
  struct Waiting {
    std::size_t wanted;
    std::chrono::steady_clock::time_point deadline;
    Done done;
    std::vector<RedisReply> answers{};
  };
  // Keeps the connection for an operation of the loop. When the loop ends, operations go without
  // having been told: then those that wait go too, who may keep the connection in their turn.
  class Kept {
   public:
    explicit Kept(std::shared_ptr<RedisConnection> c) : connection_(std::move(c)) {}
    ~Kept() {
      if (connection_) connection_->abandon();
    }
    Kept(Kept&&) = default;
    Kept& operator=(Kept&&) = delete;
    std::shared_ptr<RedisConnection> take() { return std::exchange(connection_, nullptr); }

   private:
    std::shared_ptr<RedisConnection> connection_;
  };
  void abandon();
  Task<boost::system::error_code> connect();
  Task<Result<>> secure(const net::TlsAuthority& tls);
  void wait_for(Step step, void (RedisConnection::*then)());
  void flush_soon();  // what many requests ask goes out together
  void flush();
  void write_on();
  // How much went out; nullopt: it goes on later, or the connection is closed.
  std::optional<std::size_t> write(std::string_view bytes);
  void read();
  void read_tls();
  void take_in(std::size_t got);
  void answer(RedisReply reply);
  void watch();

  const RedisAddress address_;
  const std::chrono::milliseconds timeout_;
  asio::ip::tcp::socket socket_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer timer_;
  std::unique_ptr<net::TlsConnection> tls_;
  RedisReader reader_;
  std::string out_;
  std::size_t sent_ = 0;
  std::vector<char> in_;
  std::deque<Waiting> waiting_;
  std::move_only_function<void(RedisReply)> hear_;
  std::move_only_function<void()> closed_;
  bool open_ = false, opening_ = false, writing_ = false, watching_ = false, flush_posted_ = false;
};

}  // namespace sv
