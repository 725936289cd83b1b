// A stub and a dispatcher back to back, the golden payloads, and how errors cross the wire.
#include "idl/edge.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cctype>
#include <optional>
#include <stdexcept>

#include "idl/live.h"
#include "idl/user.h"

namespace sv {
namespace {

std::string bytes(std::string_view hex) {
  std::string digits, out;
  for (char c : hex)
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return out;
}

template <class T>
T run(Task<T> task) {
  asio::io_context io;
  std::optional<T> result;
  std::exception_ptr error;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr e, T v) {
    error = e;
    result = std::move(v);
  });
  io.run();
  if (error) std::rethrow_exception(error);
  return std::move(*result);
}

// Answers what the test put in; every other call is absent.
class FakeUser final : public user::UserAbsent {
 public:
  std::string got_token;
  user::RegisterReq got;
  Result<bool> token_result = true;
  Result<user::LoginRegisterResp> login_result;
  Result<> update_result;
  bool throws = false;

  Task<Result<bool>> verify_token(const Ctx&, const std::string& token) override {
    got_token = token;
    if (throws) throw std::runtime_error("boom");
    co_return token_result;
  }
  Task<Result<user::LoginRegisterResp>> register_(const Ctx&,
                                                  const user::RegisterReq& req) override {
    got = req;
    if (throws) throw std::runtime_error("boom");
    co_return login_result;
  }
  Task<Result<>> update_user(const Ctx& ctx, const user::UpdateUserReq&) override {
    if (throws) throw std::runtime_error("boom");
    updated_by = ctx.caller;
    co_return update_result;
  }
  std::optional<UserId> updated_by;
};

class Loopback final : public rpc::Channel {
 public:
  explicit Loopback(user::UserApi& api) : x_api(api) {}
  Task<Result<std::string>> call(const Ctx& ctx, rpc::Method, std::string payload) override {
    rpc::Served served = co_await user::dispatch_user(x_api, ctx, payload, true);
    last = served.payload;
    co_return served.payload;
  }
  std::string last;

 private:
  user::UserApi& x_api;
};

const std::string kCall =
    bytes("80010001 0000000b 566572696679546f6b656e 00000001 0b0001 00000003 746f6b 00");
const std::string kReply = bytes("80010002 0000000b 566572696679546f6b656e 00000001 02 0000 01 00");

TEST(Edge, GoldenCallAndReplyToTheByte) {
  EXPECT_EQ(edge::call_payload("VerifyToken", 1, std::string("tok")), kCall);
  FakeUser fake;
  Ctx ctx;
  rpc::Served served = run(user::dispatch_user(fake, ctx, kCall, false));
  EXPECT_EQ(fake.got_token, "tok");
  EXPECT_EQ(served.payload, kReply);
  EXPECT_FALSE(served.close);
  EXPECT_TRUE(edge::read_reply<bool>(kReply, "VerifyToken").value());
}

// Who may be named as the one who acts, and who the service then hears it from.
struct Named {
  Actor actor;
  UserId caller, named;
  std::string refused;  // the token; empty: it is `caller` who acts
  UserId acts{};
};

class EdgeActor : public ::testing::TestWithParam<Named> {};

