#pragma once

#include <algorithm>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "idl/common.h"
#include "platform/core/ctx.h"
#include "platform/core/task.h"
#include "platform/rpc/message.h"
#include "platform/rpc/thrift.h"

// Where results meet the wire: a whole Error becomes a BaseResp and comes back as one. The
// generated stubs and dispatchers call this.
namespace sv::edge {

BaseResp to_base_resp(const Error& error);
// Success, or the Error that the peer meant. A code of a peer that is not ours is `rejected` with
// the peer's text.
Result<> from_base_resp(const BaseResp& base);

// --- the calling side. Each stub has one call per message, so the payload's seqid says nothing;
// the frame's does.
inline constexpr std::int32_t kSeqid = 1;

std::string call_payload(std::string_view method);
template <class T>
std::string call_payload(std::string_view method, std::uint16_t id, const T& arg) {
  std::string out;
  rpc::write_head(out, {.type = rpc::MessageType::call, .method = method, .seqid = kSeqid});
  rpc::write_field(out, id, arg);
  rpc::write_stop(out);
  return out;
}

std::unexpected<Error> broken_reply();

// Reads the result struct: field 0 of T's type through `get`.
template <class T, class Get>
Result<> read_result(std::string_view payload, std::string_view method, Get get) {
  SV_TRY(rpc::Reader in, rpc::open_reply(payload, method, kSeqid));
  for (std::uint32_t key = 0; in.next(key);) {
    if (key == rpc::field_key(0, rpc::kTypeOf<T>)) get(in);
    else in.skip(key);
  }
  if (!in.ok()) return broken_reply();
  return {};
}

template <class T>
Result<T> read_reply(std::string_view payload, std::string_view method) {
  T v{};
  SV_CHECK(read_result<T>(payload, method, [&](rpc::Reader& in) { in.get(v); }));
  return v;
}
template <class T>
Result<T> read_reply_with_status(const Ctx& ctx, std::string_view payload,
                                 std::string_view method) {
  T v{};
  BaseResp base;
  SV_CHECK(read_result<T>(payload, method, [&](rpc::Reader& in) { read_struct(in, v, base); }));
  SV_CHECK(from_base_resp(base));
  if (base.uncertain.value_or(false)) note_uncertain(ctx);
  return v;
}
template <class T>
Result<> read_status(std::string_view payload, std::string_view method) {
  SV_CHECK(read_reply_with_status<T>(Ctx{}, payload, method));
  return {};
}
Result<> read_status(std::string_view payload, std::string_view method);

// --- the serving side
template <class T>
bool read_args(rpc::Reader& in, std::uint16_t id, T& arg) {
  for (std::uint32_t key = 0; in.next(key);) {
    if (key == rpc::field_key(id, rpc::kTypeOf<T>)) in.get(arg);
    else in.skip(key);
  }
  return in.ok();
}
bool read_no_args(rpc::Reader& in);

// The context of a call whose arguments name who acts.
class Acting {
 public:
  explicit Acting(const Ctx& ctx) : ctx_(&ctx) {}
  Acting(const Ctx& ctx, UserId caller) : ctx_(nullptr), own_(ctx) { own_->caller = caller; }
  const Ctx& ctx() const { return own_ ? *own_ : *ctx_; }

 private:
  const Ctx* ctx_;
  std::optional<Ctx> own_;
};
// `actor_mismatch` when it is not who the context says, `actor_untrusted` when the peer may not
// say.
Result<Acting> acting(const Ctx& ctx, UserId named);

rpc::Served malformed(const rpc::MessageHead& head);

std::string reply_payload(const rpc::MessageHead& head);
// What a method without a BaseResp answers when it fails: Kitex calls it a business error.
rpc::Served biz_error(const Ctx& ctx, const rpc::MessageHead& head, const Error& error);
// The BaseResp of a success: says what ctx noted. A server's ctx has a note of its own.
BaseResp success(const Ctx& ctx);
// The BaseResp of a failure; logs those whose detail never reaches a client.
BaseResp failure(const Ctx& ctx, const rpc::MessageHead& head, const Error& error);

template <class T>
rpc::Served write_reply(const Ctx& ctx, const rpc::MessageHead& head, const Result<T>& result) {
  if (!result) return biz_error(ctx, head, result.error());
  std::string out = reply_payload(head);
  rpc::write_field(out, 0, *result);
  rpc::write_stop(out);
  return {.payload = std::move(out)};
}

template <class T>
rpc::Served write_success(const rpc::MessageHead& head, const T& v, const BaseResp& base) {
  std::string out = reply_payload(head);
  const char field[3] = {rpc::kStruct, 0, 0};
  out.append(field, sizeof field);
  write_struct(out, v, base);
  rpc::write_stop(out);
  return {.payload = std::move(out)};
}
template <class T>
rpc::Served write_reply_with_status(const Ctx& ctx, const rpc::MessageHead& head,
                                    const Result<T>& result) {
  return result ? write_success(head, *result, success(ctx))
                : write_success(head, T{}, failure(ctx, head, result.error()));
}
template <class T>
rpc::Served write_status(const Ctx& ctx, const rpc::MessageHead& head, const Result<>& result) {
  return write_success(head, T{}, result ? BaseResp{} : failure(ctx, head, result.error()));
}
rpc::Served write_status(const Ctx& ctx, const rpc::MessageHead& head, const Result<>& result);

// The answers to an exception.
template <class T>
rpc::Served fail_with_status(const Ctx& ctx, const rpc::MessageHead& head, const Error& error) {
  return write_success(head, T{}, failure(ctx, head, error));
}
rpc::Served fail_status(const Ctx& ctx, const rpc::MessageHead& head, const Error& error);

template <class Api>
struct Method {
  std::string_view name;
  Task<rpc::Served> (*serve)(Api&, const Ctx&, const rpc::MessageHead&, rpc::Reader&);
  rpc::Served (*fail)(const Ctx&, const rpc::MessageHead&, const Error&);
};

rpc::Served unknown_method(const rpc::MessageHead& head, bool service_named);
Error thrown(const std::exception_ptr& error);

template <class Api>
Task<rpc::Served> dispatch(std::span<const Method<Api>> methods, Api& api, const Ctx& ctx,
                           std::string_view payload, bool service_named) {
  rpc::Reader in(payload);
  rpc::MessageHead head;
  bool call = rpc::read_head(in, head) &&
              (head.type == rpc::MessageType::call || head.type == rpc::MessageType::oneway);
  if (!call) co_return rpc::Served{.payload = {}, .close = true};
  auto method = std::ranges::find(methods, head.method, &Method<Api>::name);
  if (method == methods.end()) co_return unknown_method(head, service_named);
  rpc::Served served;
  try {
    served = co_await method->serve(api, ctx, head, in);
  } catch (...) { served = method->fail(ctx, head, thrown(std::current_exception())); }
  if (head.type == rpc::MessageType::oneway) served.payload.clear();
  co_return served;
}

}  // namespace sv::edge
