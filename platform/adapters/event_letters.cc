#include "platform/adapters/event_letters.h"

#include <fmt/format.h>

namespace sv {
namespace {

// In the order of what is to happen before the others of a key go on.
enum class LetterState : std::int64_t { dead = 1, parked = 2, replayed = 3 };

constexpr std::string_view kInsertLetter = R"(
    INSERT INTO event_letters (
        consumer, source, event, topic, key, revision, payload, time_ms, state, tries, error)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11))";
// primary key
constexpr std::string_view kKillLetter =
    "UPDATE event_letters SET state = $2, tries = $3, error = $4 WHERE id = $1 AND state = $5";
// event_letters_key
constexpr std::string_view kSetStateOfKey = R"(
    UPDATE event_letters
    SET state = $4
    WHERE consumer = $1 AND source = $2 AND key = $3 AND state = $5)";
constexpr std::string_view kDeliveredLetter =
    "DELETE FROM event_letters WHERE id = $1 AND state = $2";  // primary key
// The table is small: those that nobody has looked after.
constexpr std::string_view kCountLetters =
    "SELECT consumer, state, count(*) FROM event_letters GROUP BY consumer, state";
constexpr std::string_view kDeadLetters = R"(
    SELECT consumer, id, topic, key, tries, time_ms, error,
        (SELECT count(*)
         FROM event_letters p
         WHERE p.consumer = d.consumer AND p.source = d.source AND p.key = d.key AND p.state = $2)
    FROM event_letters d
    WHERE state = $1
    ORDER BY consumer, id)";
constexpr std::string_view kReplayLetters = R"(
    UPDATE event_letters
    SET state = $3
    WHERE consumer = $1 AND ($2 = '' OR key = $2) AND state <> $3)";
// primary key
constexpr std::string_view kDropLetter = R"(
    DELETE FROM event_letters
    WHERE consumer = $1 AND id = $2 AND state = $3
    RETURNING source, key)";

std::string sentence(const Error& error) {
  return error.detail.empty() ? error.token : fmt::format("{}: {}", error.token, error.detail);
}

}  // namespace

Task<Result<std::vector<DeadLetter>>> list_dead_letters(sql::Database& db) {
  SV_CO_TRY(const sql::Rows rows,
            co_await db.query(Ctx{}, kDeadLetters, {LetterState::dead, LetterState::parked}));
  std::vector<DeadLetter> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({.consumer = rows.text(i, 0),
                   .id = rows.i64(i, 1),
                   .topic = rows.text(i, 2),
                   .key = rows.text(i, 3),
                   .tries = rows.i64(i, 4),
                   .time_ms = rows.i64(i, 5),
                   .error = rows.text(i, 6),
                   .parked = rows.i64(i, 7)});
  co_return out;
}

Task<Result<std::int64_t>> replay_letters(sql::Database& db, std::string consumer,
                                          std::string key) {
  co_return co_await db.write(Ctx{}, [consumer, key](sql::Tx& tx) {
    return tx.execute(kReplayLetters, {consumer, key, LetterState::replayed});
  });
}

Task<Result<bool>> drop_letter(sql::Database& db, std::string consumer, std::int64_t id) {
  co_return co_await db.write(Ctx{}, [consumer, id](sql::Tx& tx) -> Result<bool> {
    SV_TRY(const sql::Rows dropped, tx.query(kDropLetter, {consumer, id, LetterState::dead}));
    if (dropped.empty()) return false;
    SV_CHECK(tx.execute(kSetStateOfKey, {consumer, dropped.text(0, 0), dropped.text(0, 1),
                                         LetterState::replayed, LetterState::parked}));
    return true;
  });
}

void show_letters(metrics::Registry& metrics, std::string_view consumer,
                  const EventLetters::Counts& counts) {
  metrics
      .gauge("shortvideo_events_dead", "Events that a consumer could not take",
             {{"consumer", consumer}})
      .set(counts.dead);
  metrics
      .gauge("shortvideo_events_parked", "Events that wait behind a dead one",
             {{"consumer", consumer}})
      .set(counts.parked);
}

Task<Result<std::map<std::string, EventLetters::Counts>>> count_letters(sql::Database& db) {
  SV_CO_TRY(const sql::Rows rows, co_await db.query(Ctx{}, kCountLetters));
  std::map<std::string, EventLetters::Counts> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto& of = out[rows.text(i, 0)];
    const auto state = static_cast<LetterState>(rows.i64(i, 1));
    (state == LetterState::dead     ? of.dead
     : state == LetterState::parked ? of.parked
                                    : of.replayed) = rows.i64(i, 2);
  }
  co_return out;
}

sql::Params EventLetters::of_keys(const std::vector<Event>& events) const {
  std::vector<std::string> keys;
  for (const Event& event : events) keys.push_back(event.key);
  return {consumer_, source_, std::move(keys)};
}

EventLetters::Tails EventLetters::tails(const sql::Rows& rows) {
  Tails out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out[rows.text(i, 0)] = rows.i64(i, 1) == static_cast<std::int64_t>(LetterState::replayed)
                               ? Tail::replayed
                               : Tail::parked;
  return out;
}

sql::Params EventLetters::replayed() const { return {consumer_, source_, LetterState::replayed}; }

Result<> EventLetters::park(sql::Tx& tx, const Event& e, Tail tail) const {
  SV_CHECK(tx.execute(kInsertLetter,
                      {consumer_, source_, e.id, e.topic, e.key, e.revision, e.payload, e.time_ms,
                       tail == Tail::parked ? LetterState::parked : LetterState::replayed, 0, ""}));
  return {};
}

Result<> EventLetters::bury(sql::Tx& tx, const Event& e, int tries, const Error& error) const {
  SV_CHECK(
      tx.execute(kInsertLetter, {consumer_, source_, e.id, e.topic, e.key, e.revision, e.payload,
                                 e.time_ms, LetterState::dead, tries, sentence(error)}));
  return {};
}

Result<bool> EventLetters::bury_again(sql::Tx& tx, std::int64_t letter, const Event& event,
                                      int tries, const Error& error) const {
  SV_TRY(const std::int64_t killed,
         tx.execute(kKillLetter,
                    {letter, LetterState::dead, tries, sentence(error), LetterState::replayed}));
  if (killed == 0) return false;
  SV_CHECK(tx.execute(kSetStateOfKey,
                      {consumer_, source_, event.key, LetterState::parked, LetterState::replayed}));
  return true;
}

Result<bool> EventLetters::delivered(sql::Tx& tx, std::int64_t letter) {
  SV_TRY(const std::int64_t gone, tx.execute(kDeliveredLetter, {letter, LetterState::replayed}));
  return gone == 1;
}

}  // namespace sv
