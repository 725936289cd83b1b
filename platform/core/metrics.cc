#include "platform/core/metrics.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

namespace sv::metrics {
namespace {

std::string escape(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out;
}

std::string label_text(Labels labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += fmt::format("{}=\"{}\"", name, escape(value));
  }
  return out;
}

void head(std::string& out, std::string_view name, std::string_view help, std::string_view type) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class V>
void line(std::string& out, std::string_view name, std::string_view labels, V value) {
  if (labels.empty()) out += fmt::format("{} {}\n", name, value);
  else out += fmt::format("{}{{{}}} {}\n", name, labels, value);
}

void histogram_lines(std::string& out, const std::string& name, const std::string& labels,
                     const Histogram& h) {
  const std::string comma = labels.empty() ? "" : ",";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < h.bounds().size(); ++i) {
    total += h.below(i);
    line(out, name + "_bucket", fmt::format("{}{}le=\"{}\"", labels, comma, h.bounds()[i]), total);
  }
  total += h.below(h.bounds().size());
  line(out, name + "_bucket", labels + comma + "le=\"+Inf\"", total);
  line(out, name + "_sum", labels, h.sum());
  line(out, name + "_count", labels, total);
}

// Unix time: the machine's start, and ticks from there (proc(5)).
std::uint64_t start_time() {
  std::uint64_t boot = 0, ticks = 0;
  std::ifstream machine("/proc/stat");
  for (std::string word; machine >> word && word != "btime";) {}
  machine >> boot;
  std::ifstream own("/proc/self/stat");
  own.ignore(std::numeric_limits<std::streamsize>::max(), ')');  // the name may hold anything
  std::string skipped;
  for (int field = 3; field < 22; ++field) own >> skipped;
  own >> ticks;
  return boot + ticks / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
}

void process_lines(std::string& out) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  head(out, "process_cpu_seconds_total", "User and system CPU time.", "counter");
  line(out, "process_cpu_seconds_total", "", seconds(usage.ru_utime) + seconds(usage.ru_stime));

  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  head(out, "process_resident_memory_bytes", "Resident memory.", "gauge");
  line(out, "process_resident_memory_bytes", "", resident * page);
  head(out, "process_virtual_memory_bytes", "Virtual memory.", "gauge");
  line(out, "process_virtual_memory_bytes", "", pages * page);

  std::error_code ignored;
  const auto fds = std::distance(std::filesystem::directory_iterator("/proc/self/fd", ignored),
                                 std::filesystem::directory_iterator());
  head(out, "process_open_fds", "Open descriptors.", "gauge");
  line(out, "process_open_fds", "", fds);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  head(out, "process_start_time_seconds", "When the process began, unix time.", "gauge");
  line(out, "process_start_time_seconds", "", start_time());
  head(out, "process_max_fds", "Most descriptors the process may open.", "gauge");
  line(out, "process_max_fds", "", limit.rlim_cur);
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()), buckets_(bounds.size() + 1) {}

void Histogram::observe(double v) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), v) - bounds_.begin();
  buckets_[static_cast<std::size_t>(at)].fetch_add(1, std::memory_order_relaxed);
  sum_nano_.fetch_add(static_cast<std::uint64_t>(std::max(v, 0.0) * 1e9),
                      std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
  std::uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

template <class T, class... A>
T& Registry::find_or_make(Families<T>& families, std::deque<T>& store, std::string_view name,
                          std::string_view help, Labels labels, A&&... args) {
  auto family = families.find(name);
  if (family == families.end())
    family = families.emplace(std::string(name), Family<T>{std::string(help), {}}).first;
  T*& metric = family->second.by_labels[label_text(labels)];
  if (!metric) metric = &store.emplace_back(std::forward<A>(args)...);
  return *metric;
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  std::lock_guard lock(mutex_);
  return find_or_make(counter_families_, counters_, name, help, labels);
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  std::lock_guard lock(mutex_);
  return find_or_make(gauge_families_, gauges_, name, help, labels);
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, Labels labels,
                               std::span<const double> bounds) {
  std::lock_guard lock(mutex_);
  return find_or_make(histogram_families_, histograms_, name, help, labels, bounds);
}

void Registry::watch(std::string_view name, std::string_view help, std::function<double()> read,
                     Labels labels) {
  std::lock_guard lock(mutex_);
  find_or_make(watched_families_, watched_, name, help, labels) = std::move(read);
}

std::string Registry::text() const {
  std::string out;
  std::lock_guard lock(mutex_);
  for (const auto& [name, family] : counter_families_) {
    head(out, name, family.help, "counter");
    for (const auto& [labels, metric] : family.by_labels) line(out, name, labels, metric->value());
  }
  for (const auto& [name, family] : gauge_families_) {
    head(out, name, family.help, "gauge");
    for (const auto& [labels, metric] : family.by_labels) line(out, name, labels, metric->value());
  }
  for (const auto& [name, family] : watched_families_) {
    head(out, name, family.help, "gauge");
    for (const auto& [labels, read] : family.by_labels) line(out, name, labels, (*read)());
  }
  for (const auto& [name, family] : histogram_families_) {
    head(out, name, family.help, "histogram");
    for (const auto& [labels, metric] : family.by_labels)
      histogram_lines(out, name, labels, *metric);
  }
  process_lines(out);
  return out;
}

}  // namespace sv::metrics
