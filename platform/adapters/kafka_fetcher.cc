#include "platform/adapters/kafka_consumer.h"

#include <algorithm>

#include "platform/core/log.h"

namespace sv::kafka {

using namespace std::chrono_literals;

static constexpr auto kLookAround = 30s;

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

}  // namespace sv::kafka
