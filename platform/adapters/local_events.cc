#include "platform/adapters/local_events.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>

#include "platform/core/log.h"
#include "platform/core/task_group.h"

namespace sv {
namespace {

constexpr std::string_view kOutbox = R"sql(
CREATE TABLE event_outbox (id {id}, topic {text} NOT NULL, key {text} NOT NULL, revision {int} NOT NULL, payload {text} NOT NULL, time_ms {int} NOT NULL);
CREATE TABLE event_positions (consumer {text} PRIMARY KEY, position {int} NOT NULL);
)sql";
constexpr std::array kOutboxMigrations{sql::Migration{"event/0001_outbox.sql", kOutbox}};

constexpr std::string_view kPublish =
    "INSERT INTO event_outbox (topic, key, revision, payload, time_ms) VALUES ($1, $2, $3, $4, $5)";
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
constexpr std::string_view kAdvance = R"(
    INSERT INTO event_positions (consumer, position)
    VALUES ($1, $2)
    ON CONFLICT (consumer) DO UPDATE SET position = excluded.position)";
// The newest row stays, so that numbers are never given twice.
constexpr std::string_view kTrim = R"(
    DELETE FROM event_outbox
    WHERE time_ms < $1 AND id <= (SELECT coalesce(min(position), 0) FROM event_positions)
        AND id < (SELECT max(id) FROM event_outbox))";

class LocalEvents final : public EventBus {
 public:
  LocalEvents(std::vector<sql::Database*> sources, const Clock& clock,
              asio::any_io_executor executor, LocalEventsOptions options)
      : sources_(std::move(sources)),
        clock_(clock),
        strand_(asio::make_strand(executor)),
        options_(options),
        group_("events") {}
  ~LocalEvents() override { stop(); }

  Result<> publish(sql::Tx& tx, Event event) override {
    auto added = tx.execute(
        kPublish, {event.topic, event.key, event.revision, event.payload, clock_.now_ms()});
    if (!added) return std::unexpected(std::move(added.error()));
    tx.on_commit([this] { wake(); });
    return {};
  }

  void subscribe(std::string name, std::vector<std::string> topics, Consumer consumer) override {
    consumers_.push_back(std::make_unique<Subscriber>(
        Subscriber{std::move(name), std::move(topics), std::move(consumer)}));
  }

  void start() override {
    for (sql::Database* db : sources_) {
      for (const auto& subscriber : consumers_)
        group_.spawn(strand_, [this, db, s = subscriber.get()] { return relay(*db, *s); });
      group_.spawn(strand_, [this, db] { return trim(*db); });
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

  // Called on a writer thread after its COMMIT. A relay that is not waiting sees that the count has
  // risen.
  void wake() {
    published_.fetch_add(1);
    asio::post(strand_, [this, alive = std::weak_ptr(alive_)] {
      if (!alive.lock()) return;
      for (asio::steady_timer* timer : waiting_) timer->cancel();
    });
  }

  Task<> wait(std::chrono::milliseconds time, std::uint64_t seen) {
    if (published_.load() != seen) co_return;
    asio::steady_timer timer(strand_, time);
    waiting_.push_back(&timer);
    struct Leave {
      std::vector<asio::steady_timer*>& waiting;
      asio::steady_timer* timer;
      ~Leave() { std::erase(waiting, timer); }
    } leave{waiting_, &timer};
    boost::system::error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  }

  Task<> relay(sql::Database& db, Subscriber& subscriber) {
    auto pause = options_.pause;
    // With a position from the start, trimming waits even for a consumer that has never succeeded.
    Ctx ctx;
    (void)co_await db.write(
        ctx, [&subscriber](sql::Tx& tx) { return tx.execute(kJoin, {subscriber.name}); });
    for (;;) {
      const std::uint64_t seen = published_.load();
      Result<bool> more = false;
      try {
        more = co_await step(db, subscriber);
      } catch (const std::exception& e) { more = fail(Errc::internal, {}, e.what()); }
      // stop() makes the pending await throw: that is no failure of the consumer.
      if ((co_await asio::this_coro::cancellation_state).cancelled() !=
          asio::cancellation_type::none)
        co_return;
      if (!more) {
        log::error("events", "a consumer failed, the batch comes again",
                   {{"consumer", subscriber.name},
                    {"error", more.error().token},
                    {"detail", more.error().detail}});
        asio::steady_timer timer(strand_, pause);
        co_await timer.async_wait(asio::use_awaitable);
        pause = std::min<std::chrono::milliseconds>(pause * 2, std::chrono::seconds(10));
        continue;
      }
      pause = options_.pause;
      if (!*more) co_await wait(options_.poll, seen);
    }
  }

  // One batch. True: there is more.
  Task<Result<bool>> step(sql::Database& db, Subscriber& subscriber) {
    SV_CO_TRY(sql::Rows at, co_await db.query(kPosition, {subscriber.name}));
    const std::int64_t position = at.empty() ? 0 : at.i64(0, 0);
    SV_CO_TRY(sql::Rows last, co_await db.query(kEnd));
    const std::int64_t end = last.i64(0, 0);
    if (end <= position) co_return false;
    SV_CO_TRY(sql::Rows rows, co_await db.query(kBatch, {position, end, subscriber.topics}));
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
              co_await db.write(ctx, [&subscriber, reached](sql::Tx& tx) {
                return tx.execute(kAdvance, {subscriber.name, reached});
              }));
    co_return full;
  }

  Task<> trim(sql::Database& db) {
    for (;;) {
      const std::int64_t before = clock_.now_ms() - options_.retention.count();
      Ctx ctx;
      auto done =
          co_await db.write(ctx, [before](sql::Tx& tx) { return tx.execute(kTrim, {before}); });
      if (!done)
        log::warn("events", "trimming the log failed",
                  {{"error", done.error().token}, {"detail", done.error().detail}});
      asio::steady_timer timer(strand_, std::chrono::hours(1));
      co_await timer.async_wait(asio::use_awaitable);
    }
  }

  const std::vector<sql::Database*> sources_;
  const Clock& clock_;
  asio::strand<asio::any_io_executor> strand_;
  const LocalEventsOptions options_;
  std::vector<std::unique_ptr<Subscriber>> consumers_;
  std::atomic<std::uint64_t> published_{0};
  std::vector<asio::steady_timer*> waiting_;  // on the strand only
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  TaskGroup group_;
};

}  // namespace

std::unique_ptr<EventBus> make_local_events(std::vector<sql::Database*> sources, const Clock& clock,
                                            asio::any_io_executor executor,
                                            LocalEventsOptions options) {
  return std::make_unique<LocalEvents>(std::move(sources), clock, std::move(executor), options);
}

std::span<const sql::Migration> local_events_migrations() { return kOutboxMigrations; }

}  // namespace sv
