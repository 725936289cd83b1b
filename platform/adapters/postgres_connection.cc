#include "platform/adapters/postgres_connection.h"

#include <algorithm>
#include <charconv>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

namespace sv::postgres {
namespace {

constexpr std::size_t kMaxStatements = 256;
constexpr int kLongestWait = 200;  // ms

int milliseconds_until(Deadline deadline) {
  if (deadline == Deadline::max()) return kLongestWait;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kLongestWait));
}

// The n of the highest $n, outside quotes and comments.
int highest_parameter(std::string_view sql) {
  int highest = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\'' || sql[i] == '"') i = std::min(sql.find(sql[i], i + 1), sql.size());
    else if (sql.substr(i, 2) == "--") i = std::min(sql.find('\n', i), sql.size());
    else if (sql[i] == '$') {
      int n = 0;
      std::from_chars(sql.data() + i + 1, sql.data() + sql.size(), n);
      highest = std::max(highest, n);
    }
  }
  return highest;
}

// True when the socket is ready.
bool wait_for(int socket, bool to_read, bool to_write, Deadline deadline, const Alarm* alarm) {
  pollfd fds[2] = {
      {socket, static_cast<short>((to_read ? POLLIN : 0) | (to_write ? POLLOUT : 0)), 0},
      {alarm ? alarm->fd() : -1, POLLIN, 0}};
  return ::poll(fds, 2, alarm && deadline == Deadline::max() ? -1 : milliseconds_until(deadline)) >
             0 &&
         fds[0].revents != 0;
}

}  // namespace

Alarm::Alarm() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
void Alarm::ring() {
  const std::uint64_t one = 1;
  (void)!::write(fd_.get(), &one, sizeof one);
}
void Alarm::hush() {
  std::uint64_t rings = 0;
  (void)!::read(fd_.get(), &rings, sizeof rings);
}

void Alarm::wait() const {
  pollfd fd{fd_.get(), POLLIN, 0};
  (void)::poll(&fd, 1, -1);
}

std::optional<Failure> Backoff::refuses() const {
  return last_ && std::chrono::steady_clock::now() < next_ ? last_ : std::nullopt;
}
void Backoff::note(const Reply<std::unique_ptr<Connection>>& opened) {
  using namespace std::chrono_literals;
  last_ = opened ? std::nullopt : std::optional(opened.error());
  pause_ = opened ? 0ms : std::clamp(2 * pause_, 100ms, 1000ms);
  next_ = std::chrono::steady_clock::now() + pause_;
}

bool Limit::passed() const {
  const auto now = std::chrono::steady_clock::now();
  return now >= deadline || (stop && now >= stop->load());
}

Failure Limit::failure() const {
  if (std::chrono::steady_clock::now() >= deadline) return too_late();
  return unreachable("the database is being closed");
}

Reply<std::unique_ptr<Connection>> Connection::open(const Settings& settings, Limit limit) {
  // What comes later wins over the URL; a fallback is what the URL may override.
  const char* const keys[] = {"dbname", "client_encoding", "fallback_application_name", nullptr};
  const char* const values[] = {settings.url.c_str(), "UTF8", settings.application_name.c_str(),
                                nullptr};
  std::unique_ptr<Connection> c(new Connection(PQconnectStartParams(keys, values, 1)));
  PGconn* pg = c->pg_.get();
  if (!pg) return std::unexpected(unreachable("out of memory"));
  PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);  // shows the SQLSTATE
  // libpq would write them to stderr, into the log.
  PQsetNoticeProcessor(pg, [](void*, const char*) {}, nullptr);
  auto state = PQstatus(pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED)
      return std::unexpected(connect_failure(settings.url, PQerrorMessage(pg)));
    if (limit.passed())
      return std::unexpected(connect_failure(settings.url, "it did not answer in time"));
    if (wait_for(PQsocket(pg), state == PGRES_POLLING_READING, state == PGRES_POLLING_WRITING,
                 limit.deadline, nullptr))
      state = PQconnectPoll(pg);
  }
  if (auto begun = c->begin_session(settings, limit); !begun) return std::unexpected(begun.error());
  return c;
}

Reply<> Connection::begin_session(const Settings& settings, Limit limit) {
  PGconn* pg = pg_.get();
  const char* encoding = PQparameterStatus(pg, "server_encoding");
  if (encoding && std::string_view(encoding) != "UTF8") {
    Failure wrong = unreachable(fmt::format("the database is encoded in {}, not in UTF8 ({})",
                                            encoding, place_of(settings.url)));
    wrong.error.code = Errc::internal;
    return std::unexpected(std::move(wrong));
  }
  PQsetnonblocking(pg, 1);
  PQenterPipelineMode(pg);
  send_plain("SET TimeZone = 'UTC'");
  send_plain("SET extra_float_digits = 3");
  send_plain("SET idle_in_transaction_session_timeout = '60s'");
  if (settings.longest_statement.count() > 0)
    send_plain(fmt::format("SET statement_timeout = {}", settings.longest_statement.count()));
  if (settings.read_only) send_plain("SET default_transaction_read_only = on");
  // A statement whose client is gone ends soon.
  if (PQserverVersion(pg) >= 140000) send_plain("SET client_connection_check_interval = '1s'");
  if (auto set = exchange(limit); !set) return std::unexpected(set.error());
  return {};
}

