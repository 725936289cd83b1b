#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/commands.h"
#include "app/wiring.h"
#include "platform/adapters/event_letters.h"
#include "platform/core/block_on.h"
#include "platform/core/json_writer.h"
#include "platform/core/time.h"

// The dead letters of every database. The process that serves beside these commands hears of what
// they change within a second.
namespace sv::commands {
namespace {

void append_text(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("{}\"{}\":", out.back() == '{' ? "" : ",", name);
  json::append_string(out, value);
}

std::string json_of(const DeadLetter& d) {
  std::string out = "{";
  append_text(out, "consumer", d.consumer);
  append_text(out, "topic", d.topic);
  append_text(out, "key", d.key);
  append_text(out, "time", format_rfc3339(d.time_ms));
  append_text(out, "error", d.error);
  return out + fmt::format(R"(,"id":{},"tries":{},"parked":{}}})", d.id, d.tries, d.parked);
}

std::string line_of(const DeadLetter& d) {
  return fmt::format("{} {} {} key {}, {} tries, of {}, {} parked behind it: {}", d.consumer, d.id,
                     d.topic, d.key, d.tries, format_rfc3339(d.time_ms), d.parked, d.error);
}

// Adds up what `change` answers for each database.
template <class Change>
Result<std::int64_t> change_letters(const Config& config, Change change) {
  SV_TRY(const auto storage, open_storage(config, Access::admin));
  std::int64_t sum = 0;
  for (auto& [url, place] : storage->places) {
    SV_TRY(const std::int64_t changed, block_on(change(*place.database.db)));
    sum += changed;
  }
  return sum;
}

Task<Result<std::int64_t>> drop_in(sql::Database& db, std::string consumer, std::int64_t id) {
  SV_CO_TRY(const bool dropped, co_await drop_letter(db, std::move(consumer), id));
  co_return dropped ? 1 : 0;
}

}  // namespace

int list_dead_events(const Config& config, bool json) {
  auto storage = open_storage(config, Access::look);
  if (!storage) return cannot(storage.error());
  std::vector<DeadLetter> all;
  for (auto& [url, place] : (*storage)->places) {
    auto some = block_on(list_dead_letters(*place.database.db));
    if (!some) return cannot(some.error());
    all.insert(all.end(), some->begin(), some->end());
  }
  if (json) {
    std::vector<std::string> objects;
    for (const DeadLetter& d : all) objects.push_back(json_of(d));
    fmt::print("[{}]\n", fmt::join(objects, ",\n"));
    return 0;
  }
  for (const DeadLetter& d : all) fmt::print("{}\n", line_of(d));
  fmt::print("{} dead events\n", all.size());
  return 0;
}

int replay_events(const Config& config, const std::string& consumer, const std::string& key) {
  const bool all = key == "all";
  const auto replayed = change_letters(
      config, [&](sql::Database& db) { return replay_letters(db, consumer, all ? "" : key); });
  if (!replayed) return cannot(replayed.error());
  if (*replayed == 0)
    return cannot(all ? fmt::format("no event of {} is dead", consumer)
                      : fmt::format("no event of {} with the key {} is dead", consumer, key));
  fmt::print("{} events will be delivered again\n", *replayed);
  return 0;
}

int drop_event(const Config& config, const std::string& consumer, std::int64_t id) {
  const auto dropped =
      change_letters(config, [&](sql::Database& db) { return drop_in(db, consumer, id); });
  if (!dropped) return cannot(dropped.error());
  if (*dropped == 0)
    return cannot(
        fmt::format("{} has no dead event {}; `shortvideo events dead` lists them", consumer, id));
  fmt::print("event {} of {} is forgotten\n", id, consumer);
  return 0;
}

}  // namespace sv::commands
