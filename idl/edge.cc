#include "idl/edge.h"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include "platform/core/log.h"

namespace sv::edge {

BaseResp to_base_resp(const Error& error) {
  BaseResp base;
  base.status_code = http_status(error.code);
  base.msg = message_text(error, Lang::zh);
  base.error = error.token;
  if (!error.field.empty()) base.field = error.field;
  if (error.retry_after.count() > 0)
    base.retry_after_ms =
        static_cast<std::int32_t>(std::min<std::int64_t>(error.retry_after.count(), 0x7fffffff));
  return base;
}

Result<> from_base_resp(const BaseResp& base) {
  if (base.status_code == 0) return {};
  if (!base.error) return fail(Errc::rejected, "peer_rejected", base.msg.value_or(std::string{}));
  // Two codes share 400: bad input names its field, a rule's refusal has none.
  const Errc code = base.status_code == http_status(Errc::rejected) && !base.field
                        ? Errc::rejected
                        : errc_from_status(base.status_code);
  return std::unexpected(Error{
      .code = code,
      .token = *base.error,
      .field = base.field.value_or(std::string{}),
      .detail = {},
      .retry_after = std::chrono::milliseconds(std::max(0, base.retry_after_ms.value_or(0)))});
}

std::string call_payload(std::string_view method) {
  std::string out;
  rpc::write_head(out, {.type = rpc::MessageType::call, .method = method, .seqid = kSeqid});
  rpc::write_stop(out);
  return out;
}

std::unexpected<Error> broken_reply() { return fail(Errc::internal, {}, "the reply is malformed"); }

Result<> read_status(std::string_view payload, std::string_view method) {
  BaseResp base;
  SV_CHECK(read_result<BaseResp>(payload, method, [&](rpc::Reader& in) { in.get(base); }));
  return from_base_resp(base);
}

Result<Acting> acting(const Ctx& ctx, UserId named) {
  if (!named || named == ctx.caller) return Acting(ctx);
  switch (ctx.actor) {
    case Actor::any:
      return Acting(ctx);
    case Actor::caller:
      return fail(Errc::forbidden, "actor_mismatch");
    case Actor::field:
      return Acting(ctx, named);
    case Actor::none:
      break;
  }
  return fail(Errc::forbidden, "actor_untrusted");
}

bool read_no_args(rpc::Reader& in) {
  for (std::uint32_t key = 0; in.next(key);) in.skip(key);
  return in.ok();
}

rpc::Served malformed(const rpc::MessageHead& head) {
  return {
      .payload = rpc::exception_message(head, rpc::ExceptionType::protocol, "malformed arguments"),
      .close = true};
}

rpc::Served unknown_method(const rpc::MessageHead& head, bool service_named) {
  auto type =
      service_named ? rpc::ExceptionType::unknown_method : rpc::ExceptionType::unknown_service;
  return {
      .payload = rpc::exception_message(head, type, "unknown method " + std::string(head.method)),
      .close = true};
}

std::string reply_payload(const rpc::MessageHead& head) {
  std::string out;
  rpc::write_head(out,
                  {.type = rpc::MessageType::reply, .method = head.method, .seqid = head.seqid});
  return out;
}

BaseResp success(const Ctx& ctx) {
  BaseResp base;
  if (ctx.uncertain && *ctx.uncertain) base.uncertain = true;
  return base;
}

BaseResp failure(const Ctx& ctx, const rpc::MessageHead& head, const Error& error) {
  // What the caller did wrong is for the caller; the rest stops here.
  if (http_status(error.code) >= 500 && (error.code == Errc::internal || !error.detail.empty()))
    log::error("rpc", "call failed",
               {{"method", head.method},
                {"error", error.token},
                {"detail", error.detail},
                {"request_id", ctx.request_id}});
  return to_base_resp(error);
}

rpc::Served biz_error(const Ctx& ctx, const rpc::MessageHead& head, const Error& error) {
  BaseResp base = failure(ctx, head, error);
  return {.payload = rpc::exception_message(head, rpc::ExceptionType::internal,
                                            "biz error: " + *base.msg)};
}

rpc::Served write_status(const Ctx& ctx, const rpc::MessageHead& head, const Result<>& result) {
  std::string out = reply_payload(head);
  rpc::write_field(out, 0, result ? BaseResp{} : failure(ctx, head, result.error()));
  rpc::write_stop(out);
  return {.payload = std::move(out)};
}

rpc::Served fail_status(const Ctx& ctx, const rpc::MessageHead& head, const Error& error) {
  return write_status(ctx, head, std::unexpected(error));
}

Error thrown(const std::exception_ptr& error) {
  Error e{.code = Errc::internal,
          .token = std::string(errc_token(Errc::internal)),
          .field = {},
          .detail = "unknown exception"};
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& x) {
    // The server stops what is late.
    if (x.code() == asio::error::operation_aborted)
      return Error{.code = Errc::deadline_exceeded,
                   .token = std::string(errc_token(Errc::deadline_exceeded)),
                   .field = {},
                   .detail = {}};
    e.detail = x.what();
  } catch (const std::exception& x) { e.detail = x.what(); } catch (...) {  // keeps the text above
  }
  return e;
}

}  // namespace sv::edge
