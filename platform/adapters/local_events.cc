#include "platform/adapters/local_events.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include <boost/asio/strand.hpp>

#include "platform/adapters/event_delivery.h"
#include "platform/core/bell.h"
#include "platform/core/block_on.h"
#include "platform/core/task_group.h"
#include "platform/crypto/random.h"

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
// A group's position is in the group's own database; event_positions tells the source how far it
// has come there. Sources have names of their own, whatever path or address leads to them.
constexpr std::string_view kGroups = R"sql(
CREATE TABLE event_source (one {int} PRIMARY KEY, name {text} NOT NULL);
ALTER TABLE event_positions ADD COLUMN seen_ms {int} NOT NULL DEFAULT 0;
CREATE TABLE event_cursors (consumer {text} NOT NULL, source {text} NOT NULL, position {int} NOT NULL, PRIMARY KEY (consumer, source));
CREATE TABLE event_letters (id {id}, consumer {text} NOT NULL, source {text} NOT NULL, event {int} NOT NULL, topic {text} NOT NULL, key {text} NOT NULL,
  revision {int} NOT NULL, payload {text} NOT NULL, time_ms {int} NOT NULL, state {int} NOT NULL, tries {int} NOT NULL, error {text} NOT NULL);
CREATE UNIQUE INDEX event_letters_key ON event_letters (consumer, source, key, event);
)sql";
// Which process sends the log on to a broker.
constexpr std::string_view kRelayLease = R"sql(
-- tolerates: event/0003_groups.sql
CREATE TABLE event_relay (one {int} PRIMARY KEY, owner {text} NOT NULL, until_ms {int} NOT NULL);
)sql";
constexpr std::array kOutboxMigrations{sql::Migration{"event/0001_outbox.sql", kOutbox},
                                       sql::Migration{"event/0002_waiting.sql", kWaiting},
                                       sql::Migration{"event/0003_groups.sql", kGroups},
                                       sql::Migration{"event/0004_relay.sql", kRelayLease}};

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
constexpr std::string_view kEnd = "SELECT coalesce(max(id), 0) FROM event_outbox";
// primary key range
constexpr std::string_view kBatch = R"(
    SELECT id, topic, key, revision, payload, time_ms
    FROM event_outbox
    WHERE id > $1 AND id <= $2 AND topic = any($3)
    ORDER BY id
    LIMIT $4)";
constexpr std::string_view kBatchOfAll = R"(
    SELECT id, topic, key, revision, payload, time_ms
    FROM event_outbox
    WHERE id > $1 AND id <= $2
    ORDER BY id
    LIMIT $3)";
constexpr std::string_view kNameSource =
    "INSERT INTO event_source (one, name) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
constexpr std::string_view kSourceName = "SELECT name FROM event_source";
// What was there stays: a group without a position of its own goes on there. Versions that kept the
// positions here wrote it.
constexpr std::string_view kSeen = R"(
    INSERT INTO event_positions (consumer, position, seen_ms)
    VALUES ($1, 0, $2)
    ON CONFLICT (consumer) DO UPDATE SET seen_ms = excluded.seen_ms
    RETURNING position)";
constexpr std::string_view kReached =
    "UPDATE event_positions SET position = $2, seen_ms = $3 WHERE consumer = $1";
constexpr std::string_view kFirstSeen = "UPDATE event_positions SET seen_ms = $1 WHERE seen_ms = 0";
constexpr std::string_view kForgetGroups = "DELETE FROM event_positions WHERE seen_ms < $1";
// The newest row stays, so that numbers are never given twice.
constexpr std::string_view kTrim = R"(
    DELETE FROM event_outbox
    WHERE time_ms < $1 AND id <= (SELECT coalesce(min(position), 0) FROM event_positions)
        AND id < (SELECT max(id) FROM event_outbox))";

// What is not the group's is passed over in memory; a position is written when so much lies behind
// it.
constexpr std::int64_t kUnwritten = 256;

std::vector<Event> events_of(const sql::Rows& rows) {
  std::vector<Event> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({rows.i64(i, 0), rows.text(i, 1), rows.text(i, 2), rows.i64(i, 3),
                   rows.text(i, 4), rows.i64(i, 5)});
  return out;
}

class LocalEvents final : public LocalEventBus {
 public:
  LocalEvents(std::vector<sql::Database*> sources, const Clock& clock,
              asio::any_io_executor executor, Supervisor& supervisor, metrics::Registry& metrics,
              LocalEventsOptions options)
      : clock_(clock),
        strand_(asio::make_strand(executor)),
        supervisor_(supervisor),
        metrics_(metrics),
        options_(options),
        unnumbered_(strand_),
        tasks_("events") {
    for (sql::Database* db : sources) sources_.push_back({.db = *db});
  }
  ~LocalEvents() override { stop(); }

