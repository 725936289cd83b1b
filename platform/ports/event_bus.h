#pragma once

#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/task.h"
#include "platform/ports/sql.h"

namespace sv {

// A state event carries id + revision (the consumer reads the state); a fact event carries the fact
// in `payload` (JSON).
struct Event {
  std::int64_t id = 0;  // assigned by the outbox
  std::string topic;    // "video.changed"
  std::string key;      // order is kept per key: the entity's id
  std::int64_t revision = 0;
  std::string payload;  // JSON object, may be empty
  std::int64_t time_ms = 0;

  // The key as the number it is for most entities; 0 for others.
  std::int64_t key_id() const {
    std::int64_t number = 0;
    std::from_chars(key.data(), key.data() + key.size(), number);
    return number;
  }
};

// What a group does with the first `events` of those that it was given; the others come again.
struct Effect {
  // Runs in the transaction that moves the group's position: it may run again, and does not run at
  // all when another instance was faster. Empty: nothing is to be written.
  std::function<Result<>(sql::Tx&)> apply;
  std::size_t events = std::numeric_limits<std::size_t>::max();
};

// At least once; in order per key; an event that commits late with a lower number is still
// delivered.
class EventBus {
 public:
  // Answers what a batch means, and may await: ask others, write to what is not SQL (by revision),
  // or take in bounded steps what is too much for one transaction. All of that must bear to be
  // repeated, also by two instances at once: only `apply` happens once.
  using Prepare = std::function<Task<Result<Effect>>(const std::vector<Event>&)>;
  using Hear = std::function<Task<Result<>>(const std::vector<Event>&)>;

  // One instance of the service handles an event, however many subscribe under this name.
  struct Group {
    std::string name;                 // of the durable positions
    std::vector<std::string> topics;  // exact names
    sql::Database& db;                // the service's own: positions, dead letters, the effect
    Prepare prepare;
  };
  // Every instance hears what is committed after start() has returned: for caches and sockets.
  struct Each {
    std::string name;
    std::vector<std::string> topics;
    Hear hear;
  };

  virtual ~EventBus() = default;
  // Part of the state change's transaction (outbox), in one of the databases given at
  // construction. A work publishes after it has written the row that orders the key.
  virtual Result<> publish(sql::Tx& tx, std::vector<Event> events) = 0;
  // Both before start(). What fails comes again after a pause. An error that says that somebody is
  // away (is_away) is repeated for ever. Anything else, exceptions too, is blamed on the one event
  // that it comes with, which after some tries becomes a dead letter of the group: later events of
  // its key wait behind it until it is replayed or dropped, other keys go on. An Each passes over
  // such an event.
  virtual void group(Group group) = 0;
  virtual void each(Each each) = 0;
  // An error is why it cannot be told where the events of now begin.
  virtual Result<> start() = 0;
  virtual void stop() = 0;  // blocks until no consumer runs
};

// Whether the error says nothing about what was asked, only that nobody could do it now.
inline bool is_away(const Error& error) {
  switch (error.code) {
    case Errc::absent:
    case Errc::deadline_exceeded:
    case Errc::rate_limited:
    case Errc::storage_full:
    case Errc::unavailable:
      return true;
    default:
      return false;
  }
}

}  // namespace sv
