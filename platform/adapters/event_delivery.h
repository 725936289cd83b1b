#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/adapters/event_letters.h"
#include "platform/core/supervisor.h"
#include "platform/core/task.h"
#include "platform/ports/event_bus.h"

namespace sv {

// Which event it is that fails, and how often it did.
class Blame {
 public:
  explicit Blame(int most) : most_(most) {}

  // How many events behind `position` to take at once: one by one while one of them is sought.
  std::int64_t limit(std::int64_t position) const;
  // `events` failed together. True: it is one, and was tried often enough.
  bool give_up(const std::vector<Event>& events);
  // Before the next try.
  std::chrono::milliseconds pause() const;
  int tries() const { return tries_; }

 private:
  const int most_;
  std::int64_t alone_until_ = 0, suspect_ = 0;
  int tries_ = 0;
};

// None: the group has never read the source.
Task<Result<std::optional<std::int64_t>>> find_position(EventBus::Group& group, std::string source);

// The token of an error by which a `prepare` says that another instance does it.
inline constexpr std::string_view kEventOvertaken = "event_overtaken";

// Another cursor of the group, which has come to `at` once its position is `from` or behind that.
struct CursorMark {
  std::int64_t from = 0;
  std::string source = {};
  std::int64_t at = 0;
};

// Hands the events of one source to a group and moves its position there. Any number of these, in
// as many processes, may do so for the same group: who is overtaken does nothing, which is success.
// Errors: what is to be repeated after a pause. Used on one strand.
class GroupDelivery {
 public:
  GroupDelivery(EventBus::Group& group, const std::string& source, SupervisedLoop& loop, int tries)
      : group_(group),
        source_(source),
        letters_(group.name, source),
        loop_(loop),
        from_log_(tries),
        from_letters_(tries) {}

  const EventBus::Group& group() const { return group_; }
  // A group that has no position yet starts here.
  Task<Result<>> join(std::int64_t position);
  Task<Result<std::int64_t>> position() const;
  std::int64_t limit(std::int64_t position) const { return from_log_.limit(position); }
  // What the log has for the group between the two positions. `marks` are in their order.
  Task<Result<>> deliver(std::int64_t from, std::int64_t to, std::vector<Event> events,
                         std::vector<CursorMark> marks = {});
  // The next one is no event that anybody could take: it becomes a dead letter at once.
  Task<Result<>> set_aside(std::int64_t from, std::int64_t to, Event event, Error error);
  // The next letter that is to be delivered again. False: there is none.
  Task<Result<bool>> replay();

 private:
  struct Batch {
    std::vector<Event> events = {};
    std::vector<Event> parked = {};
    sql::Params keys = {};  // of both
    EventLetters::Tails tails = {};
    std::int64_t from = 0, to = 0;
    std::int64_t letter = 0;  // 0: from the log
    std::vector<CursorMark> marks = {};
  };

  Task<Result<>> attempt(const Batch& batch);
  Task<Result<>> hand_over(const Batch& batch);
  Task<Result<>> failed(const Batch& batch, Error error);
  Task<Result<Batch>> batch_of(std::int64_t from, std::int64_t to, std::vector<Event> events);
  Task<Result<>> bury(const Batch& batch, Error error);
  Result<> advance(sql::Tx& tx, const Batch& batch, std::int64_t to) const;

  EventBus::Group& group_;
  const std::string source_;
  const EventLetters letters_;
  SupervisedLoop& loop_;
  Blame from_log_, from_letters_;
};

}  // namespace sv
