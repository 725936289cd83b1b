#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/core/fd.h"

namespace sv::testing {

// For tests: stands before a server, and hangs or breaks when told. Without a server (port 0) it
// accepts, reads and never answers.
class Proxy {
 public:
  explicit Proxy(std::uint16_t server) : server_(server), listener_(listen_at(0)) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Proxy() {
    stopping_ = true;
    thread_.join();
  }

  std::uint16_t port() const { return port_; }
  // Nothing is passed on any more, either way; connections stay.
  void stall(bool on) { stalled_ = on; }
  // Ends all connections; `refuse`: new ones too, until told otherwise.
  void cut(bool refuse = false) {
    refusing_ = refuse;
    cut_ = true;
    while (cut_) std::this_thread::yield();
  }
  void accept_again() { refusing_ = false; }
  int accepted() const { return accepted_; }  // connections, since the start
  // Passes on the next text that has `word`, then ends that connection before the answer.
  void cut_after(std::string word) {
    std::lock_guard lock(mutex_);
    word_ = std::move(word);
  }

 private:
  struct Pair {
    Fd client, server;
    bool ending = false;
  };

  static Fd listen_at(std::uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in at = loopback(port);
    (void)::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
    ::listen(fd.get(), 64);
    return fd;
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }
  static bool ready(int fd) {
    pollfd p{fd, POLLIN, 0};
    return fd >= 0 && ::poll(&p, 1, 0) > 0;
  }

  void accept_one() {
    Pair pair{Fd(::accept(listener_.get(), nullptr, nullptr)), Fd(), false};
    if (refusing_) return;
    ++accepted_;
    if (server_ != 0) {
      pair.server = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in at = loopback(server_);
      (void)::connect(pair.server.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
    }
    pairs_.push_back(std::move(pair));
  }

  // False when one side has ended. `ending`: whether the word is in what a client says. It is
  // looked for before that is passed on: who hears the answer to it may have asked for another one.
  bool pass(const Fd& from, const Fd& to, bool* ending) {
    char bytes[65536];
    const auto n = ::recv(from.get(), bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    const std::string_view text(bytes, static_cast<std::size_t>(n));
    if (std::lock_guard lock(mutex_); ending && !word_.empty() && text.contains(word_)) {
      word_.clear();
      *ending = true;
    }
    return !to || ::send(to.get(), bytes, static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
  }

  bool serve(Pair& pair) {
    if (stalled_) return true;
    if (pair.ending) return !ready(pair.server.get());  // the answer has come, and is not passed on
    if (ready(pair.client.get()) && !pass(pair.client, pair.server, &pair.ending)) return false;
    return pair.ending || !ready(pair.server.get()) || pass(pair.server, pair.client, nullptr);
  }

  void run() {
    while (!stopping_) {
      if (ready(listener_.get())) accept_one();
      if (cut_) pairs_.clear();
      cut_ = false;
      pairs_.remove_if([this](Pair& pair) { return !serve(pair); });
      std::vector<pollfd> fds{{listener_.get(), POLLIN, 0}};
      for (auto& pair : pairs_)
        for (const Fd* fd : {&pair.client, &pair.server})
          fds.push_back({stalled_ ? -1 : fd->get(), POLLIN, 0});
      (void)::poll(fds.data(), fds.size(), 5);
    }
  }

  const std::uint16_t server_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false}, stalled_{false}, refusing_{false}, cut_{false};
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  std::string word_;
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace sv::testing
