#include "platform/rpc/server.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_set>

#include <fmt/format.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "platform/core/log.h"
#include "platform/core/task_group.h"
#include "platform/core/tcp_listener.h"
#include "platform/rpc/frame_stream.h"
#include "platform/rpc/handshake.h"
#include "platform/rpc/metadata.h"

namespace sv::rpc {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr milliseconds kTick{100}, kHandshake{10'000};
constexpr std::size_t kLongestWord = 64;     // of a nonce or a proof
constexpr milliseconds kAfterDeadline{100};  // a handler that gave up in time has answered itself

class Session;

// What the sessions of one loop share.
struct Loop {
  Loop(const ServerOptions& o, const Dispatch& d, asio::any_io_executor e)
      : options(o), dispatch(d), listener(std::move(e)) {}
  const ServerOptions& options;
  const Dispatch& dispatch;
  TcpListener listener;
  std::unordered_set<Session*> sessions;  // open, or with calls that run: they are alive
  bool leaving = false;
  metrics::Counter* calls = nullptr;
  std::shared_ptr<std::atomic<int>> connections;
  std::function<void(int)> count;  // what stop() waits for: connections and calls
};

// One client's connection.
class Session final : public FrameStream {
 public:
  Session(Loop& loop, tcp::socket socket, std::unique_ptr<net::TlsConnection> tls)
      : FrameStream(std::move(socket), std::move(tls)), loop_(loop), proven_(loop.options.tls) {
    boost::system::error_code ec;
    const auto peer = this->socket().remote_endpoint(ec).address();
    if (!ec && loop_.options.trusts) trusted_ = loop_.options.trusts(peer);
    loop_.sessions.insert(this);
  }

  void tick(Steady::time_point now) {
    end_calls(now - kAfterDeadline);
    const auto patience = is_secured() ? loop_.options.idle : kHandshake;
    if (running_.empty() && now - last_received() > patience) close();
  }

  // Stops those that should have ended before.
  void end_calls(Steady::time_point before) {
    for (Call* call : std::vector(running_.begin(), running_.end()))
      if (running_.contains(call) && call->ctx.deadline <= before)
        call->stop.emit(asio::cancellation_type::terminal);
  }

  void end() {
    end_calls(Steady::time_point::max());
    close();
  }

  // A peer that knows the word closes the connection itself, when its calls are answered. Others
  // learn it from the answers that they wait for.
  void leave() {
    if (knows_us_) send(Framing::ttheader, {}, text_call(kLeave, {}, MessageType::oneway));
    else if (running_.empty()) close_when_sent();
  }

 private:
  struct Call {
    std::shared_ptr<Session> session;
    Framing framing;
    std::uint32_t seqid = 0;
    bool service_named = false;
    std::string payload;
    Ctx ctx;
    asio::cancellation_signal stop;
  };

  Next on_frame(const Frame& frame) override {
    Reader in(frame.payload);
    MessageHead head;
    if (!read_head(in, head)) {
      close();
      return Next::frame;
    }
    if (head.method.starts_with(kOwnMethods)) {
      own_method(frame, head);
      return Next::frame;
    }
    const bool ordered = frame.framing == Framing::framed || frame.framing == Framing::buffered;
    begin(frame);
    // Without a number in the frame answers go by their order.
    const bool hold = !running_.empty() && (ordered || running_.size() >= loop_.options.calls);
    waits_ = hold;
    return hold ? Next::hold : Next::frame;
  }

  // Nobody waits for what its calls would answer, but they go on to their ends, in time.
  void on_closed() override {
    --*loop_.connections;
    loop_.count(-1);
    leave_loop_when_done();
  }

  void leave_loop_when_done() {
    if (!is_open() && running_.empty()) loop_.sessions.erase(this);
  }

