#include "platform/adapters/event_delivery.h"

#include <algorithm>
#include <map>

#include "platform/core/log.h"

namespace sv {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kEventsAtOnce = 200;
constexpr std::chrono::milliseconds kFirstRetry = 100ms, kLastRetry = 10s;
// A database that does not answer is away, not slow.
constexpr auto kAnswerTime = 30s;

constexpr std::string_view kJoinGroup = R"(
    INSERT INTO event_cursors (consumer, source, position)
    VALUES ($1, $2, $3)
    ON CONFLICT (consumer, source) DO NOTHING)";
constexpr std::string_view kCursor =
    "SELECT position FROM event_cursors WHERE consumer = $1 AND source = $2";  // primary key
// Compare and set: who was overtaken writes nothing.
constexpr std::string_view kAdvance = R"(
    UPDATE event_cursors
    SET position = $4
    WHERE consumer = $1 AND source = $2 AND position = $3)";

constexpr std::string_view kMark = R"(
    INSERT INTO event_cursors (consumer, source, position)
    VALUES ($1, $2, $3)
    ON CONFLICT (consumer, source) DO UPDATE SET position = excluded.position)";

Ctx in_time() {
  Ctx ctx;
  ctx.deadline = std::chrono::steady_clock::now() + kAnswerTime;
  return ctx;
}

std::unexpected<Error> overtaken() { return fail(Errc::conflict, kEventOvertaken); }

}  // namespace

Task<Result<std::optional<std::int64_t>>> find_position(EventBus::Group& group,
                                                        std::string source) {
  SV_CO_TRY(const sql::Rows at,
            co_await group.db.query(in_time(), kCursor, {group.name, std::move(source)}));
  if (at.empty()) co_return std::nullopt;
  co_return at.i64(0, 0);
}

std::int64_t Blame::limit(std::int64_t position) const {
  return position < alone_until_ ? 1 : kEventsAtOnce;
}

bool Blame::give_up(const std::vector<Event>& events) {
  if (events.size() > 1) {
    alone_until_ = events.back().id;
    suspect_ = tries_ = 0;
    return false;
  }
  if (std::exchange(suspect_, events[0].id) != events[0].id) tries_ = 0;
  return ++tries_ >= most_;
}

std::chrono::milliseconds Blame::pause() const {
  return tries_ == 0 ? 0ms : std::min(kLastRetry, kFirstRetry * (1 << std::min(tries_ - 1, 10)));
}

Task<Result<>> GroupDelivery::join(std::int64_t position) {
  co_return co_await group_.db.write(in_time(), [this, position](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(kJoinGroup, {group_.name, source_, position}));
    return {};
  });
}

Task<Result<std::int64_t>> GroupDelivery::position() const {
  SV_CO_TRY(const auto at, co_await find_position(group_, source_));
  if (!at) co_return fail(Errc::internal, "event_cursor_lost", group_.name);
  co_return *at;
}

Task<Result<GroupDelivery::Batch>> GroupDelivery::batch_of(std::int64_t from, std::int64_t to,
                                                           std::vector<Event> events) {
  Batch batch{.keys = letters_.of_keys(events), .from = from, .to = to};
  SV_CO_TRY(const sql::Rows tails,
            co_await group_.db.query(in_time(), EventLetters::kTails, batch.keys));
  batch.tails = EventLetters::tails(tails);
  for (Event& event : events)
    (batch.tails.contains(event.key) ? batch.parked : batch.events).push_back(std::move(event));
  co_return batch;
}

Task<Result<>> GroupDelivery::deliver(std::int64_t from, std::int64_t to, std::vector<Event> events,
                                      std::vector<CursorMark> marks) {
  SV_CO_TRY(Batch batch, co_await batch_of(from, to, std::move(events)));
  batch.marks = std::move(marks);
  co_return co_await attempt(batch);
}

Task<Result<>> GroupDelivery::set_aside(std::int64_t from, std::int64_t to, Event event,
                                        Error error) {
  std::vector<Event> one;
  one.push_back(std::move(event));
  SV_CO_TRY(const Batch batch, co_await batch_of(from, to, std::move(one)));
  // One that would wait behind another of its key does.
  Result<> done =
      batch.events.empty() ? co_await attempt(batch) : co_await bury(batch, std::move(error));
  if (!done && done.error().token == kEventOvertaken) co_return Result<>{};
  co_return done;
}

