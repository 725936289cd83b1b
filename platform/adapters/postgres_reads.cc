#include "platform/adapters/postgres_reads.h"

#include <pthread.h>

namespace sv::postgres {
namespace {

// More would only wait in the server, where none of them can be given to another connection.
constexpr std::size_t kMaxInFlight = 64;

}  // namespace

void Read::answer(Result<sql::Rows> rows) {
  if (answered_.exchange(true)) return;
  // What the function holds keeps the caller's loop alive.
  const Answer tell = std::exchange(tell_, nullptr);
  tell(std::move(rows));
}

void Read::expire() { answer(std::unexpected(too_late().error)); }

Reader::Reader(const PostgresOptions& options, PostgresCounters& counters, DeadlineWatch& watch,
               const std::atomic<Deadline>& stop)
    : options_(options), counters_(counters), watch_(watch), stop_(stop) {
  thread_ = std::thread([this] { run(); });
}

Reader::~Reader() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  alarm_.ring();
  thread_.join();
}

void Reader::push(std::shared_ptr<Read> read) {
  ++load_;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(read));
  }
  alarm_.ring();
}

void Reader::run() {
  pthread_setname_np(pthread_self(), "pg-read");
  for (;;) {
    alarm_.hush();
    bool stopping = false;
    {
      std::lock_guard lock(mutex_);
      std::ranges::move(queue_, std::back_inserter(waiting_));
      queue_.clear();
      stopping = stopping_;
    }
    const bool idle = waiting_.empty() && in_flight_.empty();
    if (stopping && (idle || Limit{.stop = &stop_}.passed())) break;
    if (!waiting_.empty() && !connection_ && !connect()) continue;
    take();
    if (!connection_) {
      alarm_.wait();
      continue;
    }
    if (auto done = exchange(); !done) drop(done.error(), false);
    else if (head_is_late()) drop(too_late(), false);
  }
  drop(unreachable("the database is being closed"), true);
}

bool Reader::connect() {
  if (auto why = backoff_.refuses()) {
    drop(*why, true);
    return false;
  }
  auto opened = Connection::open(
      {.url = options_.url,
       .application_name = options_.application_name,
       .longest_statement = options_.longest,
       .read_only = true},
      {.deadline = std::chrono::steady_clock::now() + options_.connect_timeout, .stop = &stop_});
  backoff_.note(opened);
  if (!opened) {
    drop(opened.error(), true);
    return false;
  }
  ++counters_.reconnects;
  ++counters_.open;
  connection_ = std::move(*opened);
  return true;
}

void Reader::take() {
  while (connection_ && !waiting_.empty() && in_flight_.size() < kMaxInFlight) {
    auto read = std::move(waiting_.front());
    waiting_.pop_front();
    if (read->answered()) {
      --load_;
      --counters_.waiting;
      continue;
    }
    connection_->send(read->sql(), read->params());
    connection_->sync();
    in_flight_.push_back(std::move(read));
  }
}

// Sends, and answers what has come.
Reply<> Reader::exchange() {
  auto left = connection_->flush();
  if (!left) return std::unexpected(left.error());
  bool any = false;
  for (;;) {
    auto answer = connection_->receive();
    if (!answer) return std::unexpected(answer.error());
    if (!*answer) break;
    any = true;
    const auto read = std::move(in_flight_.front());
    in_flight_.pop_front();
    const auto& failure = (*answer)->failure;
    if (failure && failure->unprepared() && read->may_try_again()) waiting_.push_back(read);
    else if (failure) finish(read, std::unexpected(failure->error));
    else finish(read, rows_of(*(*answer)->results.at(0)));
  }
  if (any) return {};  // there may be room for more
  connection_->wait(*left, in_flight_.empty() ? Deadline::max() : in_flight_.front()->deadline(),
                    &alarm_);
  return {};
}

void Reader::finish(const std::shared_ptr<Read>& read, Result<sql::Rows> rows) {
  watch_.remove(*read);
  --load_;
  --counters_.waiting;
  read->answer(std::move(rows));
}

// What has waited longest was given up by its caller: the server hangs, or is busy with it, and all
// behind it would wait.
bool Reader::head_is_late() const {
  return !in_flight_.empty() && std::chrono::steady_clock::now() >= in_flight_.front()->deadline();
}

// Without its connection a read that is in flight is tried again; `all`: nothing is. One whose
// neighbour was too slow has not used up a try.
void Reader::drop(const Failure& why, bool all) {
  if (connection_) --counters_.open;
  connection_.reset();
  const bool neighbour = why.error.code == Errc::deadline_exceeded;
  const auto now = std::chrono::steady_clock::now();
  std::deque<std::shared_ptr<Read>> again;
  for (auto& read : std::exchange(in_flight_, {})) {
    if (read->answered() || now >= read->deadline())
      finish(read, std::unexpected(too_late().error));
    else if (!all && (neighbour || read->may_try_again())) again.push_back(std::move(read));
    else finish(read, std::unexpected(why.error));
  }
  if (all)
    for (auto& read : std::exchange(waiting_, {})) finish(read, std::unexpected(why.error));
  waiting_.insert(waiting_.begin(), again.begin(), again.end());
}

}  // namespace sv::postgres
