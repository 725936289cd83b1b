#include "platform/adapters/kafka_consumer.h"

#include <algorithm>

#include <fmt/format.h>

#include "platform/core/block_on.h"
#include "platform/core/log.h"

namespace sv::kafka {
namespace {

using namespace std::chrono_literals;

constexpr auto kAgain = 200ms;
constexpr auto kEndOfWork = 5s;           // for what runs when a partition is taken away
constexpr std::int64_t kUnwritten = 256;  // records of others that are passed over in memory

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

GroupConsumer::GroupConsumer(const ConsumerContext& context, EventBus::Group group)
    : Fetcher(context),
      group_(std::move(group)),
      loop_(context.supervisor.loop("events." + group_.name)),
      behind_(context.metrics.gauge("shortvideo_events_behind",
                                    "Events that a consumer has yet to look at",
                                    {{"consumer", group_.name}})) {
  std::ranges::sort(group_.topics);
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
    if (std::ranges::binary_search(group_.topics, record.event.topic))
      events.push_back(std::move(record.event));
  }
  if (events.empty() && end - position < kUnwritten && passed == records.size()) {
    for (const auto& [source, at] : seen) partition.seen[source] = at;
    drop(partition, passed);
    co_return true;
  }
  SV_CO_CHECK(co_await to.deliver(position, end, std::move(events), std::move(marks)));
  co_return true;
}

}  // namespace sv::kafka
