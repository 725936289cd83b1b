#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/metrics.h"
#include "platform/core/task.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/sql.h"

// Events that wait in a group's own database (table event_letters): the dead one that could not be
// taken, those of its key that are parked behind it, and what is being replayed. A key has at most
// one dead letter, which is its first.
namespace sv {

struct DeadLetter {
  std::string consumer;
  std::int64_t id = 0;  // within the database
  std::string topic;
  std::string key;
  std::int64_t tries = 0;
  std::int64_t time_ms = 0;  // of the event
  std::string error;
  std::int64_t parked = 0;  // behind it
};

Task<Result<std::vector<DeadLetter>>> list_dead_letters(sql::Database& db);
// Gives the letters of a key, or with an empty key all of the consumer's, to the serving process:
// how many there are.
Task<Result<std::int64_t>> replay_letters(sql::Database& db, std::string consumer, std::string key);
// Forgets a dead one; what is parked behind it goes on. False: there is none.
Task<Result<bool>> drop_letter(sql::Database& db, std::string consumer, std::int64_t id);

// Letters of one group about the events of one source.
class EventLetters {
 public:
  struct Counts {
    std::int64_t dead = 0, parked = 0, replayed = 0;
  };
  enum class Tail : unsigned char { parked, replayed };
  using Tails = std::map<std::string, Tail, std::less<>>;

  EventLetters(std::string consumer, std::string source)
      : consumer_(std::move(consumer)), source_(std::move(source)) {}

  // Those of the keys that have letters, and what another letter of theirs becomes.
  static constexpr std::string_view kTails = R"(
      SELECT key, min(state)
      FROM event_letters
      WHERE consumer = $1 AND source = $2 AND key = any($3)
      GROUP BY key)";  // event_letters_key
  sql::Params of_keys(const std::vector<Event>& events) const;
  static Tails tails(const sql::Rows& rows);

  // The first that is to be delivered again: its letter's id, then as in the log.
  static constexpr std::string_view kReplayed = R"(
      SELECT id, event, topic, key, revision, payload, time_ms
      FROM event_letters
      WHERE consumer = $1 AND source = $2 AND state = $3
      ORDER BY event
      LIMIT 1)";  // event_letters_key
  sql::Params replayed() const;

  Result<> park(sql::Tx& tx, const Event& event, Tail tail) const;
  Result<> bury(sql::Tx& tx, const Event& event, int tries, const Error& error) const;
  // False: it is no longer replayed.
  Result<bool> bury_again(sql::Tx& tx, std::int64_t letter, const Event& event, int tries,
                          const Error& error) const;
  static Result<bool> delivered(sql::Tx& tx, std::int64_t letter);  // false: likewise

 private:
  const std::string consumer_, source_;
};

// For /metrics.
void show_letters(metrics::Registry& metrics, std::string_view consumer,
                  const EventLetters::Counts& counts);
// By consumer.
Task<Result<std::map<std::string, EventLetters::Counts>>> count_letters(sql::Database& db);

}  // namespace sv
