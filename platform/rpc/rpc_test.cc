// Our client and our server, and what stands in for servers that are not ours.
#include <csignal>

#include <gtest/gtest.h>
#include <boost/asio/write.hpp>

#include "platform/core/supervisor.h"
#include "platform/net/tls_testing.h"
#include "platform/rpc/breaker.h"
#include "platform/rpc/client.h"
#include "platform/rpc/handshake.h"
#include "platform/rpc/rpc_testing.h"
#include "platform/rpc/ttheader.h"

namespace sv::rpc {
namespace {

using namespace std::chrono_literals;

Ctx asked_by(std::int64_t person) {
  Ctx ctx;
  ctx.caller = UserId{person};
  return ctx;
}

struct Node {
  explicit Node(TestLoop& loop, ServerOptions options = {}) {
    server = make_server(
        std::move(options), {loop.executor()},
        [this](const Ctx& ctx, std::string_view payload, bool) { return serve(ctx, payload); });
    const auto started = server->start();
    EXPECT_TRUE(started) << started.error().detail;
  }
  Task<Served> serve(const Ctx& ctx, std::string_view payload) {
    Reader in(payload);
    MessageHead head;
    read_head(in, head);
    ++calls;
    caller = ctx.caller.value;
    if (head.method == "GetSlow" || head.method == "Write") co_await pause(300ms);
    try {
      if (head.method == "GetNever") co_await pause(1h);
    } catch (const boost::system::system_error&) {  // stopped, and answered as a dispatcher does
    }
    co_return Served{.payload = bool_answer(head, true)};
  }
  Instance at() const { return {.address = "127.0.0.1:" + std::to_string(server->port())}; }

  std::atomic<int> calls{0};
  std::atomic<std::int64_t> caller{0};
  std::unique_ptr<Server> server;
};

struct RpcClient : ::testing::Test {
  TestLoop loop, far;
  InstanceList list;
  std::unique_ptr<Client> client;

  void start(std::vector<Instance> instances, ClientOptions options = {}) {
    list.set(std::move(instances));
    client = make_client(std::move(options), {loop.executor()});
  }
  ~RpcClient() override { client.reset(); }

