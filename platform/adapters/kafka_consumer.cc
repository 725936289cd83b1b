#include "platform/adapters/kafka_consumer.h"

#include <algorithm>

#include <fmt/format.h>

#include "platform/core/block_on.h"
#include "platform/core/log.h"
#include "platform/crypto/random.h"

namespace sv::kafka {
namespace {

using namespace std::chrono_literals;

constexpr auto kAsk = 3s;  // of one question to Kafka
constexpr auto kLookAround = 30s;
constexpr auto kAgain = 200ms;
constexpr auto kEndOfWork = 5s;           // for what runs when a partition is taken away
constexpr std::int64_t kUnwritten = 256;  // records of others that are passed over in memory

std::vector<std::string> sorted(std::vector<std::string> topics) {
  std::ranges::sort(topics);
  return topics;
}
bool has(const std::vector<std::string>& topics, const std::string& topic) {
  return std::ranges::binary_search(topics, topic);
}

std::string seen_name(const std::string& source, const std::string& stream, int partition) {
  return fmt::format("{}@{}/{}", source, stream, partition);
}

Error unreadable() {
  return {.code = Errc::rejected,
          .token = "event_unreadable",
          .field = {},
          .detail = "the record lacks the headers of an event"};
}

}  // namespace

Result<> Fetcher::open(const Settings& settings, const std::vector<std::string>& topics,
                       const std::function<void(rd_kafka_conf_t*)>& adjust) {
  Settings all{{"enable.auto.commit", "false"},
               {"enable.auto.offset.store", "false"},
               {"auto.offset.reset", "error"},
               {"queued.max.messages.kbytes", "4096"},
               {"fetch.wait.max.ms", "100"}};
  all.insert(all.end(), settings.begin(), settings.end());
  SV_TRY(Handle made, new_handle(context_.place, RD_KAFKA_CONSUMER, all, adjust));
  for (const std::string& topic : topics) streams_.insert(stream_of(context_.place, topic));
  SV_CHECK(make_streams(made.get(), context_.place, streams_, kAsk));
  rd_kafka_poll_set_consumer(made.get());
  kafka_ = std::move(made);
  return {};
}

void Fetcher::run() {
  thread_ = std::thread([this] {
    auto looked = std::chrono::steady_clock::now();
    while (!stopping_) {
      if (rd_kafka_message_t* message = rd_kafka_consumer_poll(kafka_.get(), 100)) {
        take(*message);
        rd_kafka_message_destroy(message);
      }
      if (const auto now = std::chrono::steady_clock::now(); now - looked > kLookAround) {
        looked = now;
        look_around();
      }
    }
    rd_kafka_consumer_close(kafka_.get());
  });
}

void Fetcher::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  kafka_.reset();
}

void Fetcher::take(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) return move_to_what_is_left(message);
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return;  // of a broker: it is asked again
  {
    const std::lock_guard lock(mutex_);
    const auto at = partitions_.find({rd_kafka_topic_name(message.rkt), message.partition});
    if (at == partitions_.end()) return;
    Partition& partition = *at->second;
    partition.records.push_back(record_of(message));
    if (partition.records.size() >= kMost && !std::exchange(partition.paused, true)) {
      const Partitions list = new_partitions(1);
      rd_kafka_topic_partition_list_add(list.get(), partition.stream.c_str(), partition.number);
      rd_kafka_pause_partitions(kafka_.get(), list.get());
    }
  }
  bell_.ring();
}

