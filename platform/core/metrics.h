#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Numbers about the process in Prometheus' text format (exposition format 0.0.4). A metric is
// looked up once, when its owner is made, and kept by reference: updating one is an atomic
// addition. Labels have few values; never an id of a user or a video.
namespace sv::metrics {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Buckets of seconds for answers that take 50 µs to 10 s.
inline constexpr double kLatencyBounds[] = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                            0.005,   0.01,   0.025,   0.05,   0.1,   0.25,
                                            0.5,     1,      2.5,     10};

class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);  // rising upper bounds
  void observe(double v);
  std::uint64_t count() const;
  std::uint64_t below(std::size_t bucket) const {
    return buckets_[bucket].load(std::memory_order_relaxed);
  }
  std::span<const double> bounds() const { return bounds_; }
  double sum() const {
    return static_cast<double>(sum_nano_.load(std::memory_order_relaxed)) / 1e9;
  }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> buckets_;  // one more than bounds: +Inf
  std::atomic<std::uint64_t> sum_nano_{0};
};

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Owns the metrics. Thread-safe; the references it gives out live as long as it does. Asking again
// for the same name and labels gives the same metric.
class Registry {
 public:
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, Labels labels = {},
                       std::span<const double> bounds = kLatencyBounds);
  // A gauge whose value is asked for when the text is made. `read` must be thread-safe and outlive
  // the registry's use.
  void watch(std::string_view name, std::string_view help, std::function<double()> read,
             Labels labels = {});

  // Every metric, and the process's own: memory, CPU, descriptors, start time.
  std::string text() const;

 private:
  template <class T>
  struct Family {
    std::string help;
    std::map<std::string, T*> by_labels;  // key: `a="x",b="y"`
  };
  template <class T>
  using Families = std::map<std::string, Family<T>, std::less<>>;

  template <class T, class... A>
  static T& find_or_make(Families<T>& families, std::deque<T>& store, std::string_view name,
                         std::string_view help, Labels labels, A&&... args);

  mutable std::mutex mutex_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<Histogram> histograms_;
  std::deque<std::function<double()>> watched_;
  Families<Counter> counter_families_;
  Families<Gauge> gauge_families_;
  Families<Histogram> histogram_families_;
  Families<std::function<double()>> watched_families_;
};

}  // namespace sv::metrics
