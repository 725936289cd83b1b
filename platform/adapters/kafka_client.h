#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/offload.h"
#include "platform/core/task.h"
#include "platform/ports/event_bus.h"

// librdkafka (2.0, its C interface) in our terms.
namespace sv::kafka {

struct Place {
  std::string brokers = {};  // "host:9092,host:9092"
  std::string user = {}, password = {}, mechanism = "PLAIN";
  bool tls = false;
  std::string authority = {};  // PEM file; empty: those of the system
  std::string prefix = "sv.";  // of topics and groups: installations may share brokers
  int partitions = 8, replication = 1;
  std::chrono::hours retention{168};
  int tries = 8;
  // Until a group's member that says nothing is taken for dead; how long its poll thread may be
  // away.
  std::chrono::milliseconds session{6'000}, poll{300'000};
};

// "kafka://[user:password@]host:9092,host:9092[?partitions=8&replication=1&prefix=sv.&tries=8&
// retention=168h&session=6s&sasl=scram-sha-256&tls=on&ca=/file]". An error's detail says what is
// wrong, without the password.
Result<Place> parse_url(std::string_view url);

// All topics of a service are one topic here, so that what is told of an entity keeps its order
// whatever it is: "video.changed" and "video.removed" are in "sv.video".
std::string stream_of(const Place& place, std::string_view topic);

struct Freed {
  void operator()(rd_kafka_t* kafka) const { rd_kafka_destroy(kafka); }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using Handle = std::unique_ptr<rd_kafka_t, Freed>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t, Freed>;
inline Partitions new_partitions(int room = 0) {
  return Partitions(rd_kafka_topic_partition_list_new(room));
}
using Settings = std::vector<std::pair<std::string, std::string>>;

// Its messages go to our log.
Result<Handle> new_handle(const Place& place, rd_kafka_type_t type, const Settings& settings,
                          const std::function<void(rd_kafka_conf_t*)>& adjust = {});

std::unexpected<Error> away(const Place& place, std::string_view why);
std::unexpected<Error> away(const Place& place, rd_kafka_resp_err_t error);

// These block for as long as `wait`.
Result<> make_streams(rd_kafka_t* kafka, const Place& place, const std::set<std::string>& names,
                      std::chrono::milliseconds wait);
Result<std::vector<int>> partitions_of(rd_kafka_t* kafka, const Place& place,
                                       const std::string& stream, std::chrono::milliseconds wait);
struct Watermarks {
  std::int64_t low = 0, high = 0;
};
Result<Watermarks> watermarks_of(rd_kafka_t* kafka, const Place& place, const std::string& stream,
                                 int partition, std::chrono::milliseconds wait);

// An event as a record has it: the key and the payload are the record's, the rest are headers.
struct Record {
  std::int64_t offset = 0;
  std::string source = {};  // the outbox it comes from
  std::int64_t number = 0;  // there
  Event event = {};         // id: offset + 1
  bool readable = true;     // false: no event of ours; its text is the payload
};
Record record_of(const rd_kafka_message_t& message);

// Copies the record; takes the headers, unless it fails.
rd_kafka_resp_err_t enqueue(rd_kafka_t* kafka, const std::string& stream, std::string_view key,
                            std::string_view payload, rd_kafka_headers_t* headers, void* opaque,
                            int partition = RD_KAFKA_PARTITION_UA);

// Sends events, one batch at a time.
class Producer {
 public:
  Producer(Place place, ThreadPool& pool) : place_(std::move(place)), pool_(pool) {}
  ~Producer() { close(); }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // All of them are in the log when it succeeds. After a failure some may be, or come to be later,
  // and nothing that is sent afterwards comes before them: in each partition records come in the
  // order of their numbers, without a gap, once those that come again are left out.
  Task<Result<>> send(std::string source, std::vector<Event> events,
                      std::chrono::milliseconds wait);
  // Stays until a send() fails.
  Result<rd_kafka_t*> handle() {
    SV_CHECK(open());
    return kafka_.get();
  }

 private:
  struct Batch;
  Result<> open();
  void close();
  static void delivered(rd_kafka_t* kafka, const rd_kafka_message_t* message, void* opaque);
  Result<> produce(const std::string& source, const Event& event, std::shared_ptr<Batch> batch);

  const Place place_;
  ThreadPool& pool_;
  Handle kafka_;
  std::atomic<bool> stopping_{false};
  std::thread poll_;
};

}  // namespace sv::kafka
