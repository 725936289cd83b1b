#include "platform/adapters/kafka_consumer.h"

#include <algorithm>

#include "platform/core/log.h"
#include "platform/crypto/random.h"

namespace sv::kafka {

using namespace std::chrono_literals;

EachConsumer::EachConsumer(const ConsumerContext& context, EventBus::Each each)
    : Fetcher(context),
      each_(std::move(each)),
      loop_(context.supervisor.loop("events." + each_.name)) {
  std::ranges::sort(each_.topics);
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
  if (!record.readable || !std::ranges::binary_search(each_.topics, record.event.topic))
    return false;
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
