#include "platform/adapters/id_source.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>

#include <pthread.h>

#include "platform/core/block_on.h"
#include "platform/core/exception.h"
#include "platform/crypto/random.h"

namespace sv {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kNodes = R"sql(
CREATE TABLE id_nodes (node {int} PRIMARY KEY, holder {text} NOT NULL, leased_until_ms {int} NOT NULL, used_until {int} NOT NULL);
)sql";
constexpr std::array kNodeMigrations{sql::Migration{"id/0001_nodes.sql", kNodes}};

constexpr std::string_view kNodeOf =
    "SELECT used_until FROM id_nodes WHERE node = $1 AND holder = $2";
constexpr std::string_view kAllNodes =
    "SELECT node, leased_until_ms, used_until FROM id_nodes ORDER BY node";
constexpr std::string_view kLease = R"(
    INSERT INTO id_nodes (node, holder, leased_until_ms, used_until)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (node) DO UPDATE SET
      holder = excluded.holder,
      leased_until_ms = excluded.leased_until_ms,
      used_until = excluded.used_until)";
// The next start need not run ahead of the clock.
constexpr std::string_view kGiveBack =
    "UPDATE id_nodes SET leased_until_ms = 0, used_until = $3 WHERE node = $1 AND holder = $2";

constexpr std::int64_t kEpochMs = 1'735'689'600'000;  // 2025-01-01T00:00:00Z
constexpr std::int64_t kTickMs = 10;
constexpr std::int64_t kSequences = 1 << 10;
constexpr std::int64_t kNodeCount = 1 << 7;
constexpr std::int64_t kReserve = 2000;  // ticks made durable at a time: 20 s
constexpr std::int64_t kLeaseMs = 60'000;
constexpr std::chrono::seconds kLook{5};
constexpr std::chrono::seconds kPatience{1};
constexpr std::chrono::seconds kAnswer{10};  // of the database

struct Reserved {
  std::int64_t node, from, until;  // ticks
  std::int64_t now_ms;             // the database's
};

class LeasedIds final : public IdSource {
 public:
  LeasedIds(sql::Database& db, const Clock& clock, SupervisedLoop& loop)
      : db_(db), clock_(clock), loop_(loop), holder_(random_token()) {}