TEST_P(EdgeActor, IsWhoTheCallSaysOrMayBeNamed) {
  const Named& is = GetParam();
  FakeUser fake;
  Ctx ctx;
  ctx.actor = is.actor;
  ctx.caller = is.caller;
  user::UpdateUserReq req;
  req.user_id = is.named;
  rpc::Served served =
      run(user::dispatch_user(fake, ctx, edge::call_payload("UpdateUser", 1, req), true));
  EXPECT_FALSE(served.close);
  const auto answer = edge::read_status(served.payload, "UpdateUser");
  EXPECT_EQ(answer ? "" : answer.error().token, is.refused);
  EXPECT_EQ(fake.updated_by, is.refused.empty() ? std::optional(is.acts) : std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(
    Of, EdgeActor,
    ::testing::Values(Named{Actor::caller, UserId(1), UserId(1), "", UserId(1)},
                      Named{Actor::caller, UserId(1), UserId(), "", UserId(1)},
                      Named{Actor::caller, UserId(1), UserId(2), "actor_mismatch"},
                      Named{Actor::caller, UserId(), UserId(2), "actor_mismatch"},
                      Named{Actor::field, UserId(), UserId(2), "", UserId(2)},
                      Named{Actor::field, UserId(), UserId(), "", UserId()},
                      Named{Actor::none, UserId(), UserId(2), "actor_untrusted"},
                      Named{Actor::none, UserId(), UserId(), "", UserId()},
                      Named{Actor::any, UserId(), UserId(2), "", UserId()}));

TEST(Edge, NilStructsOfGoBecomeDefaults) {
  std::string reply = bytes(
      "80010002 00000005 4c6f67696e 00000001 0c0000 0c0001 00 0c0002 00 0b0003 00000000 00 00");
  auto r = edge::read_reply_with_status<user::LoginRegisterResp>({}, reply, "Login");
  ASSERT_TRUE(r);
  EXPECT_EQ(*r, user::LoginRegisterResp{});
}

TEST(Edge, FailingWithoutABaseRespIsABusinessErrorAndKeepsTheConnection) {
  FakeUser fake;
  fake.token_result = fail(Errc::unavailable);
  Ctx ctx;
  rpc::Served served = run(user::dispatch_user(fake, ctx, kCall, false));
  EXPECT_FALSE(served.close);
  EXPECT_EQ(served.payload,
            rpc::exception_message({.method = "VerifyToken", .seqid = 1},
                                   rpc::ExceptionType::internal, "biz error: 服务不可用"));
}

TEST(Edge, TheGoldenExceptionToTheByte) {
  EXPECT_EQ(rpc::exception_message({.method = "VerifyToken", .seqid = 1},
                                   rpc::ExceptionType::internal, "biz error: boom"),
            bytes("80010003 0000000b 566572696679546f6b656e 00000001 0b0001 0000000f "
                  "62697a206572726f723a20626f6f6d 080002 00000006 00"));
}

TEST(Edge, RequestsAndAnswersCrossWhole) {
  FakeUser fake;
  user::LoginRegisterResp answer;
  answer.user.id = UserId(5);
  answer.user.video_count = 3;
  answer.token = "t";
  fake.login_result = answer;
  Loopback channel(fake);
  user::UserClient client(channel);
  Ctx ctx;
  user::RegisterReq req{.username = "ann", .password = "secret", .avatar = "a", .about = {}};
  auto r = run(client.register_(ctx, req));
  EXPECT_EQ(fake.got, req);
  ASSERT_TRUE(r);
  EXPECT_EQ(*r, answer);
  EXPECT_TRUE(run(client.update_user(ctx, {})));
}

TEST(Edge, AWholeErrorCrosses) {
  FakeUser fake;
  Loopback channel(fake);
  user::UserClient client(channel);
  Ctx ctx;
  Error error{.code = Errc::rate_limited,
              .token = "rate_limited",
              .field = "username",
              .detail = {},
              .retry_after = std::chrono::milliseconds(1500)};
  fake.login_result = std::unexpected(error);
  fake.update_result = std::unexpected(error);
  user::RegisterReq req;
  auto got = run(client.register_(ctx, req)).error();
  for (const Error& e : {got, run(client.update_user(ctx, {})).error()}) {
    EXPECT_EQ(e.code, error.code);
    EXPECT_EQ(e.token, error.token);
    EXPECT_EQ(e.field, error.field);
    EXPECT_EQ(e.retry_after, error.retry_after);
  }
}

TEST(Edge, ExceptionsOfHandlersAreInternalAndSayNothing) {
  FakeUser fake;
  fake.throws = true;
  Loopback channel(fake);
  user::UserClient client(channel);
  Ctx ctx;
  user::RegisterReq req;
  EXPECT_EQ(run(client.register_(ctx, req)).error().code, Errc::internal);
  EXPECT_EQ(channel.last.find("boom"), std::string::npos);
  EXPECT_EQ(run(client.update_user(ctx, {})).error().code, Errc::internal);
  EXPECT_EQ(run(client.verify_token(ctx, "x")).error().code, Errc::internal);
}

TEST(Edge, ARefusalIsNotBadInputThoughBothAre400) {
  for (const Error& error :
       {fail(Errc::rejected, "username_taken").error(), invalid("username", "too_long").error()})
    EXPECT_EQ(edge::from_base_resp(edge::to_base_resp(error)).error().code, error.code);
}

TEST(Edge, AGoPeersRefusalKeepsItsText) {
  auto r = edge::from_base_resp({.status_code = -1,
                                 .msg = "用户已存在",
                                 .error = {},
                                 .field = {},
                                 .retry_after_ms = {},
                                 .uncertain = {}});
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::rejected);
  EXPECT_EQ(message_text(r.error(), Lang::zh), "用户已存在");
  BaseResp out = edge::to_base_resp(invalid("username", "too_long").error());
  EXPECT_EQ(out.status_code, 400);
  EXPECT_EQ(out.msg, "参数 username 过长");
}

TEST(Edge, UnknownMethodsAndGarbageEndTheConnection) {
  FakeUser fake;
  Ctx ctx;
  std::string call = edge::call_payload("Nope");
  rpc::MessageHead head{.method = "Nope", .seqid = 1};
  for (bool named : {false, true}) {
    rpc::Served served = run(user::dispatch_user(fake, ctx, call, named));
    EXPECT_TRUE(served.close);
    auto type = named ? rpc::ExceptionType::unknown_method : rpc::ExceptionType::unknown_service;
    EXPECT_EQ(served.payload, rpc::exception_message(head, type, "unknown method Nope"));
  }
  for (std::string_view garbage :
       {std::string_view(""), std::string_view("GET / HTTP/1.1"), std::string_view(kReply)}) {
    rpc::Served served = run(user::dispatch_user(fake, ctx, garbage, true));
    EXPECT_TRUE(served.close);
    EXPECT_TRUE(served.payload.empty());
  }
  rpc::Served cut = run(
      user::dispatch_user(fake, ctx, std::string_view(kCall).substr(0, kCall.size() - 3), true));
  EXPECT_TRUE(cut.close);
  EXPECT_EQ(cut.payload,
            rpc::exception_message({.method = "VerifyToken", .seqid = 1},
                                   rpc::ExceptionType::protocol, "malformed arguments"));
}

TEST(Edge, MethodsWithoutArgumentsHaveAnEmptyStruct) {
  live::LiveAbsent absent;
  Ctx ctx;
  rpc::Served served =
      run(live::dispatch_live(absent, ctx, edge::call_payload("GetGiftList"), true));
  auto r = edge::read_reply_with_status<live::GetGiftListResp>({}, served.payload, "GetGiftList");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::unavailable);  // of a process that should not be registered
  EXPECT_EQ(r.error().token, "live_unavailable");
}

TEST(Replies, ThatNobodyMayKeepSaySoToTheCaller) {
  const auto note = [] { return std::make_shared<std::atomic<bool>>(false); };
  const rpc::MessageHead head{.method = "GetUserInfo", .seqid = edge::kSeqid};
  Ctx served, calling;
  served.uncertain = note();
  calling.uncertain = note();
  const auto call = [&] {
    const auto reply =
        edge::write_reply_with_status<user::UserInfoResp>(served, head, user::UserInfoResp{});
    return edge::read_reply_with_status<user::UserInfoResp>(calling, reply.payload, "GetUserInfo");
  };
  EXPECT_TRUE(call());
  EXPECT_FALSE(*calling.uncertain);
  note_uncertain(served);
  EXPECT_TRUE(call());
  EXPECT_TRUE(*calling.uncertain);
}

}  // namespace
}  // namespace sv
