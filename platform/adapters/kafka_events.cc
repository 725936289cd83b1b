#include "platform/adapters/kafka_events.h"

#include <deque>
#include <map>
#include <set>

#include <fmt/format.h>
#include <boost/asio/strand.hpp>

#include "platform/adapters/event_letters.h"
#include "platform/adapters/kafka_client.h"
#include "platform/adapters/kafka_consumer.h"
#include "platform/adapters/local_events.h"
#include "platform/core/block_on.h"
#include "platform/core/task_group.h"
#include "platform/crypto/random.h"

namespace sv {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kRelay = "kafka";  // the group that reads an outbox

// Who relays; another one only when the lease has ended.
constexpr std::string_view kTakeLease = R"(
    INSERT INTO event_relay (one, owner, until_ms)
    VALUES (1, $1, $2)
    ON CONFLICT (one) DO UPDATE SET owner = excluded.owner, until_ms = excluded.until_ms
    WHERE event_relay.owner = excluded.owner OR event_relay.until_ms < $3
    RETURNING owner)";
// Numbers have no gaps: nothing is counted row by row, however much waits.
constexpr std::string_view kWaitingRows = R"(
    SELECT coalesce(max(id), $1) - $1,
        coalesce((SELECT time_ms FROM event_outbox WHERE id > $1 ORDER BY id LIMIT 1), 0)
    FROM event_outbox)";
constexpr std::string_view kUnnumberedRows =
    "SELECT count(*), coalesce(min(time_ms), 0) FROM event_waiting";

// Sends what lies in one outbox to Kafka.
class Relay {
 public:
  Relay(sql::Database& db, const kafka::Place& place, ThreadPool& pool,
        const KafkaEventsOptions& options)
      : db_(db), place_(place), pool_(pool), options_(options), producer_(place, pool) {}

  EventBus::Group group() {
    return {.name = std::string(kRelay),
            .topics = {},
            .db = db_,
            .prepare = [this](const std::vector<Event>& events) { return relay(events); }};
  }

 private:
  Task<Result<Effect>> relay(std::vector<Event> events) {
    SV_CO_TRY(const bool mine, co_await take_lease());
    if (!mine) {
      co_await pause(options_.poll);
      co_return fail(Errc::conflict, kEventOvertaken);
    }
    if (source_.empty()) { SV_CO_TRY(source_, co_await name_of_outbox(db_)); }
    SV_CO_CHECK(co_await make_streams_of(events));
    auto sent = co_await producer_.send(source_, std::move(events), options_.send);
    if (!sent) {
      streams_.clear();  // one may be gone
      co_return std::unexpected(std::move(sent.error()));
    }
    co_return Effect{};
  }

  Task<Result<bool>> take_lease() {
    const auto now = SteadyClock::now();
    if (now < renew_) co_return true;
    SV_CO_TRY(const bool mine, co_await db_.write(Ctx{}, [this](sql::Tx& tx) -> Result<bool> {
      SV_TRY(const std::int64_t db_now, tx.now_ms());
      SV_TRY(const sql::Rows rows,
             tx.query(kTakeLease, {me_, db_now + options_.lease.count(), db_now}));
      return !rows.empty();
    }));
    if (mine) renew_ = now + options_.lease / 3;
    co_return mine;
  }

  Task<Result<>> make_streams_of(const std::vector<Event>& events) {
    std::set<std::string> fresh;
    for (const Event& event : events)
      if (const std::string stream = kafka::stream_of(place_, event.topic);
          !streams_.contains(stream))
        fresh.insert(stream);
    if (fresh.empty()) co_return Result<>{};
    auto made = co_await offload(pool_, [this, fresh]() -> Result<> {
      SV_TRY(rd_kafka_t* const kafka, producer_.handle());
      return kafka::make_streams(kafka, place_, fresh, 5s);
    });
    if (!made) co_return fail(Errc::unavailable, "storage_busy");
    if (*made) streams_.merge(fresh);
    co_return std::move(*made);
  }

  sql::Database& db_;
  const kafka::Place& place_;
  ThreadPool& pool_;
  const KafkaEventsOptions& options_;
  const std::string me_ = random_token();
  kafka::Producer producer_;
  std::string source_;
  std::set<std::string> streams_;
  SteadyClock::time_point renew_{};
};

class KafkaEvents final : public EventBus {
 public:
  KafkaEvents(std::vector<sql::Database*> sources, const Clock& clock,
              asio::any_io_executor executor, Supervisor& supervisor, metrics::Registry& metrics,
              KafkaEventsOptions options)
      : options_(options),
        place_(place_of(options)),
        clock_(clock),
        strand_(asio::make_strand(executor)),
        supervisor_(supervisor),
        metrics_(metrics) {
    for (sql::Database* db : sources) {
      outboxes_.emplace_back(
          *db, place_, pool_, options_,
          make_local_events(
              {db}, clock, executor, supervisor, metrics,
              {.retention = 0ms, .poll = options_.poll, .tries = place_.tries, .trim = 1min}));
      Outbox& outbox = outboxes_.back();
      outbox.rows->group(outbox.home);
    }
  }
  ~KafkaEvents() override { stop(); }

  // Any of them writes the row, which is in the transaction's database; only those who read that
  // find it.
  Result<> publish(sql::Tx& tx, std::vector<Event> events) override {
    if (events.empty()) return {};
    SV_CHECK(outboxes_.front().rows->publish(tx, std::move(events)));
    if (outboxes_.size() > 1)
      tx.on_commit([this] {
        for (Outbox& outbox : outboxes_) outbox.rows->look();
      });
    return {};
  }

