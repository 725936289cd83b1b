#include "platform/rpc/server.h"

#include <gtest/gtest.h>
#include <boost/asio/write.hpp>

#include "platform/core/supervisor.h"
#include "platform/rpc/handshake.h"
#include "platform/rpc/rpc_testing.h"
#include "platform/rpc/ttheader.h"

namespace sv::rpc {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

MessageHead head_of(std::string_view payload) {
  Reader in(payload);
  MessageHead head;
  read_head(in, head);
  return head;
}

// "Slow" takes 300 ms, "Never" waits until it is stopped, everything else answers true at once.
Task<Served> serve(const Ctx&, std::string_view payload, bool) {
  const MessageHead head = head_of(payload);
  if (head.method == "Slow") co_await pause(300ms);
  if (head.method == "Never") co_await pause(1h);
  co_return Served{.payload = bool_answer(head, true)};
}

struct RpcServer : ::testing::Test {
  TestLoop loop;
  std::unique_ptr<Server> server;

  void start(ServerOptions options = {}, Dispatch dispatch = serve) {
    server = make_server(std::move(options), {loop.executor()}, std::move(dispatch));
    const auto started = server->start();
    ASSERT_TRUE(started) << started.error().detail;
  }
  ~RpcServer() override { server.reset(); }

  static std::string ttheader(std::uint32_t seqid, std::string_view method,
                              std::vector<std::pair<std::string, std::string>> strings = {},
                              std::vector<std::pair<std::uint16_t, std::string>> ints = {}) {
    std::string out;
    write_frame(out, Framing::ttheader,
                {.seqid = seqid, .ints = std::move(ints), .strings = std::move(strings)},
                call_of(method));
    return out;
  }
  // The next whole frame of a connection.
  static std::pair<std::uint32_t, std::string> answer(RawClient& client) {
    std::string bytes = client.read(6);
    for (;;) {
      Frame frame;
      std::size_t need = 0;
      const auto status = parse_frame(bytes, frame, need);
      if (status == FrameStatus::ready) return {frame.header.seqid, std::string(frame.payload)};
      if (status == FrameStatus::broken || bytes.size() < 6) return {0, {}};
      const std::string more = client.read(need - bytes.size());
      if (more.empty()) return {0, {}};
      bytes += more;
    }
  }
};

constexpr std::string_view kVerify =
    "00000030 1000 0000 00000001 0001 00000000 | 80010001 0000000b 566572696679546f6b656e 00000001 "
    "0b0001 00000003 746f6b 00";
constexpr std::string_view kVerified =
    "0000002a 1000 0000 00000001 0001 00000000 | 80010002 0000000b 566572696679546f6b656e 00000001 "
    "02 0000 01 00";

TEST_F(RpcServer, AnswersAGoGatewayByteForByte) {
  start();
  RawClient client(server->port());
  for (int again = 0; again < 3; ++again) {
    client.send(unhex(kVerify));
    const std::string expected = unhex(kVerified);
    EXPECT_EQ(client.read(expected.size()), expected);
  }
}

TEST_F(RpcServer, AnswersEachFramingInKind) {
  start();
  RawClient client(server->port());
  const std::string call = call_of("VerifyToken", 7),
                    expected = bool_answer({.method = "VerifyToken", .seqid = 7}, true);
  for (const Framing framing : {Framing::framed, Framing::ttheader_framed, Framing::buffered,
                                Framing::ttheader, Framing::framed}) {
    std::string bytes, answer;
    write_frame(bytes, framing, {.seqid = 9}, call);
    write_frame(answer, framing, {.seqid = 9}, expected);
    client.send(bytes);
    EXPECT_EQ(client.read(answer.size()), answer) << static_cast<int>(framing);
  }
}

TEST_F(RpcServer, TakesFramesByteByByteAndManyAtOnce) {
  start();
  RawClient client(server->port());
  for (const char byte : unhex(kVerify)) client.send({&byte, 1});
  const std::string expected = unhex(kVerified);
  EXPECT_EQ(client.read(expected.size()), expected);
  std::string many;
  for (std::uint32_t i = 1; i <= 500; ++i) many += ttheader(i, "Quick");
  client.send(many);
  for (std::uint32_t i = 1; i <= 500; ++i) EXPECT_EQ(answer(client).first, i);
}

TEST_F(RpcServer, ASlowCallHoldsUpNoOtherOfItsConnection) {
  start();
  RawClient client(server->port());
  client.send(ttheader(1, "Slow") + ttheader(2, "Quick"));
  EXPECT_EQ(answer(client).first, 2u);
  EXPECT_EQ(answer(client).first, 1u);
}

TEST_F(RpcServer, WithoutANumberInTheFrameAnswersComeInOrder) {
  start();
  RawClient client(server->port());
  std::string bytes;
  write_frame(bytes, Framing::framed, {}, call_of("Slow", 1));
  write_frame(bytes, Framing::framed, {}, call_of("Quick", 2));
  client.send(bytes);
  EXPECT_EQ(head_of(answer(client).second).method, "Slow");
  EXPECT_EQ(head_of(answer(client).second).method, "Quick");
}

TEST_F(RpcServer, ClosesWhatIsNoMessage) {
  start();
  for (const std::string_view garbage :
       {"GET / HTTP/1.1\r\n\r\n"sv,
        "\x00\x00\x00\x0c\x10\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00\x00"sv,  // a stream
        "\xff\xff\xff\xff\x10\x00zzzz"sv}) {
    RawClient client(server->port());
    client.send(garbage);
    EXPECT_TRUE(client.closed()) << garbage;
  }
}

TEST_F(RpcServer, StopsACallThatIsLate) {
  start();
  RawClient client(server->port());
  client.send(ttheader(1, "Never", {}, {{kRpcTimeout, "50"}}));
  EXPECT_TRUE(client.closed());
}

// What the service was told of its caller, for a peer that says it is user 7.
struct SeenCtx {
  std::promise<Ctx> promise;
  Dispatch dispatch() {
    return [this](const Ctx& ctx, std::string_view payload, bool) { return serve(ctx, payload); };
  }
  Task<Served> serve(const Ctx& ctx, std::string_view payload) {
    promise.set_value(ctx);
    co_return Served{.payload = bool_answer(head_of(payload), true)};
  }
  Ctx get() { return promise.get_future().get(); }
};

const std::vector<std::pair<std::string, std::string>> kSaysWho{
    {"RPC_PERSIST_CALLER", "7"}, {"RPC_PERSIST_ACTOR", "caller"}, {"RPC_PERSIST_MODERATOR", "1"}};

TEST_F(RpcServer, AStrangerIsNotBelievedWhatItSays) {
  SeenCtx seen;
  start({}, seen.dispatch());
  RawClient client(server->port());
  client.send(ttheader(1, "Quick", kSaysWho));
  const Ctx ctx = seen.get();
  EXPECT_EQ(ctx.caller, UserId{});
  EXPECT_EQ(ctx.actor, Actor::none);
  EXPECT_FALSE(ctx.moderator);
}

TEST_F(RpcServer, ATrustedAddressMayNameWhoActsAndNoMore) {
  SeenCtx seen;
  start({.trusts = [](const asio::ip::address& a) { return a.is_loopback(); }}, seen.dispatch());
  RawClient client(server->port());
  client.send(ttheader(1, "Quick", kSaysWho));
  const Ctx ctx = seen.get();
  EXPECT_EQ(ctx.actor, Actor::field);
  EXPECT_EQ(ctx.caller, UserId{});
  EXPECT_FALSE(ctx.moderator);
}

struct Greeted {
  std::string server_nonce, server_proof;
  bool proven = false;
};
Greeted greet(RawClient& client, std::string_view secret, std::string_view nonce) {
  Greeted out;
  std::string bytes;
  write_frame(bytes, Framing::ttheader, {.seqid = 1}, text_call(kHello, nonce));
  client.send(bytes);
  const std::string reply = read_text_reply(RpcServer::answer(client).second, kHello).value();
  out.server_nonce = reply.substr(0, kNonceBytes);
  out.server_proof = reply.substr(kNonceBytes);
  bytes.clear();
  write_frame(bytes, Framing::ttheader, {.seqid = 2},
              text_call(kProve, proof(Side::client, secret, nonce, out.server_nonce)));
  client.send(bytes);
  out.proven = read_bool_reply(RpcServer::answer(client).second, kProve).value();
  return out;
}

TEST_F(RpcServer, APeerThatProvesTheSecretIsBelieved) {
  SeenCtx seen;
  start({.secrets = {"old secret", "new secret"}}, seen.dispatch());
  RawClient client(server->port());
  const std::string nonce = new_nonce();
  const Greeted greeted = greet(client, "new secret", nonce);
  EXPECT_TRUE(greeted.proven);
  EXPECT_TRUE(
      proves(greeted.server_proof, Side::server, {"old secret"}, nonce, greeted.server_nonce));
  client.send(ttheader(3, "Quick", kSaysWho));
  const Ctx ctx = seen.get();
  EXPECT_EQ(ctx.caller, UserId{7});
  EXPECT_EQ(ctx.actor, Actor::caller);
  EXPECT_TRUE(ctx.moderator);
}

TEST_F(RpcServer, AProofIsOfOneConnectionAndOneSecret) {
  SeenCtx seen;
  start({.secrets = {"secret"}}, seen.dispatch());
  RawClient client(server->port());
  EXPECT_FALSE(greet(client, "another", new_nonce()).proven);
  // What another connection showed says nothing here, and a nonce has one try.
  const Greeted again = greet(client, "secret", "the nonce of it");
  EXPECT_TRUE(again.proven);
  RawClient other(server->port());
  std::string bytes;
  write_frame(
      bytes, Framing::ttheader, {.seqid = 1},
      text_call(kProve, proof(Side::client, "secret", "the nonce of it", again.server_nonce)));
  other.send(bytes);
  EXPECT_FALSE(read_bool_reply(answer(other).second, kProve));
  EXPECT_TRUE(other.closed());
}

TEST_F(RpcServer, AnswersWhatRunsWhenItStops) {
  start();
  RawClient client(server->port());
  client.send(ttheader(1, "Quick"));
  EXPECT_EQ(answer(client).first, 1u);
  client.send(ttheader(2, "Slow"));
  RawClient idle(server->port());
  idle.send(ttheader(1, "Quick"));
  answer(idle);
  std::thread stopping([&] { server->stop(5s); });
  const auto last = answer(client);
  EXPECT_EQ(last.first, 2u);
  EXPECT_FALSE(last.second.empty());
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(idle.closed());
  stopping.join();
}

}  // namespace
}  // namespace sv::rpc
