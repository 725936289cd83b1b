#pragma once

#include <concepts>
#include <string>

#include <fmt/format.h>

#include "idl/events.h"
#include "platform/ports/event_bus.h"

// The events of idl/events.thrift on the bus.
namespace sv {

template <class T>
concept TopicStruct = requires {
  { T::kTopic } -> std::convertible_to<std::string_view>;
};

template <TopicStruct... T>
std::vector<std::string> topics() {
  return {std::string(T::kTopic)...};
}

template <TopicStruct T>
bool is(const Event& event) {
  return event.topic == T::kTopic;
}

// `key` is the id that the IDL names.
template <TopicStruct T>
Event event_of(auto key, std::int64_t revision, const T& what) {
  Event event{.topic = std::string(T::kTopic),
              .key = fmt::format("{}", key),
              .revision = revision,
              .payload = {}};
  write_json(event.payload, what);
  return event;
}

template <TopicStruct T>
Result<> publish_event(EventBus& bus, sql::Tx& tx, auto key, std::int64_t revision, const T& what) {
  return bus.publish(tx, {event_of(key, revision, what)});
}

// What is not as the IDL says is an error of the event, not of who reads it.
template <TopicStruct T>
Result<T> read_event(const Event& event) {
  auto what = read_json<T>(event.payload);
  if (!what)
    return fail(Errc::internal, "event_invalid",
                fmt::format("{}: {}", event.topic, what.error().token));
  return what;
}

}  // namespace sv
