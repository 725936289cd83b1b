#include "platform/adapters/kafka_client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>
#include <boost/asio/steady_timer.hpp>

#include "platform/core/log.h"
#include "platform/net/uri.h"

namespace sv::kafka {
namespace {

using namespace std::chrono_literals;

std::unexpected<Error> bad_place(std::string what) {
  return fail(Errc::invalid_argument, {}, std::move(what));
}

template <class T>
bool read_number(std::string_view text, T& out, T least, T most) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc{} && end == text.data() + text.size() && out >= least && out <= most;
}

bool in_a_topic(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

Result<> read_option(Place& place, const std::string& name, const std::string& value) {
  bool good = true;
  int hours = 0, seconds = 0;
  if (name == "partitions") good = read_number(value, place.partitions, 1, 1'000);
  else if (name == "replication") good = read_number(value, place.replication, 1, 10);
  else if (name == "tries") good = read_number(value, place.tries, 1, 65'535);
  else if (name == "prefix") {
    good = value.size() <= 100 && std::ranges::all_of(value, in_a_topic);
    place.prefix = value;
  } else if (name == "ca") place.authority = value;
  else if (name == "tls") {
    good = value == "on" || value == "off";
    place.tls = value == "on";
  } else if (name == "retention") {
    good = value.ends_with('h') &&
           read_number(std::string_view(value).substr(0, value.size() - 1), hours, 1, 87'600);
    place.retention = std::chrono::hours(hours);
  } else if (name == "session") {
    good = value.ends_with('s') &&
           read_number(std::string_view(value).substr(0, value.size() - 1), seconds, 1, 600);
    place.session = std::chrono::seconds(seconds);
  } else if (name == "sasl") {
    good = value == "plain" || value == "scram-sha-256" || value == "scram-sha-512";
    place.mechanism = value;
    std::ranges::transform(place.mechanism, place.mechanism.begin(), ::toupper);
  } else {
    return bad_place(
        fmt::format("\"{}\": partitions, replication, prefix, tries, retention, session, sasl, "
                    "tls and ca can be given",
                    name));
  }
  if (!good) return bad_place(fmt::format("{}={} is not possible", name, value));
  return {};
}

void log_line(const rd_kafka_t*, int level, const char*, const char* text) {
  // What its brokers do is told by who waits for them.
  static std::atomic<std::int64_t> told{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch() / 1s;
  if (level <= 3 && now - told.exchange(now) < 10) level = 7;
  log::write(level <= 3 ? log::Level::warn : log::Level::debug, "kafka", text, {});
}

std::string_view header_of(const rd_kafka_headers_t* headers, const char* name) {
  const void* value = nullptr;
  std::size_t size = 0;
  if (!headers || rd_kafka_header_get_last(headers, name, &value, &size) != 0) return {};
  return {static_cast<const char*>(value), size};
}

bool header_number(const rd_kafka_headers_t* headers, const char* name, std::int64_t& out) {
  const std::string_view text = header_of(headers, name);
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && ec == std::errc{} && end == text.data() + text.size();
}

int ms_of(std::chrono::milliseconds time) { return static_cast<int>(time.count()); }

}  // namespace

Result<Place> parse_url(std::string_view url) {
  Place out;
  if (!url.starts_with("kafka://")) return bad_place("it is not like kafka://host:9092,host:9092");
  url.remove_prefix(8);
  if (const auto mark = url.find('?'); mark != std::string_view::npos) {
    const auto pairs = net::parse_query(url.substr(mark + 1));
    if (!pairs) return bad_place("what stands after the ? is not percent-encoded UTF-8");
    for (const auto& [name, value] : *pairs) SV_CHECK(read_option(out, name, value));
    url = url.substr(0, mark);
  }
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    const auto colon = url.find(':');
    const auto user = net::decode_path(url.substr(0, std::min(colon, at)));
    const auto password =
        colon < at ? net::decode_path(url.substr(colon + 1, at - colon - 1)) : std::nullopt;
    if (!user || !password) return bad_place("before the @ stands user:password, percent-encoded");
    out.user = *user;
    out.password = *password;
    url.remove_prefix(at + 1);
  }
  if (url.ends_with('/')) url.remove_suffix(1);
  out.brokers = url;
  for (;; url.remove_prefix(url.find(',') + 1)) {
    const auto one = net::parse_authority(url.substr(0, url.find(',')), "");
    if (!one) return bad_place("a broker is not like host:9092");
    if (url.find(',') == std::string_view::npos) return out;
  }
}

std::string stream_of(const Place& place, std::string_view topic) {
  return place.prefix + std::string(topic.substr(0, topic.find('.')));
}

Result<Handle> new_handle(const Place& place, rd_kafka_type_t type, const Settings& settings,
                          const std::function<void(rd_kafka_conf_t*)>& adjust) {
  Settings all{{"bootstrap.servers", place.brokers},
               {"client.id", "shortvideo"},
               {"socket.keepalive.enable", "true"},
               {"socket.timeout.ms", "10000"},
               {"reconnect.backoff.ms", "50"},
               {"reconnect.backoff.max.ms", "1000"},
               {"topic.metadata.refresh.interval.ms", "30000"},
               {"log.connection.close", "false"}};
  const bool sasl = !place.user.empty();
  all.emplace_back("security.protocol", sasl ? (place.tls ? "sasl_ssl" : "sasl_plaintext")
                                             : (place.tls ? "ssl" : "plaintext"));
  if (sasl) {
    all.emplace_back("sasl.mechanism", place.mechanism);
    all.emplace_back("sasl.username", place.user);
    all.emplace_back("sasl.password", place.password);
  }
  if (!place.authority.empty()) all.emplace_back("ssl.ca.location", place.authority);
  all.insert(all.end(), settings.begin(), settings.end());

  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 512> why{};
  for (const auto& [name, value] : all)
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      return fail(Errc::internal, {}, fmt::format("kafka: {}: {}", name, why.data()));
    }
  rd_kafka_conf_set_log_cb(conf, log_line);
  if (adjust) adjust(conf);
  Handle out(rd_kafka_new(type, conf, why.data(), why.size()));
  if (!out) {
    rd_kafka_conf_destroy(conf);
    return fail(Errc::unavailable, "events_unavailable", fmt::format("kafka: {}", why.data()));
  }
  return out;
}

std::unexpected<Error> away(const Place& place, std::string_view why) {
  return fail(Errc::unavailable, "events_unavailable",
              fmt::format("kafka at {}: {}", place.brokers, why));
}
std::unexpected<Error> away(const Place& place, rd_kafka_resp_err_t error) {
  return away(place, rd_kafka_err2str(error));
}

Result<> make_streams(rd_kafka_t* kafka, const Place& place, const std::set<std::string>& names,
                      std::chrono::milliseconds wait) {
  std::vector<rd_kafka_NewTopic_t*> topics;
  std::array<char, 512> why{};
  for (const std::string& name : names) {
    topics.push_back(rd_kafka_NewTopic_new(name.c_str(), place.partitions, place.replication,
                                           why.data(), why.size()));
    if (!topics.back()) return away(place, why.data());
    const auto retention = std::chrono::milliseconds(place.retention).count();
    rd_kafka_NewTopic_set_config(topics.back(), "retention.ms", std::to_string(retention).c_str());
  }
  rd_kafka_queue_t* queue = rd_kafka_queue_new(kafka);
  rd_kafka_AdminOptions_t* options =
      rd_kafka_AdminOptions_new(kafka, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_AdminOptions_set_request_timeout(options, ms_of(wait), why.data(), why.size());
  rd_kafka_AdminOptions_set_operation_timeout(options, ms_of(wait), why.data(), why.size());
  rd_kafka_CreateTopics(kafka, topics.data(), topics.size(), options, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, ms_of(wait) + 500);
  Result<> out;
  if (!event) {
    out = away(place, "it does not answer");
  } else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    out = away(place, rd_kafka_event_error_string(event));
  } else {
    std::size_t count = 0;
    const auto** results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    for (std::size_t i = 0; i < count; ++i)
      if (const auto error = rd_kafka_topic_result_error(results[i]);
          error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        out = away(place,
                   fmt::format("the topic {} cannot be made: {}",
                               rd_kafka_topic_result_name(results[i]), rd_kafka_err2str(error)));
  }
  if (event) rd_kafka_event_destroy(event);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy_array(topics.data(), topics.size());
  return out;
}

Result<std::vector<int>> partitions_of(rd_kafka_t* kafka, const Place& place,
                                       const std::string& stream, std::chrono::milliseconds wait) {
  rd_kafka_topic_t* topic = rd_kafka_topic_new(kafka, stream.c_str(), nullptr);
  const rd_kafka_metadata_t* found = nullptr;
  const auto error = rd_kafka_metadata(kafka, 0, topic, &found, ms_of(wait));
  rd_kafka_topic_destroy(topic);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return away(place, error);
  std::vector<int> out;
  for (int i = 0; found->topic_cnt > 0 && i < found->topics[0].partition_cnt; ++i)
    out.push_back(found->topics[0].partitions[i].id);
  rd_kafka_metadata_destroy(found);
  if (out.empty()) return away(place, fmt::format("the topic {} is not there yet", stream));
  return out;
}

Result<Watermarks> watermarks_of(rd_kafka_t* kafka, const Place& place, const std::string& stream,
                                 int partition, std::chrono::milliseconds wait) {
  Watermarks out;
  const auto end = std::chrono::steady_clock::now() + wait;
  for (;;) {
    const auto error = rd_kafka_query_watermark_offsets(kafka, stream.c_str(), partition, &out.low,
                                                        &out.high, ms_of(wait));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return out;
    // A topic that was just made has no leader for a moment.
    const bool new_one = error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
                         error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                         error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (!new_one || std::chrono::steady_clock::now() > end) return away(place, error);
    std::this_thread::sleep_for(50ms);
  }
}

Record record_of(const rd_kafka_message_t& message) {
  Record out{.offset = message.offset};
  rd_kafka_headers_t* headers = nullptr;
  rd_kafka_message_headers(&message, &headers);
  out.source = header_of(headers, "source");
  out.event.id = message.offset + 1;
  out.event.topic = header_of(headers, "topic");
  out.event.key.assign(static_cast<const char*>(message.key), message.key_len);
  out.event.payload.assign(static_cast<const char*>(message.payload), message.len);
  out.readable = !out.source.empty() && !out.event.topic.empty() &&
                 header_number(headers, "number", out.number) &&
                 header_number(headers, "revision", out.event.revision) &&
                 header_number(headers, "time_ms", out.event.time_ms);
  if (!out.readable) out.event.topic = rd_kafka_topic_name(message.rkt);
  return out;
}

rd_kafka_resp_err_t enqueue(rd_kafka_t* kafka, const std::string& stream, std::string_view key,
                            std::string_view payload, rd_kafka_headers_t* headers, void* opaque,
                            int partition) {
  const auto bytes = [](rd_kafka_vtype_t type, std::string_view text) {
    rd_kafka_vu_t out{};
    out.vtype = type;
    out.u.mem.ptr = const_cast<char*>(text.data());  // copied, as the flag says
    out.u.mem.size = text.size();
    return out;
  };
  std::array<rd_kafka_vu_t, 7> all{};
  all[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  all[0].u.cstr = stream.c_str();
  all[1] = bytes(RD_KAFKA_VTYPE_KEY, key);
  all[2] = bytes(RD_KAFKA_VTYPE_VALUE, payload);
  all[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  all[3].u.i = RD_KAFKA_MSG_F_COPY;
  all[4].vtype = RD_KAFKA_VTYPE_PARTITION;
  all[4].u.i32 = partition;
  all[5].vtype = RD_KAFKA_VTYPE_OPAQUE;
  all[5].u.ptr = opaque;
  all[6].vtype = RD_KAFKA_VTYPE_HEADERS;
  all[6].u.headers = headers;
  rd_kafka_error_t* failed = rd_kafka_produceva(kafka, all.data(), headers ? 7 : 6);
  const auto code = failed ? rd_kafka_error_code(failed) : RD_KAFKA_RESP_ERR_NO_ERROR;
  if (failed) rd_kafka_error_destroy(failed);
  return code;
}

// Of one send(); the reports that are yet to come keep it.
struct Producer::Batch {
  explicit Batch(asio::any_io_executor executor)
      : done(std::move(executor), std::chrono::steady_clock::time_point::max()) {}
  std::atomic<std::size_t> left{1};  // the sender's own
  std::atomic<int> error{RD_KAFKA_RESP_ERR_NO_ERROR};
  asio::steady_timer done;  // on its own loop only
};

void Producer::delivered(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  const std::unique_ptr<std::shared_ptr<Batch>> batch(
      static_cast<std::shared_ptr<Batch>*>(message->_private));
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) (*batch)->error = message->err;
  if (--(*batch)->left == 0)
    asio::post((*batch)->done.get_executor(), [kept = *batch] { kept->done.cancel(); });
}

Result<> Producer::open() {
  if (kafka_) return {};
  SV_TRY(kafka_, new_handle(place_, RD_KAFKA_PRODUCER,
                            {{"enable.idempotence", "true"},
                             // A record that could not be delivered is followed by none.
                             {"enable.gapless.guarantee", "true"},
                             {"message.timeout.ms", "0"},
                             {"linger.ms", "2"},
                             {"partitioner", "murmur2_random"}},
                            [](rd_kafka_conf_t* conf) {
                              rd_kafka_conf_set_dr_msg_cb(conf, &Producer::delivered);
                            }));
  stopping_ = false;
  poll_ = std::thread([this, kafka = kafka_.get()] {
    while (!stopping_) rd_kafka_poll(kafka, 100);
  });
  return {};
}

// What it has not sent is never sent. Every record is reported before it returns.
void Producer::close() {
  if (!kafka_) return;
  while (rd_kafka_outq_len(kafka_.get()) > 0) {
    rd_kafka_purge(kafka_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(kafka_.get(), 100);
  }
  stopping_ = true;
  poll_.join();
  kafka_.reset();
}

Result<> Producer::produce(const std::string& source, const Event& event,
                           std::shared_ptr<Batch> batch) {
  const std::string stream = stream_of(place_, event.topic);
  const std::string number = std::to_string(event.id), revision = std::to_string(event.revision),
                    time = std::to_string(event.time_ms);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(5);
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::string_view>{"topic", event.topic},
        {"source", source},
        {"number", number},
        {"revision", revision},
        {"time_ms", time}})
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  ++batch->left;
  auto kept = std::make_unique<std::shared_ptr<Batch>>(batch);
  const auto error = enqueue(kafka_.get(), stream, event.key, event.payload, headers, kept.get());
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)kept.release();  // the report's
    return {};
  }
  --batch->left;
  rd_kafka_headers_destroy(headers);
  // One that is too large stays so: it is the event that is to blame.
  if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    return fail(Errc::rejected, "event_too_large", fmt::format("{} bytes", event.payload.size()));
  return away(place_, error);
}

Task<Result<>> Producer::send(std::string source, std::vector<Event> events,
                              std::chrono::milliseconds wait) {
  SV_CO_CHECK(open());
  auto batch = std::make_shared<Batch>(co_await asio::this_coro::executor);
  Result<> sent;
  for (const Event& event : events)
    if (sent = produce(source, event, batch); !sent) break;
  batch->done.expires_after(wait);
  if (--batch->left > 0) (void)co_await batch->done.async_wait(kNoThrow);
  if (const int error = batch->error) sent = away(place_, static_cast<rd_kafka_resp_err_t>(error));
  else if (batch->left > 0) sent = away(place_, "it does not answer");
  if (!sent && sent.error().code == Errc::unavailable) {
    // What is still on its way must not be followed by what is sent next.
    auto closed = co_await offload(pool_, [this] {
      close();
      return true;
    });
    if (!closed) co_return fail(Errc::unavailable, "storage_busy");
  }
  co_return sent;
}

}  // namespace sv::kafka
