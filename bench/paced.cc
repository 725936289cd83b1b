// A client with a fixed rate: request k is due at start + k / rate, and its latency counts from
// then on, also when no connection was free to send it. A stalled server therefore shows as many
// slow answers, not as few requests. Rate 0 sends one after the other.
// usage: paced --port N --paths FILE [--rate R] [--seconds S] [--connections C] [--header LINE];
// FILE has a path a line, taken in turn; without --seconds each path is asked for once. Prints one
// JSON object.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

struct Options {
  std::uint16_t port = 0;
  std::string paths, header;
  double rate = 0, seconds = 0;
  std::size_t connections = 1;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  Time due;
  std::string head;      // until it is complete
  std::size_t body = 0;  // bytes still to come
  bool in_body = false;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "paced: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

class Client {
 public:
  explicit Client(Options options) : options_(std::move(options)) {
    std::ifstream in(options_.paths);
    for (std::string path; std::getline(in, path);) {
      if (path.empty()) continue;
      requests_.push_back("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
                          (options_.header.empty() ? "" : options_.header + "\r\n") + "\r\n");
    }
    if (requests_.empty()) die(options_.paths + " has no paths");
    poll_ = ::epoll_create1(0);
    connections_.resize(options_.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connect(i);
      idle_.push_back(i);
    }
    const double wanted = options_.seconds > 0 ? options_.rate * options_.seconds
                                               : static_cast<double>(requests_.size());
    latencies_.reserve(static_cast<std::size_t>(std::max(wanted, 1e6)));
  }

  void run() {
    ::prctl(PR_SET_TIMERSLACK, 1UL);
    start_ = Clock::now();
    const double cpu = cpu_seconds();
    while (pump()) wait();
    const double took = std::chrono::duration<double>(Clock::now() - start_).count();
    std::ranges::sort(latencies_);
    const auto at = [&](double part) {
      return latencies_.empty()
                 ? 0.0
                 : latencies_[std::min(
                       latencies_.size() - 1,
                       static_cast<std::size_t>(part * static_cast<double>(latencies_.size())))];
    };
    std::printf(
        "{\"requests\": %zu, \"seconds\": %.3f, \"rate\": %.1f, \"p50\": %.4f, \"p95\": %.4f, "
        "\"p99\": %.4f, \"max\": %.4f, "
        "\"errors\": %zu, \"client_busy\": %.3f}\n",
        latencies_.size(), took, static_cast<double>(latencies_.size()) / took, at(0.5), at(0.95),
        at(0.99), at(1.0), errors_, (cpu_seconds() - cpu) / took);
  }

 private:
  void connect(std::size_t i) {
    Connection& c = connections_[i];
    if (c.fd >= 0) ::close(c.fd);
    c = {};
    c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(c.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, c.fd, &event);
  }

  Time due(std::size_t k) const {
    return start_ + std::chrono::nanoseconds(
                        static_cast<std::int64_t>(static_cast<double>(k) / options_.rate * 1e9));
  }

  bool over(Time now) const {
    if (options_.seconds <= 0) return sent_ >= requests_.size();
    if (options_.rate > 0) return static_cast<double>(sent_) >= options_.rate * options_.seconds;
    return now - start_ >= std::chrono::duration<double>(options_.seconds);
  }

  // Sends what is due. False when all is sent and answered.
  bool pump() {
    const Time now = Clock::now();
    while (!idle_.empty() && !over(now) && (options_.rate <= 0 || due(sent_) <= now)) {
      Connection& c = connections_[idle_.back()];
      idle_.pop_back();
      const std::string& request = requests_[sent_ % requests_.size()];
      c.busy = true;
      c.due = options_.rate > 0 ? due(sent_) : Clock::now();
      ++sent_;
      if (::send(c.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size()))
        die("send");
    }
    return !over(now) || idle_.size() < connections_.size();
  }

  void wait() {
    timespec pause{.tv_sec = 1, .tv_nsec = 0};
    if (options_.rate > 0 && !idle_.empty() && !over(Clock::now())) {
      const auto left =
          std::max<std::int64_t>(0, std::chrono::nanoseconds(due(sent_) - Clock::now()).count());
      pause = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
    }
    std::array<epoll_event, 256> events;
    const int ready =
        ::epoll_pwait2(poll_, events.data(), static_cast<int>(events.size()), &pause, nullptr);
    for (int i = 0; i < ready; ++i) receive(events[static_cast<std::size_t>(i)].data.u64);
  }

  void receive(std::size_t i) {
    Connection& c = connections_[i];
    const ssize_t n = ::recv(c.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      if (c.busy) {
        ++errors_;
        idle_.push_back(i);
      }
      connect(i);
      return;
    }
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(n));
    if (!c.in_body) {
      c.head.append(bytes);
      const std::size_t end = c.head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      const std::size_t length = c.head.find("\r\nContent-Length: ");
      if (length > end) die("an answer without Content-Length");
      if (c.head.compare(0, 12, "HTTP/1.1 200") != 0) ++errors_;
      c.body = std::strtoull(c.head.c_str() + length + 18, nullptr, 10);
      bytes = std::string_view(c.head).substr(end + 4);
      c.in_body = true;
    }
    c.body -= std::min(c.body, bytes.size());
    if (c.body > 0) return;
    latencies_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - c.due).count());
    c.head.clear();
    c.in_body = c.busy = false;
    idle_.push_back(i);
  }

  const Options options_;
  std::vector<std::string> requests_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> idle_;
  std::vector<double> latencies_;  // ms
  std::array<char, 128 * 1024> buffer_;
  Time start_;
  std::size_t sent_ = 0, errors_ = 0;
  int poll_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--port") options.port = static_cast<std::uint16_t>(std::atoi(value));
    else if (name == "--paths") options.paths = value;
    else if (name == "--rate") options.rate = std::atof(value);
    else if (name == "--seconds") options.seconds = std::atof(value);
    else if (name == "--connections")
      options.connections = static_cast<std::size_t>(std::max(1, std::atoi(value)));
    else if (name == "--header") options.header = value;
    else options.port = 0, i = argc;
  }
  if (options.port == 0 || options.paths.empty()) {
    std::fprintf(stderr,
                 "usage: paced --port N --paths FILE [--rate R] [--seconds S] [--connections C] "
                 "[--header LINE]\n");
    return 2;
  }
  auto client = std::make_unique<Client>(std::move(options));
  client->run();
}
