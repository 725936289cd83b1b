#include "platform/net/http_server.h"

#include <condition_variable>
#include <csignal>
#include <mutex>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "platform/core/task_group.h"
#include "platform/core/tcp_listener.h"
#include "platform/net/http_session.h"

namespace sv::net {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr std::size_t kRefusals = 256;  // connections beyond the limit that are told so at one time

struct Listener {
  HttpWorker worker;
  TcpListener socket;
  Listener(asio::any_io_executor executor, const HttpServerOptions& options, const Handler& handler,
           const ErrorBody& error_body)
      : worker(executor, options.limits, handler, error_body, options.tls.get()),
        socket(executor) {}
};

class BeastServer final : public HttpServer {
 public:
  BeastServer(HttpServerOptions options, std::vector<asio::any_io_executor> executors,
              Handler handler, ErrorBody error_body)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        error_body_(std::move(error_body)) {
    for (auto& executor : executors)
      listeners_.push_back(std::make_unique<Listener>(executor, options_, handler_, error_body_));
  }

  ~BeastServer() override {
    if (started_ && !stopped_) stop(milliseconds(0));
  }

  Result<> start() override {
    std::vector<TcpListener*> sockets;
    for (auto& listener : listeners_) sockets.push_back(&listener->socket);
    SV_TRY(port_, listen_on(options_.host, options_.port, sockets));
    // sendfile(2) has no MSG_NOSIGNAL.
    if (struct sigaction old{}; sigaction(SIGPIPE, nullptr, &old) == 0 && old.sa_handler == SIG_DFL)
      std::signal(SIGPIPE, SIG_IGN);
    started_ = true;
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      Listener* const l = listeners_[i].get();
      group_.spawn(l->worker.executor, [this, l, &its = loop("tick", i)] {
        return supervise(its, [this, l] { return tick(l); });
      });
      running_begins();
      group_.spawn(l->worker.executor,
                   [this, l, &its = loop("accept", i)] { return accept(l, its); });
    }
    return {};
  }

  std::uint16_t port() const override { return port_; }

  void stop(milliseconds grace) override {
    if (!started_ || std::exchange(stopped_, true)) return;
    for (auto& listener : listeners_)
      asio::post(listener->worker.executor, [l = listener.get()] {
        l->worker.draining = true;
        l->socket.drain();
      });
    {
      std::unique_lock lock(mutex_);
      idle_.wait_for(lock, grace, [&] { return running_ == 0; });
    }
    for (auto& listener : listeners_)
      asio::post(listener->worker.executor, [l = listener.get()] { l->worker.cut = true; });
    group_.stop();
    group_.join();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return running_ == 0; });
  }

  std::size_t connections() const override {
    std::lock_guard lock(mutex_);
    return connections_;
  }

  std::size_t in_flight() const override {
    std::size_t sum = 0;
    for (auto& listener : listeners_)
      sum += listener->worker.in_flight.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  // Counts what stop() waits for: accept loops and connections.
  struct Running {
    BeastServer& server;
    explicit Running(BeastServer& s) : server(s) {}
    ~Running() {
      std::lock_guard lock(server.mutex_);
      if (--server.running_ == 0) server.idle_.notify_all();
    }
  };
  SupervisedLoop& loop(std::string_view what, std::size_t listener) {
    Supervisor& supervisor = options_.supervisor ? *options_.supervisor : own_supervisor_;
    return supervisor.loop(fmt::format("{}.{}.{}", options_.name, what, listener + 1));
  }
  void running_begins() {
    std::lock_guard lock(mutex_);
    ++running_;
  }

  Task<Result<>> tick(Listener* l) {
    const HttpLimits& limits = options_.limits;
    auto shortest = std::min({limits.header_timeout, limits.body_idle, limits.keep_alive_idle});
    co_await pause(std::clamp(shortest / 8, milliseconds(5), milliseconds(200)));
    l->worker.tick();
    co_return Result<>{};
  }

  Task<> accept(Listener* l, SupervisedLoop& loop) {
    Running running(*this);
    const TcpListener::Take take = [this, l](tcp::socket socket) { serve(*l, std::move(socket)); };
    co_await supervise_once(loop, [l, &take] { return l->socket.accept("http", take); });
    l->socket.close();
  }

  void serve(Listener& l, tcp::socket accepted) {
    auto socket = std::make_shared<tcp::socket>(std::move(accepted));
    bool room;
    {
      std::lock_guard lock(mutex_);
      room = connections_ < options_.limits.connections;
      if (!room && refusals_ >= kRefusals) return;
      ++(room ? connections_ : refusals_);
      ++running_;
    }
    // The token gives the place back even when the group starts nothing more.
    auto token = std::shared_ptr<void>(nullptr, [this, room](void*) {
      std::lock_guard lock(mutex_);
      --(room ? connections_ : refusals_);
      if (--running_ == 0) idle_.notify_all();
    });
    group_.spawn(l.worker.executor, [worker = &l.worker, socket, token = std::move(token),
                                     room](asio::cancellation_signal& stop) mutable {
      return session(worker, socket, &stop, std::move(token), room);
    });
  }

  static Task<> session(HttpWorker* worker, std::shared_ptr<tcp::socket> socket,
                        asio::cancellation_signal* stop, std::shared_ptr<void> token, bool room) {
    HttpSession session(*worker, std::move(*socket), *stop);
    co_await (room ? session.run() : session.refuse());
  }

  const HttpServerOptions options_;
  metrics::Registry own_metrics_;
  Supervisor own_supervisor_{own_metrics_};
  const Handler handler_;
  const ErrorBody error_body_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::uint16_t port_ = 0;
  bool started_ = false, stopped_ = false;

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t running_ = 0, connections_ = 0, refusals_ = 0;
  TaskGroup group_{"http"};
};

}  // namespace

std::unique_ptr<HttpServer> make_http_server(HttpServerOptions options,
                                             std::vector<asio::any_io_executor> executors,
                                             Handler handler, ErrorBody error_body) {
  return std::make_unique<BeastServer>(std::move(options), std::move(executors), std::move(handler),
                                       std::move(error_body));
}

}  // namespace sv::net