  void group(Group group) override { groups_.emplace_back(context(), std::move(group)); }
  void each(Each each) override { eachs_.emplace_back(context(), std::move(each)); }

  Result<> start() override {
    std::map<std::string, std::int64_t> committed;
    for (Outbox& outbox : outboxes_) {
      if (eachs_.empty()) break;
      SV_TRY(auto ends, block_on(outbox.rows->ends()));
      committed.merge(ends);
    }
    for (auto& each : eachs_) each.start(committed);
    for (auto& group : groups_) group.start();
    for (Outbox& outbox : outboxes_) SV_CHECK(outbox.rows->start());
    run("events.outbox", [this] { return look_at_outboxes(); });
    std::set<sql::Database*> homes;
    for (auto& group : groups_)
      if (sql::Database* db = &group.group().db; homes.insert(db).second)
        run("events.letters." + group.group().name, [this, db] { return look_at_letters(*db); });
    return {};
  }

  void stop() override {
    for (Outbox& outbox : outboxes_) outbox.rows->stop();
    tasks_.stop();
    tasks_.join();
    for (auto& group : groups_) group.stop();
    for (auto& each : eachs_) each.stop();
  }

 private:
  struct Outbox {
    Outbox(sql::Database& of, const kafka::Place& place, ThreadPool& pool,
           const KafkaEventsOptions& options, std::unique_ptr<LocalEventBus> bus)
        : db(of), relay(of, place, pool, options), rows(std::move(bus)), home(relay.group()) {}
    sql::Database& db;
    Relay relay;
    std::unique_ptr<LocalEventBus> rows;
    Group home;
  };

  static kafka::Place place_of(const KafkaEventsOptions& options) {
    kafka::Place place = kafka::parse_url(options.url).value();
    place.poll = options.member_poll;
    return place;
  }
  kafka::ConsumerContext context() {
    return {.place = place_,
            .executor = strand_,
            .pool = pool_,
            .tasks = tasks_,
            .supervisor = supervisor_,
            .metrics = metrics_};
  }
  void run(const std::string& name, Round round) {
    SupervisedLoop& loop = supervisor_.loop(name);
    tasks_.spawn(strand_, [&loop, round = std::move(round)] { return supervise(loop, round); });
  }

  // How much waits for Kafka, and since when: what to alert on.
  Task<Result<>> look_at_outboxes() {
    std::int64_t count = 0, oldest = 0;
    for (Outbox& outbox : outboxes_) {
      SV_CO_TRY(const std::string name, co_await name_of_outbox(outbox.db));
      SV_CO_TRY(const auto position, co_await find_position(outbox.home, name));
      SV_CO_TRY(const sql::Rows numbered,
                co_await outbox.db.query(Ctx{}, kWaitingRows, {position.value_or(0)}));
      SV_CO_TRY(const sql::Rows others, co_await outbox.db.query(Ctx{}, kUnnumberedRows));
      for (const sql::Rows* rows : {&numbered, &others}) {
        count += rows->i64(0, 0);
        if (const std::int64_t time = rows->i64(0, 1); time != 0)
          oldest = oldest == 0 ? time : std::min(oldest, time);
      }
    }
    waiting_.set(count);
    const std::int64_t age = oldest == 0 ? 0 : (clock_.now_ms() - oldest) / 1000;
    age_.set(std::max<std::int64_t>(age, 0));
    co_await pause(1s);
    co_return Result<>{};
  }

  Task<Result<>> look_at_letters(sql::Database& db) {
    SV_CO_TRY(const auto letters, co_await count_letters(db));
    for (auto& group : groups_) {
      if (&group.group().db != &db) continue;
      const auto at = letters.find(group.group().name);
      const auto counts = at == letters.end() ? EventLetters::Counts{} : at->second;
      show_letters(metrics_, group.group().name, counts);
      if (counts.replayed > 0) group.replay();
    }
    co_await pause(options_.poll);
    co_return Result<>{};
  }

  const KafkaEventsOptions options_;
  const kafka::Place place_;
  const Clock& clock_;
  asio::strand<asio::any_io_executor> strand_;
  Supervisor& supervisor_;
  metrics::Registry& metrics_;
  metrics::Gauge& waiting_ =
      metrics_.gauge("shortvideo_events_outbox", "Events that wait for Kafka to take them");
  metrics::Gauge& age_ =
      metrics_.gauge("shortvideo_events_outbox_age_seconds", "Since when the oldest of them waits");
  ThreadPool pool_{"kafka", 4, 256};
  TaskGroup tasks_{"events.kafka"};
  std::deque<Outbox> outboxes_;
  std::deque<kafka::GroupConsumer> groups_;
  std::deque<kafka::EachConsumer> eachs_;
};

}  // namespace

Result<> check_kafka_url(std::string_view url) {
  SV_CHECK(kafka::parse_url(url));
  return {};
}

std::unique_ptr<EventBus> make_kafka_events(std::vector<sql::Database*> sources, const Clock& clock,
                                            asio::any_io_executor executor, Supervisor& supervisor,
                                            metrics::Registry& metrics,
                                            KafkaEventsOptions options) {
  return std::make_unique<KafkaEvents>(std::move(sources), clock, std::move(executor), supervisor,
                                       metrics, options);
}

}  // namespace sv
