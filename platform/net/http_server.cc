#include "platform/net/http_server.h"

#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "platform/core/log.h"
#include "platform/core/task_group.h"
#include "platform/net/http_session.h"

namespace sv::net {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr std::size_t kRefusals = 256;  // connections beyond the limit that are told so at one time
constexpr auto kAcceptPause = milliseconds(50);

struct Listener {
  HttpWorker worker;
  tcp::acceptor acceptor;
  Listener(asio::any_io_executor executor, const HttpServerOptions& options, const Handler& handler,
           const ErrorBody& error_body)
      : worker(executor, options.limits, handler, error_body, options.tls.get()),
        acceptor(executor) {}
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
    auto address = parse_host();
    if (!address) return std::unexpected(std::move(address.error()));
    for (auto& listener : listeners_) SV_CHECK(open(*listener, *address));
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
        boost::system::error_code ec;
        l->acceptor.cancel(ec);
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
    return supervisor.loop(fmt::format("http.{}.{}", what, listener + 1));
  }
  void running_begins() {
    std::lock_guard lock(mutex_);
    ++running_;
  }

  Result<asio::ip::address> parse_host() const {
    std::string host = options_.host;
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
      host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    if (host.empty() || host == "*") host = "0.0.0.0";
    boost::system::error_code ec;
    auto address = asio::ip::make_address(host, ec);
    if (ec)
      return fail(Errc::invalid_argument, "listen_invalid",
                  "cannot listen on " + options_.host + ": it is not an IP address");
    return address;
  }

  // The first socket is bound alone, so that a port which another program of this user shares is
  // refused, then opened for ours.
  Result<> open(Listener& listener, const asio::ip::address& address) {
    using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    bool first = listeners_.front().get() == &listener;
    std::uint16_t port = first ? options_.port : port_;
    tcp::endpoint endpoint(address, port);
    boost::system::error_code ec;
    auto& a = listener.acceptor;
    a.open(endpoint.protocol(), ec);
    if (!ec) a.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec && !first) a.set_option(reuse_port(true), ec);
    if (!ec) a.set_option(tcp::no_delay(true), ec);  // accepted sockets inherit it
    if (!ec) a.bind(endpoint, ec);
    if (!ec && first && listeners_.size() > 1) a.set_option(reuse_port(true), ec);
    if (!ec) a.listen(4096, ec);
    if (!ec) a.native_non_blocking(true, ec);
    if (ec) {
      std::string at = options_.host + ":" + std::to_string(port);
      std::string hint = ec == asio::error::address_in_use
                             ? " (another program listens there; choose another with `listen`)"
                             : "";
      for (auto& l : listeners_) {
        boost::system::error_code ignored;
        l->acceptor.close(ignored);
      }
      return fail(Errc::unavailable, "listen_failed",
                  "cannot listen on " + at + ": " + ec.message() + hint);
    }
    if (first) port_ = a.local_endpoint(ec).port();
    return {};
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
    co_await supervise_once(loop, [this, l] { return accept_until_drained(l); });
    boost::system::error_code ec;
    l->acceptor.close(ec);
  }

  Task<Result<>> accept_until_drained(Listener* l) {
    bool complained = false;
    for (;;) {
      int socket =
          ::accept4(l->acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (socket >= 0) {
        complained = false;
        serve(*l, socket);
        continue;
      }
      const int error = errno;
      if (error == EAGAIN || error == EWOULDBLOCK) {
        if (l->worker.draining) co_return Result<>{};  // the backlog is empty
        co_await l->acceptor.async_wait(tcp::acceptor::wait_read,
                                        asio::as_tuple(asio::use_awaitable));
      } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
        if (!std::exchange(complained, true))
          log::error("http", "cannot accept connections", {{"error", std::strerror(error)}});
        co_await pause(kAcceptPause);
      } else if (error == EBADF || error == EINVAL || error == ENOTSOCK) {
        co_return fail(Errc::internal, {}, std::strerror(error));
      }  // else this one connection was lost before it was accepted
    }
  }

  void serve(Listener& l, int descriptor) {
    auto socket = std::make_shared<tcp::socket>(l.worker.executor);
    boost::system::error_code ec;
    socket->assign(l.acceptor.local_endpoint(ec).protocol(), descriptor, ec);
    if (ec) {
      ::close(descriptor);
      return;
    }
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
