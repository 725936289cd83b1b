#include "platform/rpc/metadata.h"

#include <charconv>
#include <string>

namespace sv::rpc {
namespace {

constexpr std::string_view kActor = "RPC_PERSIST_ACTOR", kCaller = "RPC_PERSIST_CALLER",
                           kSession = "RPC_PERSIST_SESSION", kFresh = "RPC_PERSIST_FRESH",
                           kModerator = "RPC_PERSIST_MODERATOR", kLang = "RPC_PERSIST_LANG",
                           kRequestId = "RPC_PERSIST_REQUEST_ID",
                           kTrace = "RPC_PERSIST_TRACEPARENT",
                           kIdempotencyKey = "RPC_PERSIST_IDEMPOTENCY_KEY",
                           kAddress = "RPC_PERSIST_ADDRESS", kUserAgent = "RPC_PERSIST_USER_AGENT";
constexpr std::size_t kLongest = 4096;  // of a text that is passed on

template <class N>
N number(std::string_view text) {
  N n{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  return ec == std::errc{} && end == text.data() + text.size() ? n : N{};
}

}  // namespace

void put_deadline(TtHeader& header, const Ctx& ctx, Deadline now) {
  if (ctx.deadline == Deadline::max()) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(ctx.deadline - now).count();
  header.ints.emplace_back(kRpcTimeout, std::to_string(std::max<std::int64_t>(left, 1)));
}

void take_deadline(const TtHeader& header, Ctx& ctx, Deadline now,
                   std::chrono::milliseconds otherwise) {
  const auto given = number<std::uint32_t>(header.find(kRpcTimeout));
  ctx.deadline =
      std::min(ctx.deadline, now + (given > 0 ? std::chrono::milliseconds(given) : otherwise));
}

void put_metadata(TtHeader& header, const Ctx& ctx) {
  const auto put = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) header.strings.emplace_back(key, value.substr(0, kLongest));
  };
  if (ctx.actor == Actor::caller || ctx.actor == Actor::field) put(kActor, "caller");
  if (ctx.caller) put(kCaller, std::to_string(ctx.caller.value));
  if (!ctx.fresh.empty()) put(kFresh, std::to_string(ctx.fresh.bits()));
  if (ctx.moderator) put(kModerator, "1");
  if (ctx.lang == Lang::en) put(kLang, "en");
  put(kSession, ctx.session);
  put(kRequestId, ctx.request_id);
  put(kTrace, ctx.traceparent);
  put(kIdempotencyKey, ctx.idempotency_key);
  put(kAddress, ctx.address);
  put(kUserAgent, ctx.user_agent);
}

void take_metadata(const TtHeader& header, Ctx& ctx) {
  ctx.actor = Actor::any;
  for (const auto& [key, value] : header.strings) {
    if (key == kActor) ctx.actor = value == "caller" ? Actor::caller : Actor::any;
    else if (key == kCaller) ctx.caller = UserId{number<std::int64_t>(value)};
    else if (key == kSession) ctx.session = value;
    else if (key == kFresh) ctx.fresh = ServiceSet::from_bits(number<std::uint64_t>(value));
    else if (key == kModerator) ctx.moderator = value == "1";
    else if (key == kLang) ctx.lang = value == "en" ? Lang::en : Lang::zh;
    else if (key == kRequestId) ctx.request_id = value;
    else if (key == kTrace) ctx.traceparent = value;
    else if (key == kIdempotencyKey) ctx.idempotency_key = value;
    else if (key == kAddress) ctx.address = value;
    else if (key == kUserAgent) ctx.user_agent = value;
  }
}

}  // namespace sv::rpc