// Retention was faster than the consumer.
void Fetcher::move_to_what_is_left(const rd_kafka_message_t& message) {
  const std::string stream = rd_kafka_topic_name(message.rkt);
  const auto marks = watermarks_of(kafka_.get(), context_.place, stream, message.partition, kAsk);
  if (!marks) return;
  context_.metrics
      .counter("shortvideo_events_skipped_total",
               "Times that a consumer found what it wanted to read gone from Kafka")
      .add();
  log::error("kafka", "events went before they were read",
             {{"topic", stream}, {"partition", message.partition}, {"begins", marks->low}});
  const Partitions list = new_partitions(1);
  rd_kafka_topic_partition_list_add(list.get(), stream.c_str(), message.partition)->offset =
      marks->low;
  if (rd_kafka_error_t* error = rd_kafka_seek_partitions(kafka_.get(), list.get(), 5'000))
    rd_kafka_error_destroy(error);
}

std::vector<Record> Fetcher::front(Partition& partition, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  const std::size_t count = std::min(limit, partition.records.size());
  return {partition.records.begin(),
          partition.records.begin() + static_cast<std::ptrdiff_t>(count)};
}

void Fetcher::drop(Partition& partition, std::size_t count) {
  const std::lock_guard lock(mutex_);
  auto& records = partition.records;
  records.erase(records.begin(),
                records.begin() + static_cast<std::ptrdiff_t>(std::min(count, records.size())));
  if (!partition.paused || records.size() > kMost / 2 || partition.revoked) return;
  partition.paused = false;
  const Partitions list = new_partitions(1);
  rd_kafka_topic_partition_list_add(list.get(), partition.stream.c_str(), partition.number);
  rd_kafka_resume_partitions(kafka_.get(), list.get());
}

std::vector<std::shared_ptr<Fetcher::Partition>> Fetcher::partitions() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Partition>> out;
  for (const auto& [key, partition] : partitions_) out.push_back(partition);
  return out;
}

GroupConsumer::GroupConsumer(const ConsumerContext& context, EventBus::Group group)
    : Fetcher(context),
      group_(std::move(group)),
      loop_(context.supervisor.loop("events." + group_.name)),
      behind_(context.metrics.gauge("shortvideo_events_behind",
                                    "Events that a consumer has yet to look at",
                                    {{"consumer", group_.name}})) {
  group_.topics = sorted(std::move(group_.topics));
}

void GroupConsumer::start() {
  context_.tasks.spawn(context_.executor,
                       [this] { return supervise(loop_, [this] { return round(); }); });
}

void GroupConsumer::replay() {
  ++replays_;
  bell_.ring();
}

void GroupConsumer::rebalanced(rd_kafka_t*, rd_kafka_resp_err_t what,
                               rd_kafka_topic_partition_list_t* list, void* self) {
  auto& consumer = *static_cast<GroupConsumer*>(self);
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) consumer.assign(list);
  else consumer.revoke();
}

// On the fetching thread, which may take its time: heartbeats are librdkafka's.
void GroupConsumer::assign(rd_kafka_topic_partition_list_t* list) {
  std::map<Key, std::shared_ptr<Partition>> given;
  for (int i = 0; i < list->cnt; ++i) {
    rd_kafka_topic_partition_t& one = list->elems[i];
    auto partition = std::make_shared<Partition>();
    partition->stream = one.topic;
    partition->number = one.partition;
    Result<std::int64_t> at = begin(*partition);
    while (!at && !stopping_) {
      loop_.failed(at.error());
      std::this_thread::sleep_for(kAgain);
      at = begin(*partition);
    }
    if (!at) {
      rd_kafka_assign(kafka_.get(), nullptr);
      return;
    }
    one.offset = *at;
    given[{partition->stream, partition->number}] = std::move(partition);
  }
  {
    const std::lock_guard lock(mutex_);
    partitions_ = std::move(given);
  }
  rd_kafka_assign(kafka_.get(), list);
  bell_.ring();
}

// The next member begins where this one ends: what runs is waited for, not done twice.
void GroupConsumer::revoke() {
  {
    std::unique_lock lock(mutex_);
    for (const auto& [key, partition] : partitions_) partition->revoked = true;
    const auto none_busy = [this] {
      return std::ranges::none_of(partitions_, [](const auto& p) { return p.second->busy; });
    };
    idle_.wait_for(lock, kEndOfWork, none_busy);
    partitions_.clear();
  }
  rd_kafka_assign(kafka_.get(), nullptr);
}

Result<std::int64_t> GroupConsumer::begin(Partition& partition) {
  SV_TRY(const Watermarks marks,
         watermarks_of(kafka_.get(), context_.place, partition.stream, partition.number, kAsk));
  partition.delivery.emplace(group_, fmt::format("kafka:{}/{}", partition.stream, partition.number),
                             loop_, context_.place.tries);
  return block_on(find_beginning(partition, marks));
}

Task<Result<std::int64_t>> GroupConsumer::find_beginning(Partition& partition, Watermarks marks) {
  GroupDelivery& to = *partition.delivery;
  SV_CO_CHECK(co_await to.join(marks.low));
  SV_CO_TRY(const std::int64_t position, co_await to.position());
  if (position >= marks.low && position <= marks.high) co_return position;
  log::error("kafka", "a consumer's position is not in the topic: it begins anew",
             {{"consumer", group_.name},
              {"topic", partition.stream},
              {"partition", partition.number},
              {"position", position},
              {"begins", marks.low},
              {"ends", marks.high}});
  SV_CO_CHECK(co_await to.deliver(position, marks.low, {}));
  co_return marks.low;
}

