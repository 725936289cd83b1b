#include "platform/adapters/local_events.h"

#include <boost/asio/strand.hpp>

#include "platform/core/bell.h"
#include "platform/core/task_group.h"

namespace sv {
namespace {

constexpr std::string_view kOutbox = R"sql(
CREATE TABLE event_outbox (id {id}, topic {text} NOT NULL, key {text} NOT NULL, revision {int} NOT NULL, payload {text} NOT NULL, time_ms {int} NOT NULL);
CREATE TABLE event_positions (consumer {text} PRIMARY KEY, position {int} NOT NULL);
)sql";
// Where a database does not number in the order of commits, what is published waits here.
constexpr std::string_view kWaiting = R"sql(
CREATE TABLE event_waiting (id {id}, topic {text} NOT NULL, key {text} NOT NULL, revision {int} NOT NULL, payload {text} NOT NULL, time_ms {int} NOT NULL);
)sql";
constexpr std::array kOutboxMigrations{sql::Migration{"event/0001_outbox.sql", kOutbox},
                                       sql::Migration{"event/0002_waiting.sql", kWaiting}};

constexpr std::string_view kPublish =
    "INSERT INTO event_outbox (topic, key, revision, payload, time_ms) VALUES ($1, $2, $3, $4, $5)";
constexpr std::string_view kPublishWaiting =
    "INSERT INTO event_waiting (topic, key, revision, payload, time_ms) VALUES ($1, $2, $3, $4, "
    "$5)";
constexpr std::string_view kAnyWaiting = "SELECT id FROM event_waiting LIMIT 1";
constexpr std::string_view kWaitingBatch = R"(
    SELECT id, topic, key, revision, payload, time_ms
    FROM event_waiting
    ORDER BY id
    LIMIT 500)";
constexpr std::string_view kNumber = R"(
    INSERT INTO event_outbox (id, topic, key, revision, payload, time_ms)
    VALUES ($1, $2, $3, $4, $5, $6))";
constexpr std::string_view kNumbered = "DELETE FROM event_waiting WHERE id = any($1)";
constexpr std::string_view kPosition = "SELECT position FROM event_positions WHERE consumer = $1";
constexpr std::string_view kEnd = "SELECT coalesce(max(id), 0) FROM event_outbox";
// primary key range
constexpr std::string_view kBatch = R"(
    SELECT id, topic, key, revision, payload, time_ms
    FROM event_outbox
    WHERE id > $1 AND id <= $2 AND topic = any($3)
    ORDER BY id
    LIMIT 200)";
constexpr std::int64_t kBatchSize = 200;
constexpr std::string_view kJoin =
    "INSERT INTO event_positions (consumer, position) VALUES ($1, 0) ON CONFLICT DO NOTHING";
// Compare and set: who was overtaken moves nothing back.
constexpr std::string_view kAdvance =
    "UPDATE event_positions SET position = $3 WHERE consumer = $1 AND position = $2";
// The newest row stays, so that numbers are never given twice.
constexpr std::string_view kTrim = R"(
    DELETE FROM event_outbox
    WHERE time_ms < $1 AND id <= (SELECT coalesce(min(position), 0) FROM event_positions)
        AND id < (SELECT max(id) FROM event_outbox))";

class LocalEvents final : public EventBus {
 public:
  LocalEvents(std::vector<sql::Database*> sources, const Clock& clock,
              asio::any_io_executor executor, Supervisor& supervisor, LocalEventsOptions options)
      : sources_(std::move(sources)),
        clock_(clock),
        strand_(asio::make_strand(executor)),
        supervisor_(supervisor),
        options_(options),
        bell_(strand_),
        group_("events") {}
  ~LocalEvents() override { stop(); }

  Result<> publish(sql::Tx& tx, Event event) override {
    auto added =
        tx.execute(tx.numbers_in_order() ? kPublish : kPublishWaiting,
                   {event.topic, event.key, event.revision, event.payload, clock_.now_ms()});
    if (!added) return std::unexpected(std::move(added.error()));
    tx.on_commit([this] { bell_.ring(); });
    return {};
  }

  void subscribe(std::string name, std::vector<std::string> topics, Consumer consumer) override {
    consumers_.push_back(std::make_unique<Subscriber>(
        Subscriber{std::move(name), std::move(topics), std::move(consumer)}));
  }