  Result<> publish(sql::Tx& tx, std::vector<Event> events) override {
    if (events.empty()) return {};
    const std::int64_t now = clock_.now_ms();
    const bool numbered = tx.numbers_in_order();
    std::set<std::string> topics;
    std::vector<sql::Params> rows;
    rows.reserve(events.size());
    for (Event& e : events) {
      topics.insert(e.topic);
      rows.push_back({std::move(e.topic), std::move(e.key), e.revision, std::move(e.payload), now});
    }
    SV_CHECK(tx.execute_many(numbered ? kPublish : kPublishWaiting, rows));
    tx.on_commit([this, numbered, topics = std::move(topics)] {
      if (numbered) wake(topics);
      else unnumbered_.ring();
    });
    return {};
  }

  void group(Group group) override {
    groups_.push_back({.to = std::move(group), .bell = Bell(strand_)});
  }
  void each(Each each) override {
    eachs_.push_back({.to = std::move(each), .bell = Bell(strand_)});
  }

  Result<> start() override {
    if (!eachs_.empty()) SV_CHECK(block_on(begin_to_hear()));
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      Source& source = sources_[i];
      // The same consumer reads the log of each database file: "events.video_search", "….2".
      const std::string file = i == 0 ? "" : fmt::format(".{}", i + 1);
      for (auto& group : groups_) {
        auto reader = std::make_shared<Reader>(group, behind(group.to.name + file));
        run("events." + group.to.name + file,
            [this, &source, reader](SupervisedLoop& loop) { return relay(source, *reader, loop); });
      }
      for (auto& each : eachs_) {
        auto listener = std::make_shared<Listener>(each, source.end, Blame(options_.tries));
        run("events." + each.to.name + file, [this, &source, listener](SupervisedLoop& loop) {
          return relay(source, *listener, loop);
        });
      }
      run("events.trim" + file, [this, &source](SupervisedLoop&) { return trim(source); });
      run("events.watch" + file, [this, &source](SupervisedLoop&) { return watch(source); });
    }
    std::set<sql::Database*> homes;
    for (const auto& [group, bell, replays] : groups_)
      if (homes.insert(&group.db).second)
        run("events.letters." + group.name,
            [this, db = &group.db](SupervisedLoop&) { return look_at_letters(*db); });
    return {};
  }

  void stop() override {
    tasks_.stop();
    tasks_.join();
  }

  void look() override {
    unnumbered_.ring();
    wake({});
  }

  Task<Result<std::map<std::string, std::int64_t>>> ends() override {
    SV_CO_CHECK(co_await begin_to_hear());
    std::map<std::string, std::int64_t> out;
    for (Source& source : sources_) {
      SV_CO_CHECK(co_await name(source));
      out[source.name] = source.end;
    }
    co_return out;
  }

 private:
  struct Source {
    sql::Database& db;
    std::string name = {};     // empty until it is known
    std::int64_t end = 0;      // of the log, when it was last looked at
    std::int64_t watched = 0;  // likewise, by watch()
  };
  template <class To>
  struct Subscription {
    To to;
    Bell bell;                  // for events of its topics
    std::uint64_t replays = 1;  // how often letters were seen that are to be delivered again
  };
  // One group and one source.
  struct Reader {
    Reader(Subscription<Group>& of, metrics::Gauge& left) : group(of), behind(left) {}
    Subscription<Group>& group;
    metrics::Gauge& behind;
    std::uint64_t replayed = 0;             // none is left of those that were seen so far
    std::optional<GroupDelivery> delivery;  // once there is a position
    std::int64_t passed = 0;                // nothing for the group up to here
  };
  struct Listener {
    Subscription<Each>& each;
    std::int64_t position;
    Blame blame;
  };

  void run(const std::string& name, std::function<Task<Result<>>(SupervisedLoop&)> round) {
    SupervisedLoop& loop = supervisor_.loop(name);
    tasks_.spawn(strand_, [&loop, round = std::move(round)] {
      return supervise(loop, [&loop, round] { return round(loop); });
    });
  }

  metrics::Gauge& behind(const std::string& reader) {
    return metrics_.gauge("shortvideo_events_behind", "Events that a consumer has yet to look at",
                          {{"consumer", reader}});
  }

  // Behind everything that is committed, in every log.
  Task<Result<>> begin_to_hear() {
    Ctx ctx;
    ctx.deadline = std::chrono::steady_clock::now() + options_.start;
    for (Source& source : sources_) {
      for (bool more = true; more;) { SV_CO_TRY(more, co_await number(ctx, source.db)); }
      SV_CO_CHECK(co_await find_end(ctx, source));
    }
    co_return Result<>{};
  }

  Task<Result<>> find_end(const Ctx& ctx, Source& source) {
    SV_CO_TRY(const sql::Rows end, co_await source.db.query(ctx, kEnd));
    source.end = end.i64(0, 0);
    co_return Result<>{};
  }

  // Whoever listens to one of them; to none: whoever listens.
  void wake(const std::set<std::string>& topics) {
    const auto ring = [&topics](auto& subscription) {
      const auto wanted = [&topics](const std::string& topic) { return topics.contains(topic); };
      if (topics.empty() || subscription.to.topics.empty() ||
          std::ranges::any_of(subscription.to.topics, wanted))
        subscription.bell.ring();
    };
    std::ranges::for_each(groups_, ring);
    std::ranges::for_each(eachs_, ring);
  }

  static Bell& bell_of(const Reader& reader) { return reader.group.bell; }
  static Bell& bell_of(const Listener& listener) { return listener.each.bell; }
  template <class Consumer>
  Task<Result<>> relay(Source& source, Consumer& consumer, SupervisedLoop& loop) {
    Bell& bell = bell_of(consumer);
    const std::uint64_t seen = bell.rings();
    SV_CO_TRY(const bool more, co_await step(source, consumer, loop));
    if (!more) co_await bell.wait(std::chrono::hours(1), seen);
    co_return Result<>{};
  }

  // True: there may be more.
  Task<Result<bool>> step(Source& source, Reader& reader, SupervisedLoop& loop) {
    if (!reader.delivery) SV_CO_CHECK(co_await join(source, reader, loop));
    GroupDelivery& to = *reader.delivery;
    if (const std::uint64_t seen = reader.group.replays; reader.replayed != seen) {
      SV_CO_TRY(const bool replayed, co_await to.replay());
      if (replayed) co_return true;
      reader.replayed = seen;
    }
    SV_CO_TRY(const std::int64_t position, co_await to.position());
    const std::int64_t from = std::max(position, reader.passed);
    SV_CO_CHECK(co_await find_end(Ctx{}, source));
    reader.behind.set(std::max<std::int64_t>(source.end - from, 0));
    if (source.end <= from) co_return false;
    SV_CO_TRY(auto next, co_await read(source, from, reader.group.to.topics, to.limit(from)));
    if (next.events.empty() && next.end - position < kUnwritten) {
      reader.passed = next.end;
      reader.behind.set(0);
      co_return false;
    }
    SV_CO_CHECK(co_await to.deliver(position, next.end, std::move(next.events)));
    co_return true;
  }

  Task<Result<bool>> step(Source& source, Listener& listener, SupervisedLoop& loop) {
    SV_CO_CHECK(co_await find_end(Ctx{}, source));
    if (source.end <= listener.position) co_return false;
    SV_CO_TRY(const auto next, co_await read(source, listener.position, listener.each.to.topics,
                                             listener.blame.limit(listener.position)));
    Result<> done;
    if (!next.events.empty())
      done = co_await guarded(
          [&listener, &events = next.events] { return listener.each.to.hear(events); });
    if (!done) {
      if (is_away(done.error())) co_return std::unexpected(std::move(done.error()));
      loop.stumbled(done.error());
      if (!listener.blame.give_up(next.events)) {
        co_await pause(listener.blame.pause());
        co_return true;
      }
    }
    listener.position = next.end;
    co_return true;
  }

  struct Next {
    std::vector<Event> events;
    std::int64_t end = 0;  // the last one's number, or where the log ended
  };
  Task<Result<Next>> read(Source& source, std::int64_t from, std::vector<std::string> topics,
                          std::int64_t limit) {
    const std::int64_t end = source.end;
    const bool all = topics.empty();
    sql::Params what =
        all ? sql::Params{from, end, limit} : sql::Params{from, end, std::move(topics), limit};
    SV_CO_TRY(const sql::Rows rows,
              co_await source.db.query(Ctx{}, all ? kBatchOfAll : kBatch, std::move(what)));
    Next next{.events = events_of(rows), .end = end};
    if (std::ssize(next.events) == limit) next.end = next.events.back().id;
    co_return next;
  }

  // The source learns of the group before the group reads: what it has yet to read is not trimmed.
  Task<Result<>> join(Source& source, Reader& reader, SupervisedLoop& loop) {
    SV_CO_CHECK(co_await name(source));
    SV_CO_TRY(const std::int64_t reached,
              co_await source.db.write(
                  Ctx{}, [&reader, now = clock_.now_ms()](sql::Tx& tx) -> Result<std::int64_t> {
                    SV_TRY(const sql::Rows rows, tx.query(kSeen, {reader.group.to.name, now}));
                    return rows.i64(0, 0);
                  }));
    GroupDelivery delivery(reader.group.to, source.name, loop, options_.tries);
    SV_CO_CHECK(co_await delivery.join(reached));
    reader.delivery.emplace(std::move(delivery));
    co_return Result<>{};
  }

  static Task<Result<>> name(Source& source) {
    if (!source.name.empty()) co_return Result<>{};
    SV_CO_TRY(source.name, co_await source.db.write(
                               Ctx{}, [mine = random_token()](sql::Tx& tx) -> Result<std::string> {
                                 SV_CHECK(tx.execute(kNameSource, {mine}));
                                 SV_TRY(const sql::Rows name, tx.query(kSourceName));
                                 return name.text(0, 0);
                               }));
    co_return Result<>{};
  }

  // Wakes who reads this log when another process wrote to it, or something got its number.
  Task<Result<>> watch(Source& source) {
    const std::uint64_t seen = unnumbered_.rings();
    SV_CO_TRY(const bool numbered, co_await number(Ctx{}, source.db));
    SV_CO_CHECK(co_await find_end(Ctx{}, source));
    const bool grown = std::exchange(source.watched, source.end) != source.end;
    if (numbered || grown) wake({});
    if (!numbered) co_await unnumbered_.wait(options_.poll, seen);
    co_return Result<>{};
  }

  Task<Result<>> look_at_letters(sql::Database& db) {
    SV_CO_TRY(const auto letters, co_await count_letters(db));
    for (auto& [group, bell, replays] : groups_) {
      if (&group.db != &db) continue;
      const auto at = letters.find(group.name);
      const auto counts = at == letters.end() ? EventLetters::Counts{} : at->second;
      show_letters(metrics_, group.name, counts);
      if (counts.replayed == 0) continue;
      ++replays;
      bell.ring();
    }
    co_await pause(options_.poll);
    co_return Result<>{};
  }

  // Gives what waits its place in the log, one process at a time. What two works published for one
  // key waits in their order: a work publishes after it wrote the row that orders the key, so the
  // second was numbered, and could commit, only after the first had.
  Task<Result<bool>> number(const Ctx& ctx, sql::Database& db) {
    SV_CO_TRY(const sql::Rows any, co_await db.query(ctx, kAnyWaiting));
    if (any.empty()) co_return false;
    SV_CO_CHECK(co_await db.write(ctx, number_tx, sql::Isolation::read_committed));
    co_return true;
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

  // Tells the source how far this process's groups have come, and lets go what all have passed and
  // nobody will want again.
  Task<Result<>> trim(Source& source) {
    SV_CO_CHECK(co_await name(source));
    std::map<std::string, std::optional<std::int64_t>> reached;
    const std::int64_t now = clock_.now_ms();
    for (auto& [group, bell, replays] : groups_) {
      SV_CO_TRY(reached[group.name], co_await find_position(group, source.name));
    }
    SV_CO_CHECK(co_await source.db.write(Ctx{}, [&, this](sql::Tx& tx) -> Result<> {
      for (const auto& [group, position] : reached) {
        SV_CHECK(tx.query(kSeen, {group, now}));
        if (position) SV_CHECK(tx.execute(kReached, {group, *position, now}));
      }
      SV_CHECK(tx.execute(kFirstSeen, {now}));
      SV_CHECK(tx.execute(kForgetGroups, {now - options_.forgotten.count()}));
      SV_CHECK(tx.execute(kTrim, {now - options_.retention.count()}));
      return {};
    }));
    co_await pause(options_.trim);
    co_return Result<>{};
  }

  std::deque<Source> sources_;
  const Clock& clock_;
  asio::strand<asio::any_io_executor> strand_;
  Supervisor& supervisor_;
  metrics::Registry& metrics_;
  const LocalEventsOptions options_;
  Bell unnumbered_;
  std::deque<Subscription<Group>> groups_;
  std::deque<Subscription<Each>> eachs_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<LocalEventBus> make_local_events(std::vector<sql::Database*> sources,
                                                 const Clock& clock, asio::any_io_executor executor,
                                                 Supervisor& supervisor, metrics::Registry& metrics,
                                                 LocalEventsOptions options) {
  return std::make_unique<LocalEvents>(std::move(sources), clock, std::move(executor), supervisor,
                                       metrics, options);
}

Task<Result<std::string>> name_of_outbox(sql::Database& db) {
  SV_CO_TRY(const sql::Rows name, co_await db.query(Ctx{}, kSourceName));
  co_return name.empty() ? std::string() : name.text(0, 0);
}

std::span<const sql::Migration> local_events_migrations() { return kOutboxMigrations; }

}  // namespace sv