Task<Result<bool>> GroupDelivery::replay() {
  SV_CO_TRY(const sql::Rows rows,
            co_await group_.db.query(in_time(), EventLetters::kReplayed, letters_.replayed()));
  if (rows.empty()) co_return false;
  Batch batch{.letter = rows.i64(0, 0)};
  batch.events.push_back({rows.i64(0, 1), rows.text(0, 2), rows.text(0, 3), rows.i64(0, 4),
                          rows.text(0, 5), rows.i64(0, 6)});
  SV_CO_CHECK(co_await attempt(batch));
  co_return true;
}

Task<Result<>> GroupDelivery::attempt(const Batch& batch) {
  Result<> done = co_await guarded([this, &batch] { return hand_over(batch); });
  if (!done) done = co_await failed(batch, std::move(done.error()));
  if (!done && done.error().token == kEventOvertaken) co_return Result<>{};
  co_return done;
}

Task<Result<>> GroupDelivery::hand_over(const Batch& batch) {
  Effect effect;
  if (!batch.events.empty()) { SV_CO_TRY(effect, co_await group_.prepare(batch.events)); }
  const bool all = effect.events >= batch.events.size();
  const std::int64_t to = all ? batch.to : batch.events[std::max(effect.events, 1zu) - 1].id;
  co_return co_await group_.db.write(in_time(), [&](sql::Tx& tx) -> Result<> {
    SV_CHECK(advance(tx, batch, to));
    return effect.apply ? effect.apply(tx) : Result<>{};
  });
}

// A key may have got its first letter, or lost its last one, since the batch was made.
Result<> GroupDelivery::advance(sql::Tx& tx, const Batch& batch, std::int64_t to) const {
  if (batch.letter != 0) {
    SV_TRY(const bool mine, EventLetters::delivered(tx, batch.letter));
    return mine ? Result<>{} : overtaken();
  }
  SV_TRY(const std::int64_t moved, tx.execute(kAdvance, {group_.name, source_, batch.from, to}));
  if (moved == 0) return overtaken();
  std::map<std::string_view, std::int64_t> marks;
  for (const CursorMark& mark : batch.marks)
    if (mark.from <= to) marks[mark.source] = mark.at;
  for (const auto& [source, at] : marks)
    SV_CHECK(tx.execute(kMark, {group_.name, std::string(source), at}));
  SV_TRY(const sql::Rows tails, tx.query(EventLetters::kTails, batch.keys));
  if (EventLetters::tails(tails) != batch.tails) return overtaken();
  for (const Event& event : batch.parked)
    if (event.id <= to) SV_CHECK(letters_.park(tx, event, batch.tails.at(event.key)));
  return {};
}

Task<Result<>> GroupDelivery::failed(const Batch& batch, Error error) {
  if (error.token == kEventOvertaken || is_away(error) || batch.events.empty())
    co_return std::unexpected(std::move(error));
  loop_.stumbled(error);
  Blame& blame = batch.letter != 0 ? from_letters_ : from_log_;
  if (blame.give_up(batch.events)) co_return co_await bury(batch, std::move(error));
  co_await pause(blame.pause());
  co_return Result<>{};
}

Task<Result<>> GroupDelivery::bury(const Batch& batch, Error error) {
  const Event& event = batch.events[0];
  const int tries = (batch.letter != 0 ? from_letters_ : from_log_).tries();
  SV_CO_CHECK(co_await group_.db.write(in_time(), [&](sql::Tx& tx) -> Result<> {
    if (batch.letter != 0) {
      SV_TRY(const bool mine, letters_.bury_again(tx, batch.letter, event, tries, error));
      return mine ? Result<>{} : overtaken();
    }
    SV_CHECK(advance(tx, batch, batch.to));
    return letters_.bury(tx, event, tries, error);
  }));
  log::error("events", "an event became a dead letter",
             {{"consumer", group_.name},
              {"topic", event.topic},
              {"key", event.key},
              {"event", event.id},
              {"error", error.token},
              {"detail", error.detail}});
  co_return Result<>{};
}

}  // namespace sv
