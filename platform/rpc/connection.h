#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/core/ctx.h"
#include "platform/rpc/frame_stream.h"

namespace sv::rpc {

// How one call of a connection ended.
struct Outcome {
  enum class How : unsigned char {
    answered,
    unsent,   // the connection was gone before
    lost,     // the connection ended: it may have been served or not
    late,     // at its deadline
    stopped,  // the caller was cancelled
  };
  How how = How::unsent;
  std::string payload;
};

// A client's connection to one instance: many calls at a time, told apart by the frame's number.
// One loop, as its stream.
class Connection final : public FrameStream {
 public:
  Connection(asio::ip::tcp::socket socket, std::unique_ptr<net::TlsConnection> tls)
      : FrameStream(std::move(socket), std::move(tls)) {}

  Task<Outcome> call(TtHeader header, std::string_view payload, Deadline deadline);
  std::size_t outstanding() const { return waiting_.size(); }
  // From now on each call is the only one and has the number that its payload has: a Kitex server
  // answers with that one. A call that was given up ends the connection, so that its answer is not
  // taken for the next one's.
  void one_at_a_time() { one_at_a_time_ = true; }
  // Takes calls: it is open and the server has not asked to go elsewhere.
  bool usable() const { return is_open() && !leaving_; }
  // No further calls; ends with the last of those that run.
  void leave();
  // Ends what is late. Asks a peer that owes an answer and has been silent for `silence` for a sign
  // of life (`pings`: it knows the word), and closes when none came in as long again. True: closed
  // so.
  bool tick(Steady::time_point now, std::chrono::milliseconds silence, bool pings);

 private:
  struct Waiting {
    Deadline deadline;
    std::move_only_function<void(Outcome)> done;
  };
  Next on_frame(const Frame& frame) override;
  void on_closed() override;
  void finish(std::uint32_t seqid, Outcome outcome);

  std::unordered_map<std::uint32_t, Waiting> waiting_;
  std::uint32_t last_ = 0;
  Steady::time_point busy_since_{}, pinged_{};
  bool leaving_ = false, one_at_a_time_ = false;
};

}  // namespace sv::rpc
