#pragma once

#include <charconv>
#include <cstdint>
#include <functional>
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

// At least once; in order per key; an event that commits late with a lower number is still
// delivered. Consumers are idempotent.
class EventBus {
 public:
  // Applies a batch; an error (or exception) leaves the position where it was and the batch is
  // delivered again after a pause.
  using Consumer = std::function<Task<Result<>>(const std::vector<Event>&)>;

  virtual ~EventBus() = default;
  // Part of the state change's transaction (outbox). `tx` belongs to the database given for
  // `source` at construction.
  virtual Result<> publish(sql::Tx& tx, Event event) = 0;
  // `name` identifies the durable position; `topics` are exact names. Call before start().
  virtual void subscribe(std::string name, std::vector<std::string> topics, Consumer consumer) = 0;
  virtual void start() = 0;
  virtual void stop() = 0;  // blocks until no consumer runs
};

}  // namespace sv
