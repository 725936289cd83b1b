#include "platform/core/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "platform/core/json_writer.h"
#include "platform/core/line_writer.h"
#include "platform/core/time.h"

namespace sv::log {
namespace {

std::atomic<Level> g_level{Level::info};
std::atomic<bool> g_json{true};
std::unique_ptr<LineWriter> g_writer;

constexpr std::string_view kNames[] = {"debug", "info", "warn", "error", "off"};

void append_text(std::string& out, const Field& f) {
  out += ' ';
  out += f.name;
  out += '=';
  std::visit([&](const auto& v) { fmt::format_to(std::back_inserter(out), "{}", v); }, f.value);
}

void append_json(std::string& out, const Field& f) {
  out += ',';
  json::append_string(out, f.name);
  out += ':';
  if (const auto* text = std::get_if<std::string_view>(&f.value)) json::append_string(out, *text);
  else if (const auto* n = std::get_if<std::int64_t>(&f.value)) json::append_int(out, *n);
  else if (const auto* x = std::get_if<double>(&f.value)) json::append_double(out, *x);
  else json::append_bool(out, std::get<bool>(f.value));
}

// The time of now as format_rfc3339 gives it; a second is spelled once.
void append_time(std::string& out) {
  constexpr std::size_t kToSecond = 19;
  thread_local std::int64_t second = -1;
  thread_local std::string spelled;
  const std::int64_t now = wall_now_ms();
  if (now / 1000 != second) {
    second = now / 1000;
    spelled = format_rfc3339(second * 1000);
  }
  const auto ms = static_cast<int>(now % 1000);
  const char tail[] = {'.', static_cast<char>('0' + ms / 100),
                       static_cast<char>('0' + ms / 10 % 10), static_cast<char>('0' + ms % 10),
                       'Z'};
  out.append(spelled, 0, kToSecond).append(tail, sizeof tail);
}

}  // namespace

std::string init(const Options& options) {
  g_level = options.level;
  g_json = options.json;
  int fd = STDERR_FILENO;
  if (!options.output.empty()) {
    fd = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
      return fmt::format("log.output: cannot write to {}: {}", options.output,
                         std::strerror(errno));
  }
  g_writer = std::make_unique<LineWriter>(fd);
  return {};
}

void set_level(Level level) { g_level = level; }
Level level() { return g_level.load(std::memory_order_relaxed); }

Level parse_level(std::string_view name) {
  for (int i = 0; i < 5; ++i)
    if (kNames[i] == name) return static_cast<Level>(i);
  return Level::info;
}

void shutdown() { g_writer.reset(); }

void write(Level lvl, std::string_view component, std::string_view message, Fields fields) {
  if (lvl < level()) return;
  thread_local std::string line;
  line.clear();
  if (g_json) {
    line += R"({"time":")";
    append_time(line);
    line += R"(","level":")";
    line += kNames[static_cast<int>(lvl)];
    line += R"(","component":)";
    json::append_string(line, component);
    line += R"(,"message":)";
    json::append_string(line, message);
    for (const Field& f : fields) append_json(line, f);
    line += '}';
  } else {
    append_time(line);
    fmt::format_to(std::back_inserter(line), " {:5} {}: {}", kNames[static_cast<int>(lvl)],
                   component, message);
    for (const Field& f : fields) append_text(line, f);
  }
  if (g_writer) g_writer->add(line, lvl >= Level::warn);
  else std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace sv::log
