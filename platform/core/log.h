#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

// Structured logs: one JSON object a line {"time","level","component","message",…fields}.
// Thread-safe; written in batches by a background thread (line_writer.h), warnings and errors at
// once; shutdown() writes what waits. Log an error once,
// where it stops, with the request id.
namespace sv::log {

enum class Level : unsigned char { debug, info, warn, error, off };

struct Field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  template <class I>
    requires std::is_integral_v<I>
  Field(std::string_view n, I v) : name(n), value(static_cast<std::int64_t>(v)) {}
};
using Fields = std::initializer_list<Field>;

struct Options {
  Level level = Level::info;
  bool json = true;    // false: human-readable text
  std::string output;  // empty: standard error; else a file that is appended to
};

// Call once before other threads log. Returns an error sentence, empty on success.
std::string init(const Options& options);
void set_level(Level level);
Level level();
Level parse_level(std::string_view name);  // unknown: Level::info
// Writes what is queued and ends the background thread; later lines go to standard error directly.
void shutdown();

void write(Level level, std::string_view component, std::string_view message, Fields fields);
inline void debug(std::string_view component, std::string_view message, Fields fields = {}) {
  if (level() <= Level::debug) write(Level::debug, component, message, fields);
}
inline void info(std::string_view component, std::string_view message, Fields fields = {}) {
  if (level() <= Level::info) write(Level::info, component, message, fields);
}
inline void warn(std::string_view component, std::string_view message, Fields fields = {}) {
  write(Level::warn, component, message, fields);
}
inline void error(std::string_view component, std::string_view message, Fields fields = {}) {
  write(Level::error, component, message, fields);
}

}  // namespace sv::log