void Connection::send_plain(std::string_view sql) {
  if (!std::exchange(open_, true)) in_flight_.emplace_back();
  std::string text(sql);
  refused_ |= !PQsendQueryParams(pg_.get(), text.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0);
  in_flight_.back().push_back({.sql = std::move(text), .wanted = false, .statement = {}});
}

void Connection::send(std::string_view sql, const sql::Params& params) {
  if (!std::exchange(open_, true)) in_flight_.emplace_back();
  const Encoded encoded(params);
  std::string key = prepare(sql, encoded);
  const std::string& name = statements_.at(key).name;
  refused_ |= !PQsendQueryPrepared(pg_.get(), name.c_str(), encoded.size(), encoded.values(),
                                   encoded.lengths(), encoded.formats(), 0);
  in_flight_.back().push_back(
      {.sql = std::string(sql), .wanted = true, .statement = std::move(key)});
}

void Connection::sync() {
  if (!open_) in_flight_.emplace_back();
  open_ = false;
  refused_ |= !PQpipelineSync(pg_.get());
}

std::string Connection::prepare(std::string_view sql, const Encoded& params) {
  std::string key = params.signature() + std::string(sql);
  if (auto known = statements_.find(key); known != statements_.end()) {
    by_age_.splice(by_age_.begin(), by_age_, known->second.age);
    return key;
  }
  if (statements_.size() >= kMaxStatements) forget_oldest();
  const std::string name = fmt::format("s{}", names_++);
  const std::string text(sql);
  // Types of parameters that the text lacks would be taken in silence; so the server refuses them.
  const int types = std::min(params.size(), highest_parameter(sql));
  refused_ |= !PQsendPrepare(pg_.get(), name.c_str(), text.c_str(), types, params.types());
  in_flight_.back().push_back({.sql = text, .wanted = false, .statement = key});
  by_age_.push_front(key);
  statements_.emplace(key, Statement{name, by_age_.begin()});
  return key;
}

void Connection::forget_oldest() {
  const std::string key = by_age_.back();
  send_plain("DEALLOCATE " + statements_.at(key).name);
  forget(key);
}

void Connection::forget(const std::string& key) {
  const auto known = statements_.find(key);
  if (known == statements_.end()) return;
  by_age_.erase(known->second.age);
  statements_.erase(known);
}

Failure Connection::lost() const {
  return unreachable(
      fmt::format("the connection to the database was lost: {}", PQerrorMessage(pg_.get())));
}

Reply<bool> Connection::flush() {
  if (refused_) return std::unexpected(lost());
  const int left = PQflush(pg_.get());
  if (left < 0) return std::unexpected(lost());
  return left == 1;
}

void Connection::wait(bool to_write, Deadline deadline, const Alarm* alarm) const {
  (void)wait_for(PQsocket(pg_.get()), true, to_write, deadline, alarm);
}

// A batch's results come one a command; after a failed one the rest are PGRES_PIPELINE_ABORTED.
void Connection::note(ResultPtr result) {
  auto& batch = in_flight_.front();
  if (answered_ >= batch.size()) return;
  const Command& command = batch[answered_++];
  const auto status = PQresultStatus(result.get());
  const bool done = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
  if (!done && !answer_.failure) answer_.failure = failure_of(*result, command.sql);
  // What should have been prepared here was not.
  if (!done && (!command.wanted || answer_.failure->unprepared())) forget(command.statement);
  if (done && command.wanted) answer_.results.push_back(std::move(result));
}

Reply<std::optional<Connection::Answer>> Connection::receive() {
  PGconn* pg = pg_.get();
  if (refused_ || !PQconsumeInput(pg)) return std::unexpected(lost());
  const std::size_t synced = in_flight_.size() - (open_ ? 1 : 0);
  while (synced > 0 && !PQisBusy(pg)) {
    ResultPtr result(PQgetResult(pg));
    if (!result) {  // the end of one command's results
      if (PQstatus(pg) == CONNECTION_BAD) return std::unexpected(lost());
      continue;
    }
    if (PQresultStatus(result.get()) != PGRES_PIPELINE_SYNC) {
      note(std::move(result));
      if (answer_.failure && answer_.failure->lost) return std::unexpected(*answer_.failure);
      continue;
    }
    in_flight_.pop_front();
    answered_ = 0;
    return std::exchange(answer_, {});
  }
  return std::nullopt;
}

Reply<std::vector<ResultPtr>> Connection::exchange(Limit limit) {
  sync();
  for (;;) {
    auto left = flush();
    if (!left) return std::unexpected(left.error());
    auto answer = receive();
    if (!answer) return std::unexpected(answer.error());
    if (*answer) {
      if ((*answer)->failure) return std::unexpected(*(*answer)->failure);
      return std::move((*answer)->results);
    }
    if (limit.passed()) return std::unexpected(limit.failure());
    wait(*left, limit.deadline, nullptr);
  }
}

}  // namespace sv::postgres
