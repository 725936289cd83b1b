#include "platform/core/log.h"

#include <atomic>
#include <memory>

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "platform/core/json_writer.h"
#include "platform/core/time.h"

namespace sv::log {
namespace {

std::atomic<Level> g_level{Level::info};
std::atomic<bool> g_json{true};
std::shared_ptr<spdlog::logger> g_logger;

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
  if (auto* s = std::get_if<std::string_view>(&f.value)) json::append_string(out, *s);
  else
    std::visit(
        [&](const auto& v) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, std::string_view>)
            fmt::format_to(std::back_inserter(out), "{}", v);
        },
        f.value);
}

}  // namespace

std::string init(const Options& options) {
  g_level = options.level;
  g_json = options.json;
  try {
    spdlog::sink_ptr sink;
    if (options.output.empty()) sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.output);
    spdlog::init_thread_pool(8192, 1);
    g_logger = std::make_shared<spdlog::async_logger>("sv", sink, spdlog::thread_pool(),
                                                      spdlog::async_overflow_policy::block);
    g_logger->set_pattern("%v");
    g_logger->set_level(spdlog::level::trace);
    g_logger->flush_on(spdlog::level::err);
    spdlog::flush_every(std::chrono::seconds(1));
    spdlog::register_logger(g_logger);
  } catch (const std::exception& e) {
    return fmt::format("log.output: cannot write to {}: {}", options.output, e.what());
  }
  return {};
}

void set_level(Level level) { g_level = level; }
Level level() { return g_level.load(std::memory_order_relaxed); }

Level parse_level(std::string_view name) {
  for (int i = 0; i < 5; ++i)
    if (kNames[i] == name) return static_cast<Level>(i);
  return Level::info;
}

void shutdown() {
  g_logger.reset();
  spdlog::shutdown();  // joins the pool's thread, which writes what is queued first
}

void write(Level lvl, std::string_view component, std::string_view message, Fields fields) {
  if (lvl < level()) return;
  std::string line;
  line.reserve(256);
  if (g_json) {
    line += R"({"time":")";
    line += format_rfc3339(wall_now_ms());
    line += R"(","level":")";
    line += kNames[static_cast<int>(lvl)];
    line += R"(","component":)";
    json::append_string(line, component);
    line += R"(,"message":)";
    json::append_string(line, message);
    for (const Field& f : fields) append_json(line, f);
    line += '}';
  } else {
    fmt::format_to(std::back_inserter(line), "{} {:5} {}: {}", format_rfc3339(wall_now_ms()),
                   kNames[static_cast<int>(lvl)], component, message);
    for (const Field& f : fields) append_text(line, f);
  }
  if (g_logger)
    g_logger->log(lvl == Level::error ? spdlog::level::err : spdlog::level::info,
                  spdlog::string_view_t(line.data(), line.size()));
  else std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace sv::log