Task<Result<>> GroupConsumer::round() {
  if (!open_) {
    auto opened = co_await offload(context_.pool, [this]() -> Result<> {
      SV_CHECK(open({{"group.id", context_.place.prefix + group_.name},
                     {"session.timeout.ms", std::to_string(context_.place.session.count())},
                     {"max.poll.interval.ms", std::to_string(context_.place.poll.count())},
                     {"heartbeat.interval.ms", std::to_string(std::min<std::int64_t>(
                                                   context_.place.session.count() / 4, 3'000))},
                     {"partition.assignment.strategy", "range"}},
                    group_.topics, [this](rd_kafka_conf_t* conf) {
                      rd_kafka_conf_set_opaque(conf, this);
                      rd_kafka_conf_set_rebalance_cb(conf, &GroupConsumer::rebalanced);
                    }));
      const Partitions wanted = new_partitions();
      for (const std::string& stream : streams_)
        rd_kafka_topic_partition_list_add(wanted.get(), stream.c_str(), RD_KAFKA_PARTITION_UA);
      if (const auto error = rd_kafka_subscribe(kafka_.get(), wanted.get());
          error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return away(context_.place, error);
      return {};
    });
    if (!opened) co_return fail(Errc::unavailable, "storage_busy");
    if (!*opened) co_return std::move(*opened);
    open_ = true;
    run();
  }
  const std::uint64_t seen = bell_.rings();
  const std::uint64_t replays = replays_;
  bool more = false;
  std::int64_t behind = 0;
  for (const auto& partition : partitions()) {
    {
      const std::lock_guard lock(mutex_);
      if (partition->revoked) continue;
      partition->busy = true;
    }
    struct Busy {
      GroupConsumer& of;
      Partition& partition;
      ~Busy() {
        const std::lock_guard lock(of.mutex_);
        partition.busy = false;
        of.idle_.notify_all();
      }
    } busy{*this, *partition};
    SV_CO_TRY(const bool again, co_await step(*partition));
    more = more || again;
    const std::lock_guard lock(mutex_);
    behind += std::ssize(partition->records);
  }
  behind_.set(behind);
  if (!more) replayed_ = replays;
  if (!more) co_await bell_.wait(1h, seen);
  co_return Result<>{};
}

Task<Result<bool>> GroupConsumer::step(Partition& partition) {
  GroupDelivery& to = *partition.delivery;
  if (replayed_ != replays_) {
    SV_CO_TRY(const bool replayed, co_await to.replay());
    if (replayed) co_return true;
  }
  if (front(partition, 1).empty()) co_return false;
  SV_CO_TRY(const std::int64_t position, co_await to.position());
  auto records = front(partition, static_cast<std::size_t>(to.limit(position)));
  // What another member has done since, or this one.
  std::size_t done = 0;
  while (done < records.size() && records[done].offset < position) ++done;
  if (done > 0) {
    for (std::size_t i = 0; i < done; ++i) {
      if (!records[i].readable) continue;
      SV_CO_CHECK(co_await learn(partition, records[i].source));
      auto& seen = partition.seen[records[i].source];
      seen = std::max(seen, records[i].number);
    }
    drop(partition, done);
    co_return true;
  }
  co_return co_await hand_over(partition, position, std::move(records));
}

// Up to where the outbox's events are done in this partition. An installation that had no Kafka
// before did them from the outbox itself.
Task<Result<>> GroupConsumer::learn(Partition& partition, std::string source) {
  if (partition.seen.contains(source)) co_return Result<>{};
  SV_CO_TRY(auto at,
            co_await find_position(group_, seen_name(source, partition.stream, partition.number)));
  if (!at) { SV_CO_TRY(at, co_await find_position(group_, source)); }
  partition.seen[source] = at.value_or(0);
  co_return Result<>{};
}

// Of one outbox the numbers grow within a partition; what does not is there a second time
// (docs/adr/0016-kafka-carries-the-outbox.md).
Task<Result<bool>> GroupConsumer::hand_over(Partition& partition, std::int64_t position,
                                            std::vector<Record> records) {
  GroupDelivery& to = *partition.delivery;
  if (!records.front().readable) {
    Record& first = records.front();
    SV_CO_CHECK(
        co_await to.set_aside(position, first.offset + 1, std::move(first.event), unreadable()));
    co_return true;
  }
  std::map<std::string, std::int64_t> seen;
  std::vector<Event> events;
  std::vector<CursorMark> marks;
  std::int64_t end = position;
  std::size_t passed = 0;
  for (Record& record : records) {
    if (!record.readable) break;
    SV_CO_CHECK(co_await learn(partition, record.source));
    std::int64_t& greatest =
        seen.try_emplace(record.source, partition.seen.at(record.source)).first->second;
    end = record.offset + 1;
    ++passed;
    if (record.number <= greatest) continue;
    greatest = record.number;
    marks.push_back({.from = end,
                     .source = seen_name(record.source, partition.stream, partition.number),
                     .at = record.number});
    if (has(group_.topics, record.event.topic)) events.push_back(std::move(record.event));
  }
  if (events.empty() && end - position < kUnwritten && passed == records.size()) {
    for (const auto& [source, at] : seen) partition.seen[source] = at;
    drop(partition, passed);
    co_return true;
  }
  SV_CO_CHECK(co_await to.deliver(position, end, std::move(events), std::move(marks)));
  co_return true;
}

EachConsumer::EachConsumer(const ConsumerContext& context, EventBus::Each each)
    : Fetcher(context),
      each_(std::move(each)),
      loop_(context.supervisor.loop("events." + each_.name)) {
  each_.topics = sorted(std::move(each_.topics));
}

void EachConsumer::start(std::map<std::string, std::int64_t> before) {
  before_ = std::move(before);
  if (const auto opened = open_all(); !opened)
    log::warn("kafka", "a listener begins when Kafka answers",
              {{"consumer", each_.name}, {"error", opened.error().detail}});
  context_.tasks.spawn(context_.executor,
                       [this] { return supervise(loop_, [this] { return round(); }); });
}

Result<> EachConsumer::open_all() {
  if (open_) return {};
  if (!kafka_)
    SV_CHECK(
        open({{"group.id", context_.place.prefix + "each-" + random_token()}}, each_.topics, {}));
  SV_CHECK(assign_new());
  open_ = true;
  run();
  return {};
}

// At their ends those that are found at the start; what is made later is heard from its beginning.
Result<bool> EachConsumer::assign_new() {
  std::map<Key, std::shared_ptr<Partition>> fresh;
  for (const std::string& stream : streams_) {
    SV_TRY(const auto numbers, partitions_of(kafka_.get(), context_.place, stream, kAsk));
    for (const int number : numbers) {
      if (const std::lock_guard lock(mutex_); partitions_.contains({stream, number})) continue;
      auto partition = std::make_shared<Partition>();
      partition->stream = stream;
      partition->number = number;
      partition->blame.emplace(context_.place.tries);
      if (!open_) {
        SV_TRY(const Watermarks marks,
               watermarks_of(kafka_.get(), context_.place, stream, number, kAsk));
        partition->next = marks.high;
      }
      fresh[{stream, number}] = std::move(partition);
    }
  }
  if (fresh.empty()) return false;
  const Partitions list = new_partitions();
  const std::lock_guard lock(mutex_);
  partitions_.merge(fresh);
  for (const auto& [key, partition] : partitions_)
    rd_kafka_topic_partition_list_add(list.get(), key.first.c_str(), key.second)->offset =
        partition->records.empty() ? partition->next : partition->records.back().offset + 1;
  if (const auto error = rd_kafka_assign(kafka_.get(), list.get());
      error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return away(context_.place, error);
  return true;
}

bool EachConsumer::wants(const Record& record) const {
  if (!record.readable || !has(each_.topics, record.event.topic)) return false;
  const auto at = before_.find(record.source);
  return at == before_.end() || record.number > at->second;
}

void EachConsumer::look_around() { (void)assign_new(); }

Task<Result<>> EachConsumer::round() {
  if (!open_) {
    auto opened = co_await offload(context_.pool, [this] { return open_all(); });
    if (!opened) co_return fail(Errc::unavailable, "storage_busy");
    if (!*opened) co_return std::move(*opened);
  }
  const std::uint64_t seen = bell_.rings();
  bool more = false;
  for (const auto& partition : partitions()) {
    SV_CO_TRY(const bool again, co_await step(*partition));
    more = more || again;
  }
  if (!more) co_await bell_.wait(1h, seen);
  co_return Result<>{};
}

Task<Result<bool>> EachConsumer::step(Partition& partition) {
  Blame& blame = *partition.blame;
  const auto records = front(partition, static_cast<std::size_t>(blame.limit(partition.next)));
  if (records.empty()) co_return false;
  std::vector<Event> events;
  for (const Record& record : records)
    if (wants(record)) events.push_back(record.event);
  Result<> done;
  if (!events.empty()) done = co_await guarded([this, &events] { return each_.hear(events); });
  if (!done) {
    if (is_away(done.error())) co_return std::unexpected(std::move(done.error()));
    loop_.stumbled(done.error());
    if (!blame.give_up(events)) {
      co_await pause(blame.pause());
      co_return true;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    partition.next = records.back().offset + 1;
  }
  drop(partition, records.size());
  co_return true;
}

}  // namespace sv::kafka