  ~LeasedIds() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wanted_.notify_all();
    if (!thread_.joinable()) return;
    thread_.join();
    if (failure_) return;
    (void)block_on(db_.write(
        soon(), [this](sql::Tx& tx) { return tx.execute(kGiveBack, {node_, holder_, tick_}); }));
  }

  Result<> start() {
    SV_CHECK(extend());
    thread_ = std::thread([this] { keep_ahead(); });
    return {};
  }

  std::int64_t next() override {
    std::unique_lock lock(mutex_);
    if (const std::int64_t at = now(); at > tick_ && at < reserved_) {
      tick_ = at;
      sequence_ = 0;
    } else if (sequence_ == kSequences) {
      // The tick is used up, or the clock stands before what was handed out: time runs ahead of the
      // clock.
      if (tick_ + 1 >= reserved_) wait_for_more(lock);
      ++tick_;
      sequence_ = 0;
    }
    // A clock that is beyond what is durable waits for the database; ids do not, while some are
    // left.
    if (!failure_ && std::max(tick_, now()) + kReserve / 2 >= reserved_) wanted_.notify_one();
    return tick_ << 17 | node_ << 10 | sequence_++;
  }

 private:
  std::int64_t now() const { return (clock_.now_ms() + ahead_ms_ - kEpochMs) / kTickMs; }
  Ctx soon() const {
    Ctx ctx;
    ctx.deadline = std::chrono::steady_clock::now() + kAnswer;
    return ctx;
  }

  // A million ids came while the database did not take one row.
  void wait_for_more(std::unique_lock<std::mutex>& lock) {
    wanted_.notify_one();
    extended_.wait_for(lock, failure_ ? 0s : kPatience,
                       [this] { return failure_ || tick_ + 1 < reserved_; });
    if (tick_ + 1 < reserved_) return;
    throw ErrorException(
        failure_.value_or(Error{Errc::unavailable, "storage_busy", {}, "cannot reserve ids"}));
  }

  void keep_ahead() {
    pthread_setname_np(pthread_self(), "ids");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (std::max(tick_, now()) + kReserve / 2 < reserved_) {
        wanted_.wait_for(lock, kLook);
        continue;
      }
      lock.unlock();
      std::optional<std::chrono::milliseconds> pause;
      if (auto done = extend()) loop_.succeeded();
      else pause = loop_.failed(done.error());
      lock.lock();
      extended_.notify_all();
      if (pause) wanted_.wait_for(lock, *pause, [this] { return stopping_; });
    }
  }

  // Without the lock while the database works: only one thread calls it.
  Result<> extend() {
    Result<Reserved> done = fail(Errc::internal);
    std::unique_lock lock(mutex_);
    const std::int64_t node = node_, used = tick_;
    lock.unlock();
    try {
      done = block_on(
          db_.write(soon(), [this, node, used](sql::Tx& tx) { return reserve(tx, node, used); }));
    } catch (const std::exception& e) { done = std::unexpected(error_of(e)); }
    lock.lock();
    if (!done) {
      failure_ = done.error();
      failure_->detail = fmt::format("cannot reserve ids: {}", failure_->detail);
      return std::unexpected(*failure_);
    }
    failure_.reset();
    ahead_ms_ = done->now_ms - clock_.now_ms();
    if (done->node != node_) {  // at first, or when another one has it by now
      node_ = done->node;
      tick_ = done->from;
      sequence_ = kSequences;  // never continue within another's tick
    }
    reserved_ = done->until;
    return {};
  }

  // More time for the node that is ours; else for the first one that nobody holds.
  Result<Reserved> reserve(sql::Tx& tx, std::int64_t node, std::int64_t used) const {
    SV_TRY(const std::int64_t now_ms, tx.now_ms());
    Reserved out{.node = node, .from = used, .until = 0, .now_ms = now_ms};
    SV_TRY(const sql::Rows own, tx.query(kNodeOf, {node, holder_}));
    if (own.empty()) { SV_TRY(std::tie(out.node, out.from), free_node(tx, now_ms)); }
    out.until = std::max(out.from, (now_ms - kEpochMs) / kTickMs) + kReserve;
    SV_CHECK(tx.execute(kLease, {out.node, holder_, now_ms + kLeaseMs, out.until}));
    return out;
  }

  // It, and the time up to which its ids are taken.
  static Result<std::pair<std::int64_t, std::int64_t>> free_node(sql::Tx& tx, std::int64_t now_ms) {
    SV_TRY(const sql::Rows rows, tx.query(kAllNodes));
    std::int64_t next = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows.i64(i, 0) != next) break;
      if (rows.i64(i, 1) < now_ms) return std::pair(next, rows.i64(i, 2));
      ++next;
    }
    if (next < kNodeCount) return std::pair(next, std::int64_t{0});
    return fail(Errc::unavailable, "id_nodes_taken",
                fmt::format("all {} nodes for ids are leased: as many processes run on this "
                            "database, or were killed in the last minute",
                            kNodeCount));
  }

  sql::Database& db_;
  const Clock& clock_;
  SupervisedLoop& loop_;
  const std::string holder_;
  std::mutex mutex_;
  std::condition_variable wanted_, extended_;
  std::int64_t node_ = -1;
  std::int64_t ahead_ms_ = 0;  // of our clock is the database's
  std::int64_t tick_ = 0;
  std::int64_t sequence_ = kSequences;
  std::int64_t reserved_ = 0;
  std::optional<Error> failure_;  // of the last try
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

std::span<const sql::Migration> id_migrations() { return kNodeMigrations; }

Result<std::unique_ptr<IdSource>> make_id_source(sql::Database& db, const Clock& clock,
                                                 Supervisor& supervisor, const std::string& name) {
  auto source = std::make_unique<LeasedIds>(db, clock, supervisor.loop(name));
  SV_CHECK(source->start());
  return source;
}

}  // namespace sv
