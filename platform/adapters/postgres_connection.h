#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <expected>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "platform/adapters/postgres_values.h"
#include "platform/core/ctx.h"
#include "platform/core/fd.h"

namespace sv::postgres {

template <class T = void>
using Reply = std::expected<T, Failure>;

// Ends waits of other threads: rung once, it stays rung until hushed.
class Alarm {
 public:
  Alarm();
  void ring();
  void hush();
  void wait() const;
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

// Until when one may wait: the caller's deadline, or the end of the database's own stopping.
struct Limit {
  Deadline deadline = Deadline::max();
  const std::atomic<Deadline>* stop = nullptr;

  bool passed() const;
  Failure failure() const;  // what has passed
};

struct Settings {
  std::string url;
  std::string application_name;
  std::chrono::milliseconds longest_statement{0};  // 0: none
  bool read_only = false;
};

// One connection in pipeline mode with its prepared statements. Used by one thread at a time. After
// a Failure that is `lost` it must be destroyed. Nothing waits longer than its deadline, whatever
// the server does.
class Connection {
 public:
  // The time that it takes to resolve the host's name is the resolver's.
  static Reply<std::unique_ptr<Connection>> open(const Settings& settings, Limit limit);

  // --- Sending. What is sent belongs to one batch, until sync().
  // Not prepared, its result not wanted unless it is an error: BEGIN and the like.
  void send_plain(std::string_view sql);
  void send(std::string_view sql, const sql::Params& params);
  void sync();

  // The results of one batch, in order of its send(). The first statement that fails ends its
  // batch, and the transaction that it is in.
  struct Answer {
    std::vector<ResultPtr> results;
    std::optional<Failure> failure;
  };
  // The next batch's, if it has arrived. Reads what the server has sent first.
  Reply<std::optional<Answer>> receive();
  // Hands what was sent to the kernel; true when some is left.
  Reply<bool> flush();
  // Until the server has sent something, or (wanted when flush() left some) may be sent more, or
  // `alarm` rings, or the deadline; 200 ms at most, so that a Limit may move (but for ever
  // when only the alarm is to end it).
  void wait(bool to_write, Deadline deadline, const Alarm* alarm) const;

  // sync(), and waits for its answer. Nothing else may be in flight.
  Reply<std::vector<ResultPtr>> exchange(Limit limit);

 private:
  struct Close {
    void operator()(PGconn* c) const { PQfinish(c); }
  };
  struct Command {
    std::string sql;
    bool wanted = false;
    std::string statement;  // key of the one that it prepares or runs
  };
  struct Statement {
    std::string name;
    std::list<std::string>::iterator age;
  };

  explicit Connection(PGconn* pg) : pg_(pg) {}
  Reply<> begin_session(const Settings& settings, Limit limit);
  // The statement's key; it is prepared if need be.
  std::string prepare(std::string_view sql, const Encoded& params);
  void forget_oldest();
  void forget(const std::string& key);
  void note(ResultPtr result);
  Failure lost() const;

  std::unique_ptr<PGconn, Close> pg_;
  std::deque<std::vector<Command>> in_flight_;  // batches; the last is open
  bool open_ = false;
  bool refused_ = false;  // libpq did not take a command: the connection is lost
  Answer answer_;         // of the first batch, so far
  std::size_t answered_ = 0;
  std::unordered_map<std::string, Statement> statements_;
  std::list<std::string> by_age_;  // keys, the one used last in front
  std::uint64_t names_ = 0;
};

// When to try again after a server could not be reached: at once, then every 0.1 to 1 s.
class Backoff {
 public:
  // Why it could not be reached, while it is too soon to ask again.
  std::optional<Failure> refuses() const;
  void note(const Reply<std::unique_ptr<Connection>>& opened);

 private:
  std::optional<Failure> last_;
  Deadline next_{};
  std::chrono::milliseconds pause_{0};
};

}  // namespace sv::postgres
