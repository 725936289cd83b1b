#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "platform/core/error.h"
#include "platform/core/metrics.h"
#include "platform/core/offload.h"
#include "platform/core/supervisor.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"

namespace sv {

// platform/adapters/kafka_client.h says its form. An error's detail says what is wrong with it.
Result<> check_kafka_url(std::string_view url);

struct KafkaEventsOptions {
  std::string_view url = {};
  std::chrono::milliseconds poll{500};     // for what other processes published, and for letters
  std::chrono::milliseconds send{10'000};  // before a batch that Kafka does not take is given up
  std::chrono::milliseconds lease{3'000};  // of the process that relays a source
  std::chrono::milliseconds member_poll{300'000};  // Kafka's max.poll.interval.ms
};

// The events of an installation through Kafka (2.4 or later): publish() adds a row in the
// transaction's own database as the local bus does; one process at a time sends each source's rows
// on, and each group's instances share the partitions. Without Kafka rows wait, and everything goes
// on when it is there. Positions, what was done already and dead letters lie in the groups' own
// databases (docs/adr/0016-kafka-carries-the-outbox.md). `sources` and the groups' databases have
// been migrated with local_events_migrations(), owner "event".
// Consumers run on `executor`, in loops that `supervisor` knows as "events.<consumer>" and
// "events.kafka". The URL has been checked.
std::unique_ptr<EventBus> make_kafka_events(std::vector<sql::Database*> sources, const Clock& clock,
                                            asio::any_io_executor executor, Supervisor& supervisor,
                                            metrics::Registry& metrics, KafkaEventsOptions options);

}  // namespace sv
