#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "platform/adapters/event_delivery.h"
#include "platform/adapters/kafka_client.h"
#include "platform/core/bell.h"
#include "platform/core/metrics.h"
#include "platform/core/supervisor.h"
#include "platform/core/task_group.h"

namespace sv::kafka {

inline constexpr std::chrono::seconds kAsk{3};  // of one question to Kafka

struct ConsumerContext {
  const Place& place;
  asio::any_io_executor executor;  // a strand
  ThreadPool& pool;                // for what blocks
  TaskGroup& tasks;
  Supervisor& supervisor;
  metrics::Registry& metrics;
};

// Fetches records on a thread of its own, which asks Kafka again and again whatever those who take
// the records are doing: a consumer that is slow is not taken for dead.
class Fetcher {
 public:
  static constexpr std::size_t kMost = 1'000;  // records that wait, of a partition

  struct Partition {
    std::string stream;
    int number = 0;
    // Guarded by the fetcher's mutex.
    std::deque<Record> records = {};
    bool paused = false, revoked = false, busy = false;
    // Of the consumer's strand.
    std::optional<GroupDelivery> delivery = {};
    std::map<std::string, std::int64_t> seen = {};  // by outbox: all up to this number
    std::optional<Blame> blame = {};
    std::int64_t next = 0;  // where an Each goes on
  };
  using Key = std::pair<std::string, int>;

  explicit Fetcher(const ConsumerContext& context) : context_(context), bell_(context.executor) {}
  virtual ~Fetcher() { stop(); }
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;
  void stop();  // blocks; after the tasks that take records have ended

 protected:
  Result<> open(const Settings& settings, const std::vector<std::string>& topics,
                const std::function<void(rd_kafka_conf_t*)>& adjust);
  void run();
  virtual void look_around() {}  // now and then, on the fetching thread
  // The first records, up to a limit; they stay until they are dropped.
  std::vector<Record> front(Partition& partition, std::size_t limit);
  void drop(Partition& partition, std::size_t count);
  std::vector<std::shared_ptr<Partition>> partitions();

  const ConsumerContext context_;
  Bell bell_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::map<Key, std::shared_ptr<Partition>> partitions_;
  Handle kafka_;
  std::set<std::string> streams_;
  std::atomic<bool> stopping_{false};

 private:
  void take(const rd_kafka_message_t& message);
  void move_to_what_is_left(const rd_kafka_message_t& message);
  std::thread thread_;
};

// A group's member: it is given partitions, whose positions lie in the group's own database.
class GroupConsumer final : public Fetcher {
 public:
  GroupConsumer(const ConsumerContext& context, EventBus::Group group);
  ~GroupConsumer() override { stop(); }
  void start();
  EventBus::Group& group() { return group_; }
  // There are letters to be delivered again.
  void replay();

 private:
  static void rebalanced(rd_kafka_t* kafka, rd_kafka_resp_err_t what,
                         rd_kafka_topic_partition_list_t* list, void* self);
  void assign(rd_kafka_topic_partition_list_t* list);
  void revoke();
  Result<std::int64_t> begin(Partition& partition);
  Task<Result<std::int64_t>> find_beginning(Partition& partition, Watermarks marks);
  Task<Result<>> round();
  Task<Result<bool>> step(Partition& partition);
  Task<Result<>> learn(Partition& partition, std::string source);
  Task<Result<bool>> hand_over(Partition& partition, std::int64_t position,
                               std::vector<Record> records);

  EventBus::Group group_;
  SupervisedLoop& loop_;
  metrics::Gauge& behind_;
  bool open_ = false;
  std::uint64_t replays_ = 1, replayed_ = 0;  // on the strand
};

// Every instance's own: all partitions, from their ends on.
class EachConsumer final : public Fetcher {
 public:
  EachConsumer(const ConsumerContext& context, EventBus::Each each);
  ~EachConsumer() override { stop(); }
  // Blocks for a moment; without Kafka it begins when that is there. Of the outboxes that are named
  // nothing up to these numbers is heard.
  void start(std::map<std::string, std::int64_t> before);

 private:
  Result<> open_all();
  void look_around() override;
  Result<bool> assign_new();
  Task<Result<>> round();
  Task<Result<bool>> step(Partition& partition);

  bool wants(const Record& record) const;

  EventBus::Each each_;
  std::map<std::string, std::int64_t> before_;
  SupervisedLoop& loop_;
  bool open_ = false;
};

}  // namespace sv::kafka
