// The least a server on one core can do: one epoll loop that answers each request head with the
// same bytes from memory.
// It parses nothing and checks nothing. usage: epoll_loop PORT FILE; FILE holds a whole HTTP
// answer, head and body.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <unordered_map>

namespace {

struct Connection {
  unsigned matched = 0;  // bytes of "\r\n\r\n" seen last
  std::size_t owed = 0;  // bytes of answers still to be sent
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// False: the connection is gone. `writing` tells whether the socket has to become writable first.
bool answer(int fd, Connection& c, const std::string& bytes, bool& writing) {
  while (c.owed > 0) {
    std::size_t left = (c.owed - 1) % bytes.size() + 1;  // of the answer that is under way
    ssize_t n = ::send(fd, bytes.data() + (bytes.size() - left), left, MSG_NOSIGNAL);
    if (n < 0) {
      writing = true;
      return errno == EAGAIN;
    }
    c.owed -= static_cast<std::size_t>(n);
  }
  writing = false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: epoll_loop PORT FILE\n");
    return 2;
  }
  std::ifstream in(argv[2], std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (bytes.empty()) die(argv[2]);

  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 4096) != 0)
    die("listen");

  int poll = ::epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::unordered_map<int, Connection> connections;
  std::array<epoll_event, 256> events;
  std::array<char, 16 * 1024> buffer;
  constexpr char kEnd[] = "\r\n\r\n";
  for (;;) {
    int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        for (int s; (s = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
          event.events = EPOLLIN;
          event.data.fd = s;
          ::epoll_ctl(poll, EPOLL_CTL_ADD, s, &event);
          connections[s] = {};
        }
        continue;
      }
      Connection& c = connections[fd];
      bool alive = true, writing = false, was_writing = c.owed > 0;
      if (!was_writing) {
        ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
        alive = n > 0 || (n < 0 && errno == EAGAIN);
        for (ssize_t k = 0; k < n; ++k) {
          char b = buffer[static_cast<std::size_t>(k)];
          c.matched = b == kEnd[c.matched] ? c.matched + 1 : b == '\r' ? 1 : 0;
          if (c.matched == 4) {
            c.matched = 0;
            c.owed += bytes.size();
          }
        }
      }
      if (alive) alive = answer(fd, c, bytes, writing);
      if (!alive) {
        connections.erase(fd);
        ::close(fd);
      } else if (writing != was_writing) {
        event.events = writing ? EPOLLOUT : EPOLLIN;
        event.data.fd = fd;
        ::epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event);
      }
    }
  }
}