  void own_method(const Frame& frame, const MessageHead& head) {
    const auto answer = [&](std::string payload) {
      send(frame.framing, {.seqid = frame.header.seqid}, payload);
    };
    MessageHead call;
    const auto text = read_text_call(frame.payload, call);
    if (!text || text->size() > kLongestWord) return close();
    if (head.method == kPing) return answer(bool_reply(call, true));
    if (head.method == kHello) {
      knows_us_ = true;
      client_nonce_ = *text;
      server_nonce_ = new_nonce();
      const auto& secrets = loop_.options.secrets;
      return answer(
          hello_reply(call,
                      server_nonce_ + (secrets.empty() ? std::string()
                                                       : proof(Side::server, secrets.front(),
                                                               client_nonce_, server_nonce_)),
                      loop_.options.service));
    }
    if (head.method == kProve && !server_nonce_.empty()) {
      const bool good =
          proves(*text, Side::client, loop_.options.secrets, client_nonce_, server_nonce_);
      server_nonce_.clear();  // one try a nonce
      proven_ = proven_ || good;
      return answer(bool_reply(call, good));
    }
    answer(exception_message(call, ExceptionType::unknown_method,
                             fmt::format("unknown method {}", head.method)));
    close_when_sent();
  }

  void begin(const Frame& frame) {
    auto call = std::make_shared<Call>();
    call->session = std::static_pointer_cast<Session>(shared_from_this());
    call->framing = frame.framing;
    call->seqid = frame.header.seqid;
    call->service_named = !frame.header.find("isn").empty();
    call->payload = frame.payload;
    take_deadline(frame.header, call->ctx, Steady::now(), loop_.options.deadline);
    if (proven_) take_metadata(frame.header, call->ctx);
    else call->ctx.actor = trusted_ ? Actor::field : Actor::none;
    call->ctx.uncertain = std::make_shared<std::atomic<bool>>(false);
    running_.insert(call.get());
    if (loop_.calls) loop_.calls->add();
    loop_.count(1);
    // Owned by the session, which the server's stop() waits for. It begins at once.
    Call& its = *call;
    asio::co_spawn(
        socket().get_executor(), serve(call),
        asio::bind_cancellation_slot(its.stop.slot(), [call](const std::exception_ptr& error) {
          if (error) call->session->answer(*call, {.payload = {}, .close = true});
          call->session->loop_.count(-1);
        }));
  }

  static Task<> serve(std::shared_ptr<Call> call) {
    Session& session = *call->session;
    Served served = co_await session.loop_.dispatch(call->ctx, call->payload, call->service_named);
    session.answer(*call, std::move(served));
  }

  void answer(Call& call, Served served) {
    if (running_.erase(&call) == 0) return;  // answered
    leave_loop_when_done();
    TtHeader header{.seqid = call.seqid};
    if (loop_.leaving && !knows_us_) {
      header.strings.emplace_back("crrst", "1");
      served.close = served.close || running_.empty();
    }
    if (!served.payload.empty() && !send(call.framing, header, served.payload)) close();
    if (served.close) close_when_sent();
    if (std::exchange(waits_, false)) resume();
  }

  Loop& loop_;
  std::unordered_set<Call*> running_;
  bool trusted_ = false, knows_us_ = false, waits_ = false;
  bool proven_;  // of the cluster: by its certificate, or by a secret
  std::string client_nonce_, server_nonce_;
};

class TcpServer final : public Server {
 public:
  TcpServer(ServerOptions options, std::vector<asio::any_io_executor> executors, Dispatch dispatch)
      : options_(std::move(options)), dispatch_(std::move(dispatch)) {
    if (options_.metrics) {
      options_.metrics->watch("shortvideo_rpc_connections", "Open connections of callers",
                              [n = connections_] { return static_cast<double>(n->load()); },
                              {{"service", options_.service}});
    }
    for (auto& executor : executors) {
      Loop& loop = *loops_.emplace_back(std::make_unique<Loop>(options_, dispatch_, executor));
      loop.count = [this](int by) { count(by); };
      loop.connections = connections_;
      if (options_.metrics)
        loop.calls = &options_.metrics->counter("shortvideo_rpc_calls_total", "Calls served",
                                                {{"service", options_.service}});
    }
  }
  ~TcpServer() override {
    if (started_ && !stopped_) stop(milliseconds(0));
  }

