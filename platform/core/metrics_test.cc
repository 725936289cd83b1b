#include "platform/core/metrics.h"

#include <cmath>
#include <ctime>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

namespace sv::metrics {
namespace {

// The text by the grammar of the exposition format 0.0.4, as value by "name{labels}".
std::map<std::string, double> read(const std::string& text) {
  static const std::regex comment(
      R"(# (HELP [a-zA-Z_:][\w:]* .*|TYPE [a-zA-Z_:][\w:]* (counter|gauge|histogram)))");
  static const std::regex sample(
      R"rx(([a-zA-Z_:][\w:]*(\{[a-zA-Z_]\w*="([^"\\\n]|\\["\\n])*"(,[a-zA-Z_]\w*="([^"\\\n]|\\["\\n])*")*\})?) (\S+))rx");
  std::map<std::string, double> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch m;
    if (line.starts_with('#')) EXPECT_TRUE(std::regex_match(line, comment)) << line;
    else if (!std::regex_match(line, m, sample)) ADD_FAILURE() << line;
    else EXPECT_TRUE(out.emplace(m[1].str(), std::stod(m[6].str())).second) << "twice: " << line;
  }
  EXPECT_TRUE(text.ends_with('\n'));
  return out;
}

TEST(Metrics, TheTextIsWhatPrometheusReads) {
  Registry registry;
  registry.counter("requests_total", "Requests.", {{"route", "/a"}, {"status", "200"}}).add(3);
  registry.counter("requests_total", "Requests.", {{"route", "/b"}, {"status", "200"}}).add();
  registry.gauge("depth", "Queue.").set(-4);
  registry.watch("seen", "Asked for.", [] { return 2.5; }, {{"file", "a\"b\\c\nd"}});
  const auto values = read(registry.text());
  EXPECT_EQ(values.at(R"(requests_total{route="/a",status="200"})"), 3);
  EXPECT_EQ(values.at(R"(requests_total{route="/b",status="200"})"), 1);
  EXPECT_EQ(values.at("depth"), -4);
  EXPECT_EQ(values.at(R"(seen{file="a\"b\\c\nd"})"), 2.5);
}

TEST(Metrics, BucketsAddUp) {
  Registry registry;
  const double bounds[] = {0.1, 1};
  Histogram& h = registry.histogram("took_seconds", "Time.", {{"route", "/a"}}, bounds);
  for (double v : {0.05, 0.1, 0.5, 7.0}) h.observe(v);
  const auto values = read(registry.text());
  EXPECT_EQ(values.at(R"(took_seconds_bucket{route="/a",le="0.1"})"), 2);
  EXPECT_EQ(values.at(R"(took_seconds_bucket{route="/a",le="1"})"), 3);
  EXPECT_EQ(values.at(R"(took_seconds_bucket{route="/a",le="+Inf"})"), 4);
  EXPECT_EQ(values.at(R"(took_seconds_count{route="/a"})"), 4);
  EXPECT_NEAR(values.at(R"(took_seconds_sum{route="/a"})"), 7.65, 1e-6);
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Registry registry;
  EXPECT_EQ(&registry.counter("a_total", "A."), &registry.counter("a_total", "A."));
  EXPECT_NE(&registry.counter("a_total", "A.", {{"x", "1"}}), &registry.counter("a_total", "A."));
}

TEST(Metrics, TheProcessTellsAboutItself) {
  const auto values = read(Registry().text());
  EXPECT_GT(values.at("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(values.at("process_open_fds"), 2);
  EXPECT_GE(values.at("process_cpu_seconds_total"), 0);
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_LE(values.at("process_start_time_seconds"), now + 1);
  EXPECT_GT(values.at("process_start_time_seconds"), now - 3600);
}

}  // namespace
}  // namespace sv::metrics