  Result<bool> call(std::string_view method, Ctx ctx = {}, bool read = true) {
    auto answered = loop.run(client->to("user", list).call(ctx, {method, read}, call_of(method)));
    if (!answered) return std::unexpected(answered.error());
    return read_bool_reply(*answered, method);
  }
};

TEST_F(RpcClient, ReachesAnInstanceAndSaysWhoAsks) {
  Node node(far, {.secrets = {"secret"}});
  start({node.at()}, {.secrets = {"secret"}});
  EXPECT_TRUE(call("GetIt", asked_by(42)).value());
  EXPECT_EQ(node.caller, 42);
}

TEST_F(RpcClient, DoesNotCallWhoLacksTheSecret) {
  Node node(far, {.secrets = {"another"}});
  start({node.at()}, {.secrets = {"secret"}});
  EXPECT_EQ(call("GetIt").error().code, Errc::unavailable);
  EXPECT_EQ(node.calls, 0);
}

// A registry names for a while who died; the port may be another service's by then.
TEST_F(RpcClient, DoesNotCallAnotherServiceAtTheAddress) {
  Node other(far, {.service = "video"});
  start({other.at()});
  EXPECT_EQ(call("GetIt").error().code, Errc::unavailable);
  EXPECT_EQ(other.calls, 0);
  Node right(far, {.service = "user"});
  list.set({other.at(), right.at()});
  EXPECT_TRUE(call("GetIt").value());
  // Who asks for that service there is not kept away by this.
  auto answered = loop.run(client->to("video", list).call({}, {"GetIt", true}, call_of("GetIt")));
  EXPECT_TRUE(answered && read_bool_reply(*answered, "GetIt").value());
}

TEST_F(RpcClient, OverTlsWhoShowsACertificateOfTheAuthorityIsBelieved) {
  std::signal(SIGPIPE, SIG_IGN);
  net::TestCertificate own, other;
  own.make("cluster");
  other.make("somebody else");
  const auto identity = net::TlsIdentity::load(own.certificate, own.key, own.certificate).value();
  const auto stranger =
      net::TlsIdentity::load(other.certificate, other.key, other.certificate).value();
  Node node(far, {.tls = identity});
  start({node.at()}, {.tls = identity});
  EXPECT_TRUE(call("GetIt", asked_by(42)).value());
  EXPECT_EQ(node.caller, 42);
  Channel& channel = client->to("user", list);
  const Ctx ctx;
  std::vector<std::future<Result<std::string>>> calls;
  for (int i = 0; i < 100; ++i)
    calls.push_back(asio::co_spawn(
        loop.executor(), channel.call(ctx, {"GetIt", true}, call_of("GetIt")), asio::use_future));
  for (auto& one : calls) EXPECT_TRUE(one.get());
  const int served = node.calls;
  for (const auto& tls : {stranger, std::shared_ptr<net::TlsIdentity>()}) {
    client = nullptr;
    client = make_client({.tls = tls, .connect = 200ms}, {loop.executor()});
    EXPECT_EQ(call("GetIt").error().code, Errc::unavailable);
  }
  EXPECT_EQ(node.calls, served);
}

TEST_F(RpcClient, NobodyThereIsUnavailableAtOnce) {
  start({});
  const auto failed = call("GetIt");
  EXPECT_EQ(failed.error().code, Errc::unavailable);
  EXPECT_EQ(failed.error().token, "user_unavailable");
}

TEST_F(RpcClient, ManyCallsShareAConnection) {
  Node node(far);
  start({node.at()});
  std::vector<std::future<Result<std::string>>> calls;
  Channel& channel = client->to("user", list);
  const Ctx ctx;
  for (int i = 0; i < 200; ++i)
    calls.push_back(asio::co_spawn(loop.executor(),
                                   channel.call(ctx, {"GetSlow", true}, call_of("GetSlow")),
                                   asio::use_future));
  for (auto& one : calls) EXPECT_TRUE(one.get());
  EXPECT_EQ(node.server->connections(), 1u);
}

TEST_F(RpcClient, ADeadlineEndsTheCallHereAndThere) {
  Node node(far);
  start({node.at()});
  Ctx ctx;
  ctx.deadline = std::chrono::steady_clock::now() + 100ms;
  EXPECT_EQ(call("GetNever", ctx).error().code, Errc::deadline_exceeded);
  node.server->stop(5s);  // would wait for a call that goes on
}

TEST_F(RpcClient, AMethodThatIsAlwaysLateRestsWhileOthersAreCalled) {
  Node node(far);
  start({node.at()});
  const auto late = [&] {
    Ctx ctx;
    ctx.deadline = std::chrono::steady_clock::now() + 20ms;
    return call("GetNever", ctx).error().code;
  };
  for (int i = 0; i < Breaker::kFailures; ++i) EXPECT_EQ(late(), Errc::deadline_exceeded) << i;
  const int asked = node.calls;
  EXPECT_EQ(late(), Errc::unavailable);
  EXPECT_EQ(node.calls, asked);
  EXPECT_TRUE(call("GetIt"));
}

TEST_F(RpcClient, AnInstanceThatIsGoneCostsNoRead) {
  auto one = std::make_unique<Node>(far);
  Node other(far);
  start({one->at(), other.at()});
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(call("GetIt"));
  one->server->stop(0s);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(call("GetIt")) << i;
  // A write that could not be sent goes elsewhere too.
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(call("Write", {}, false)) << i;
}

TEST_F(RpcClient, AnInstanceThatStopsInTheMiddleOfCallsFailsNone) {
  auto one = std::make_unique<Node>(far);
  Node other(far);
  start({one->at(), other.at()});
  Channel& channel = client->to("user", list);
  const Ctx ctx;
  std::vector<std::future<Result<std::string>>> calls;
  for (int i = 0; i < 50; ++i)
    calls.push_back(asio::co_spawn(
        loop.executor(), channel.call(ctx, {"Write", false}, call_of("Write")), asio::use_future));
  while (one->calls == 0) std::this_thread::yield();
  one->server->stop(5s);
  for (auto& call : calls) EXPECT_TRUE(call.get());
}

TEST_F(RpcClient, AWriteWhoseAnswerIsLostIsNotSentAgain) {
  auto one = std::make_unique<Node>(far);
  start({one->at()});
  Channel& channel = client->to("user", list);
  const Ctx ctx;
  auto writing = asio::co_spawn(
      loop.executor(), channel.call(ctx, {"Write", false}, call_of("Write")), asio::use_future);
  while (one->calls == 0) std::this_thread::yield();
  one->server->stop(0s);
  EXPECT_EQ(writing.get().error().token, "outcome_unknown");
  EXPECT_EQ(one->calls, 1);
}

// A process that is stopped (SIGSTOP): its kernel still takes connections and bytes.
struct Silent {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  Instance at() {
    return {.address = "127.0.0.1:" + std::to_string(acceptor.local_endpoint().port())};
  }
};

TEST_F(RpcClient, ASilentInstanceIsLeftForAnother) {
  Silent silent;
  Node other(far);
  start({silent.at(), other.at()}, {.connect = 100ms, .silence = 100ms});
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(call("GetIt")) << i;
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(call("GetIt"));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s) << "it is still asked";
}

TEST_F(RpcClient, OneThatFallsSilentWithCallsIsLeftAndComesBack) {
  TestLoop its;
  Node one(its);
  Node other(far);
  start({one.at(), other.at()}, {.connect = 100ms, .silence = 100ms});
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(call("GetIt"));
  const int served = one.calls;
  std::promise<void> go_on;
  asio::post(its.executor(), [future = go_on.get_future().share()] { future.wait(); });
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(call("GetIt")) << i;
  go_on.set_value();
  for (int i = 0; i < 200 && one.calls < served + 2; ++i) {
    EXPECT_TRUE(call("GetIt"));
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_GE(one.calls, served + 2);
}

TEST_F(RpcClient, ACallOfAnInstanceThatIsNamedNoMoreEndsAtItsDeadline) {
  TestLoop its;
  Node one(its);
  Node other(far);
  start({one.at()});
  Channel& channel = client->to("user", list);
  Ctx ctx;
  ctx.deadline = std::chrono::steady_clock::now() + 300ms;
  auto waiting =
      asio::co_spawn(loop.executor(), channel.call(ctx, {"GetNever", true}, call_of("GetNever")),
                     asio::use_future);
  while (one.calls == 0) std::this_thread::yield();
  std::promise<void> go_on;
  asio::post(its.executor(), [future = go_on.get_future().share()] { future.wait(); });
  list.set({other.at()});
  EXPECT_TRUE(call("GetIt"));
  const bool ended = waiting.wait_for(3s) == std::future_status::ready;
  EXPECT_TRUE(ended);
  go_on.set_value();
  EXPECT_EQ(waiting.get().error().code, Errc::deadline_exceeded);
}

TEST_F(RpcClient, ASlowAnswerOfALivingInstanceIsWaitedFor) {
  Node node(far);
  start({node.at()}, {.silence = 50ms});
  EXPECT_TRUE(call("Write", {}, false));
  EXPECT_EQ(node.calls, 1);
}

TEST_F(RpcClient, CallersStayWithTheirInstance) {
  Node one(far), other(far);
  start({one.at(), other.at()});
  for (int person = 1; person <= 20; ++person) {
    const int before = one.calls;
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(call("GetIt", asked_by(person)));
    const int here = one.calls - before;
    EXPECT_TRUE(here == 0 || here == 5) << here;
  }
  EXPECT_GT(one.calls, 0);
  EXPECT_GT(other.calls, 0);
}

TEST_F(RpcClient, CallsOfNobodyAreSpreadByWeight) {
  Node one(far), other(far);
  Instance heavy = one.at(), light = other.at();
  heavy.weight = 30;
  start({heavy, light});
  for (int i = 0; i < 400; ++i) EXPECT_TRUE(call("GetIt"));
  EXPECT_NEAR(one.calls, 300, 40);
}

// A Kitex server: it knows no word of ours, says so and closes; one call at a time a connection.
struct Foreign {
  Foreign() : thread([this] { run(); }) {}
  ~Foreign() {
    io.stop();
    thread.join();
  }
  void run() {
    asio::co_spawn(io, accept(), [](const std::exception_ptr&) {});
    io.run();
  }
  Task<> accept() {
    for (;;) {
      auto socket = co_await acceptor.async_accept(asio::use_awaitable);
      asio::co_spawn(io, serve(std::move(socket)), [](const std::exception_ptr&) {});
    }
  }
  Task<> serve(asio::ip::tcp::socket socket) {
    std::string in;
    for (;;) {
      Frame frame;
      std::size_t need = 0;
      while (parse_frame(in, frame, need) != FrameStatus::ready) {
        char bytes[4096];
        in.append(bytes, co_await socket.async_read_some(asio::buffer(bytes), asio::use_awaitable));
      }
      Reader reader(frame.payload);
      MessageHead head;
      read_head(reader, head);
      const bool known = !head.method.starts_with(kOwnMethods);
      if (!frame.header.find("RPC_PERSIST_CALLER").empty()) told = true;
      most = std::max(most.load(), ++running);
      if (known) co_await pause(50ms);
      --running;
      std::string out;
      // Kitex answers with the number of the payload.
      write_frame(out, Framing::ttheader, {.seqid = static_cast<std::uint32_t>(head.seqid)},
                  known ? bool_answer(head, true)
                        : exception_message(head, ExceptionType::unknown_service, "unknown"));
      co_await asio::async_write(socket, asio::buffer(out), asio::use_awaitable);
      if (!known) co_return;
      in.erase(0, frame.size);
    }
  }
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
  std::atomic<int> running{0}, most{0};
  std::atomic<bool> told{false};
  std::thread thread;
};

TEST_F(RpcClient, AForeignServerIsCalledOneAtATimeAndToldNothing) {
  Foreign foreign;
  start({{.address = "127.0.0.1:" + std::to_string(foreign.acceptor.local_endpoint().port())}},
        {.secrets = {"secret"}});
  Channel& channel = client->to("user", list);
  const Ctx ctx = asked_by(7);
  std::vector<std::future<Result<std::string>>> calls;
  for (int i = 0; i < 20; ++i)
    calls.push_back(asio::co_spawn(
        loop.executor(), channel.call(ctx, {"GetIt", true}, call_of("GetIt")), asio::use_future));
  for (auto& one : calls) EXPECT_TRUE(one.get());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(call("GetIt"));
  Ctx hasty;
  hasty.deadline = std::chrono::steady_clock::now() + 10ms;
  EXPECT_EQ(call("GetIt", hasty).error().code, Errc::deadline_exceeded);
  EXPECT_TRUE(call("GetOther")) << "the late answer was taken for this one's";
  EXPECT_GT(foreign.most, 1) << "each call has a connection";
  EXPECT_FALSE(foreign.told);
}

}  // namespace
}  // namespace sv::rpc