  Result<> start() override {
    std::vector<TcpListener*> listeners;
    for (auto& loop : loops_) listeners.push_back(&loop->listener);
    SV_TRY(port_, listen_on(options_.host, options_.port, listeners));
    started_ = true;
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      Loop* const loop = loops_[i].get();
      group_.spawn(loop->listener.executor(), [loop, &its = supervised("tick", i)] {
        return supervise(its, [loop] { return tick(loop); });
      });
      group_.spawn(loop->listener.executor(),
                   [this, loop, &its = supervised("accept", i)] { return accept(loop, its); });
    }
    return {};
  }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override {
    return static_cast<std::size_t>(connections_->load());
  }

  void stop(milliseconds grace) override {
    if (!started_ || std::exchange(stopped_, true)) return;
    on_each_loop([](Loop& loop) {
      loop.listener.drain();
      loop.leaving = true;
      for (Session* session : std::vector(loop.sessions.begin(), loop.sessions.end()))
        session->leave();
    });
    {
      std::unique_lock lock(mutex_);
      idle_.wait_for(lock, grace, [&] { return busy_ == 0; });
    }
    on_each_loop([](Loop& loop) {
      for (Session* session : std::vector(loop.sessions.begin(), loop.sessions.end()))
        session->end();
    });
    group_.stop();
    group_.join();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return busy_ == 0; });
  }

 private:
  SupervisedLoop& supervised(std::string_view what, std::size_t i) {
    Supervisor& supervisor = options_.supervisor ? *options_.supervisor : own_supervisor_;
    return supervisor.loop(fmt::format("rpc.{}.{}.{}", options_.service, what, i + 1));
  }

  // Blocks until each has run it.
  void on_each_loop(void (*work)(Loop&)) {
    std::size_t left = loops_.size();
    std::mutex mutex;
    std::condition_variable done;
    for (auto& loop : loops_)
      asio::post(loop->listener.executor(), [&, l = loop.get()] {
        work(*l);
        std::lock_guard lock(mutex);
        if (--left == 0) done.notify_one();
      });
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return left == 0; });
  }

  static Task<Result<>> tick(Loop* loop) {
    co_await pause(kTick);
    const auto now = FrameStream::Steady::now();
    for (Session* session : std::vector(loop->sessions.begin(), loop->sessions.end()))
      session->tick(now);
    co_return Result<>{};
  }

  Task<> accept(Loop* loop, SupervisedLoop& supervised) {
    const TcpListener::Take take = [this, loop](tcp::socket socket) {
      if (connections() >= options_.connections) return;  // its end says so
      ++*connections_;
      count(1);
      auto tls = options_.tls ? options_.tls->accept(socket.native_handle()) : nullptr;
      std::make_shared<Session>(*loop, std::move(socket), std::move(tls))->start();
    };
    co_await supervise_once(supervised,
                            [loop, &take] { return loop->listener.accept("rpc", take); });
    loop->listener.close();
  }

  void count(int by) {
    std::lock_guard lock(mutex_);
    if ((busy_ += by) == 0) idle_.notify_all();
  }

  const ServerOptions options_;
  const Dispatch dispatch_;
  metrics::Registry own_metrics_;
  Supervisor own_supervisor_{own_metrics_};
  std::vector<std::unique_ptr<Loop>> loops_;
  TaskGroup group_{"rpc"};
  std::mutex mutex_;
  std::condition_variable idle_;
  int busy_ = 0;
  const std::shared_ptr<std::atomic<int>> connections_ = std::make_shared<std::atomic<int>>(0);
  std::uint16_t port_ = 0;
  bool started_ = false, stopped_ = false;
};

}  // namespace

std::unique_ptr<Server> make_server(ServerOptions options,
                                    std::vector<asio::any_io_executor> executors,
                                    Dispatch dispatch) {
  return std::make_unique<TcpServer>(std::move(options), std::move(executors), std::move(dispatch));
}

}  // namespace sv::rpc
