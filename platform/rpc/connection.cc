#include "platform/rpc/connection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>

#include "platform/rpc/handshake.h"

namespace sv::rpc {
namespace {

constexpr std::uint32_t kPingSeqid = 0;  // no call has it

}  // namespace

Task<Outcome> Connection::call(TtHeader header, std::string_view payload, Deadline deadline) {
  if (!is_open()) co_return Outcome{};
  if (one_at_a_time_) last_ = 1;
  else if (++last_ == kPingSeqid) ++last_;
  const std::uint32_t seqid = header.seqid = last_;
  auto self = std::static_pointer_cast<Connection>(shared_from_this());
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Outcome)>(
      [&]<class Handler>(Handler handler) {
        const auto executor = asio::get_associated_executor(handler);
        if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected())
          slot.assign([self, seqid](asio::cancellation_type) {
            self->finish(seqid, {.how = Outcome::How::stopped, .payload = {}});
          });
        if (waiting_.empty()) busy_since_ = Steady::now();
        waiting_.emplace(
            seqid, Waiting{deadline, [executor, handler = std::move(handler)](Outcome out) mutable {
                             asio::dispatch(executor, [handler = std::move(handler),
                                                       out = std::move(out)]() mutable {
                               std::move(handler)(std::move(out));
                             });
                           }});
        if (!send(Framing::ttheader, header, payload)) finish(seqid, {});
      },
      asio::use_awaitable);
}

void Connection::finish(std::uint32_t seqid, Outcome outcome) {
  const auto it = waiting_.find(seqid);
  if (it == waiting_.end()) return;  // was ended before
  auto done = std::move(it->second.done);
  waiting_.erase(it);
  if (waiting_.empty()) {
    pinged_ = {};
    if (leaving_) close_when_sent();
  }
  if (one_at_a_time_ && outcome.how != Outcome::How::answered) close();
  done(std::move(outcome));
}

FrameStream::Next Connection::on_frame(const Frame& frame) {
  if (frame.header.find("crrst") == "1") leave();
  if (frame.header.seqid == kPingSeqid && frame.framing == Framing::ttheader) {
    MessageHead head;
    if (read_text_call(frame.payload, head) && head.method == kLeave) leave();
    return Next::frame;
  }
  finish(frame.header.seqid,
         {.how = Outcome::How::answered, .payload = std::string(frame.payload)});
  return Next::frame;
}

void Connection::on_closed() {
  for (auto& [seqid, waiting] : std::exchange(waiting_, {}))
    waiting.done({.how = Outcome::How::lost, .payload = {}});
}

void Connection::leave() {
  leaving_ = true;
  if (waiting_.empty()) close_when_sent();
}

bool Connection::tick(Steady::time_point now, std::chrono::milliseconds silence, bool pings) {
  std::vector<std::uint32_t> late;
  for (const auto& [seqid, waiting] : waiting_)
    if (waiting.deadline <= now) late.push_back(seqid);
  for (const std::uint32_t seqid : late) finish(seqid, {.how = Outcome::How::late, .payload = {}});
  if (!pings || waiting_.empty() || !is_open()) return false;
  if (pinged_ != Steady::time_point{} && last_received() >= pinged_) pinged_ = {};
  if (pinged_ != Steady::time_point{}) {
    if (now - pinged_ < silence) return false;
    close();
    return true;
  }
  if (now - std::max(last_received(), busy_since_) < silence) return false;
  pinged_ = now;
  send(Framing::ttheader, {.seqid = kPingSeqid}, text_call(kPing, {}));
  return false;
}

}  // namespace sv::rpc