  void start() override {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      sql::Database* const db = sources_[i];
      // The same consumer reads the log of each database file: "events.video_search", "….2".
      const std::string file = i == 0 ? "" : fmt::format(".{}", i + 1);
      for (const auto& subscriber : consumers_)
        run("events." + subscriber->name + file,
            [this, db, s = subscriber.get()] { return relay(*db, *s); });
      run("events.trim" + file, [this, db] { return trim(*db); });
      run("events.number" + file, [this, db] { return number(*db); });
    }
  }

  void stop() override {
    group_.stop();
    group_.join();
  }

 private:
  struct Subscriber {
    std::string name;
    std::vector<std::string> topics;
    Consumer consumer;
  };

  void run(const std::string& name, Round round) {
    group_.spawn(strand_, [&loop = supervisor_.loop(name), round = std::move(round)] {
      return supervise(loop, round);
    });
  }

  Task<Result<>> relay(sql::Database& db, Subscriber& subscriber) {
    const std::uint64_t seen = bell_.rings();
    SV_CO_TRY(const bool more, co_await step(db, subscriber));
    if (!more) co_await bell_.wait(options_.poll, seen);
    co_return Result<>{};
  }

  // One batch. True: there is more.
  Task<Result<bool>> step(sql::Database& db, Subscriber& subscriber) {
    SV_CO_TRY(sql::Rows at, co_await db.query(Ctx{}, kPosition, {subscriber.name}));
    if (at.empty()) SV_CO_CHECK(co_await db.write(Ctx{}, [this](sql::Tx& tx) { return join(tx); }));
    const std::int64_t position = at.empty() ? 0 : at.i64(0, 0);
    SV_CO_TRY(sql::Rows last, co_await db.query(Ctx{}, kEnd));
    const std::int64_t end = last.i64(0, 0);
    if (end <= position) co_return false;
    SV_CO_TRY(sql::Rows rows, co_await db.query(Ctx{}, kBatch, {position, end, subscriber.topics}));
    std::vector<Event> events;
    events.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
      events.push_back({rows.i64(i, 0), rows.text(i, 1), rows.text(i, 2), rows.i64(i, 3),
                        rows.text(i, 4), rows.i64(i, 5)});
    const bool full = static_cast<std::int64_t>(events.size()) == kBatchSize;
    const std::int64_t reached = full ? events.back().id : end;
    if (!events.empty()) SV_CO_CHECK(co_await subscriber.consumer(events));
    Ctx ctx;
    SV_CO_TRY([[maybe_unused]] std::int64_t changed,
              co_await db.write(ctx, [&subscriber, position, reached](sql::Tx& tx) {
                return tx.execute(kAdvance, {subscriber.name, position, reached});
              }));
    co_return full;
  }

  // Gives what waits its place in the log, one process at a time. What two works published for one
  // key waits in their order: a work publishes after it wrote the row that orders the key, so the
  // second was numbered, and could commit, only after the first had.
  Task<Result<>> number(sql::Database& db) {
    const std::uint64_t seen = bell_.rings();
    SV_CO_TRY(const sql::Rows any, co_await db.query(Ctx{}, kAnyWaiting));
    if (any.empty()) {
      co_await bell_.wait(options_.poll, seen);
      co_return Result<>{};
    }
    SV_CO_CHECK(co_await db.write(Ctx{}, number_tx, sql::Isolation::read_committed));
    bell_.ring();
    co_return Result<>{};
  }

  static Result<> number_tx(sql::Tx& tx) {
    SV_CHECK(tx.lock("event.number", 0, sql::LockMode::exclusive));
    SV_TRY(const sql::Rows end, tx.query(kEnd));
    SV_TRY(const sql::Rows rows, tx.query(kWaitingBatch));
    std::vector<sql::Params> numbered;
    std::vector<std::int64_t> ids;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ids.push_back(rows.i64(i, 0));
      numbered.emplace_back(end.i64(0, 0) + std::ssize(ids), rows.text(i, 1), rows.text(i, 2),
                            rows.i64(i, 3), rows.text(i, 4), rows.i64(i, 5));
    }
    if (ids.empty()) return {};  // another process was faster
    SV_CHECK(tx.execute_many(kNumber, numbered));
    SV_CHECK(tx.execute(kNumbered, {std::move(ids)}));
    return {};
  }

  // Every consumer has a position: a first one that has read nothing yet too.
  Result<> join(sql::Tx& tx) const {
    for (const auto& subscriber : consumers_) SV_CHECK(tx.execute(kJoin, {subscriber->name}));
    return {};
  }

  // A consumer without a position would not hold trimming up: it gets one in the same transaction.
  Task<Result<>> trim(sql::Database& db) {
    const std::int64_t before = clock_.now_ms() - options_.retention.count();
    SV_CO_CHECK(co_await db.write(Ctx{}, [this, before](sql::Tx& tx) -> Result<> {
      SV_CHECK(join(tx));
      SV_CHECK(tx.execute(kTrim, {before}));
      return {};
    }));
    co_await pause(std::chrono::hours(1));
    co_return Result<>{};
  }

  const std::vector<sql::Database*> sources_;
  const Clock& clock_;
  asio::strand<asio::any_io_executor> strand_;
  Supervisor& supervisor_;
  const LocalEventsOptions options_;
  Bell bell_;
  std::vector<std::unique_ptr<Subscriber>> consumers_;
  TaskGroup group_;
};

}  // namespace

std::unique_ptr<EventBus> make_local_events(std::vector<sql::Database*> sources, const Clock& clock,
                                            asio::any_io_executor executor, Supervisor& supervisor,
                                            LocalEventsOptions options) {
  return std::make_unique<LocalEvents>(std::move(sources), clock, std::move(executor), supervisor,
                                       options);
}

std::span<const sql::Migration> local_events_migrations() { return kOutboxMigrations; }

}  // namespace sv
