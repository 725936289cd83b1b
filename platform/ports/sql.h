#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "platform/core/ctx.h"
#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::sql {

struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

// A parameter or a cell. Lists are for `= any($n)` only.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob,
                           std::vector<std::int64_t>, std::vector<std::string>>;

// Params{1, "text", id, nullptr, std::optional<…>}: integers, bool, enums, strong ids, strings,
// Blob, lists of i64 or text.
class Params {
 public:
  Params() = default;
  template <class... A>
    requires(!(sizeof...(A) == 1 && (std::is_same_v<std::decay_t<A>, Params> && ...)))
  Params(A&&... a) {  // NOLINT: implicit so that call sites read {a, b}
    values_.reserve(sizeof...(A));
    (values_.push_back(to_value(std::forward<A>(a))), ...);
  }
  const std::vector<Value>& values() const { return values_; }
  void add(Value value) { values_.push_back(std::move(value)); }

  template <class T>
  static Value to_value(T&& v) {
    using D = std::decay_t<T>;
    if constexpr (std::is_same_v<D, Value>) return std::forward<T>(v);
    else if constexpr (std::is_same_v<D, std::nullptr_t>) return std::monostate{};
    else if constexpr (std::is_integral_v<D> || std::is_enum_v<D>)
      return static_cast<std::int64_t>(v);
    else if constexpr (std::is_floating_point_v<D>) return static_cast<double>(v);
    else if constexpr (requires {
                         v.has_value();
                         *v;
                       })
      return v.has_value() ? to_value(*std::forward<T>(v)) : Value{std::monostate{}};
    else if constexpr (requires {
                         { v.value } -> std::convertible_to<std::int64_t>;
                       })
      return static_cast<std::int64_t>(v.value);
    else if constexpr (std::is_convertible_v<T, std::string_view> &&
                       !std::is_same_v<D, std::string>)
      return std::string(std::string_view(v));
    else return Value(std::forward<T>(v));
  }

 private:
  std::vector<Value> values_;
};

// A result set held in memory, row by row. Reading a cell as the wrong type throws
// std::bad_variant_access (a bug, not a condition).
class Rows {
 public:
  Rows() = default;
  Rows(std::size_t columns, std::vector<Value> cells)
      : columns_(columns), cells_(std::move(cells)) {}
  std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  bool empty() const { return size() == 0; }
  bool is_null(std::size_t row, std::size_t col) const { return at(row, col).index() == 0; }
  std::int64_t i64(std::size_t row, std::size_t col) const {
    return std::get<std::int64_t>(at(row, col));
  }
  std::int64_t i64_or(std::size_t row, std::size_t col, std::int64_t other) const {
    return is_null(row, col) ? other : i64(row, col);
  }
  double f64(std::size_t row, std::size_t col) const {
    const Value& v = at(row, col);
    return v.index() == 1 ? static_cast<double>(std::get<std::int64_t>(v)) : std::get<double>(v);
  }
  bool boolean(std::size_t row, std::size_t col) const { return i64(row, col) != 0; }
  const std::string& text(std::size_t row, std::size_t col) const {
    return std::get<std::string>(at(row, col));
  }
  const std::string& blob(std::size_t row, std::size_t col) const {
    return std::get<Blob>(at(row, col)).bytes;
  }
  const Value& at(std::size_t row, std::size_t col) const { return cells_[row * columns_ + col]; }

 private:
  std::size_t columns_ = 0;
  std::vector<Value> cells_;
};

// How a work is kept apart from those that run at the same time.
// serializable: as if it ran alone; on PostgreSQL it is run again when it was not.
// read_committed: each statement sees what was committed when it began. For hot works, which add in
// SQL, claim rows by INSERT … ON CONFLICT DO NOTHING, and lock() what they rely on.
// SQLite has one writer: every work is serializable.
enum class Isolation : unsigned char { serializable, read_committed };

enum class LockMode : unsigned char { shared, exclusive };

// An open write transaction. Used only inside the function handed to Database::write, on the thread
// that runs it. A failed statement makes the whole work fail: return its error. Only a row that
// execute_each tells about is no failure.
class Tx {
 public:
  virtual ~Tx() = default;
  virtual Result<Rows> query(std::string_view sql, const Params& params = {}) = 0;
  virtual Result<std::int64_t> execute(std::string_view sql,
                                       const Params& params = {}) = 0;  // rows changed
  // One round trip for all rows; the first that fails fails the work.
  virtual Result<std::int64_t> execute_many(std::string_view sql,
                                            const std::vector<Params>& rows) = 0;
  // What each row did: rows changed, or why not. A row that breaks a constraint or has a value that
  // its column cannot hold fails alone and leaves nothing; any other error fails the work. One
  // round trip when no row fails, else one or two a row.
  virtual Result<std::vector<Result<std::int64_t>>> execute_each(
      std::string_view sql, const std::vector<Params>& rows) = 0;
  // Held until the work ends. `shared` waits for `exclusive` ones of the same thing and these wait
  // for all. Works that take several take them in one order. Two things may share a lock by chance
  // (keys are hashes): that costs time, never safety. A serializable work sees what was committed
  // when its first statement *or lock* began, so a lock is not a way to see the newest state there.
  // PostgreSQL: a transaction-level advisory lock, sent with the next statement. SQLite: nothing.
  virtual Result<> lock(std::string_view kind, std::int64_t id, LockMode mode) = 0;
  // The database's clock at this call, in ms since 1970: what instances on several machines agree
  // on. Not the transaction's start, which may lie before a lock that the work has waited for.
  virtual Result<std::int64_t> now_ms() = 0;
  // Whether the numbers that tables give to rows ({id}) rise in the order in which works commit, so
  // that who has read up to one has missed none: there is one writer.
  virtual bool numbers_in_order() const = 0;
  // Runs after the COMMIT that makes this work durable and before its caller is answered; not at
  // all when it rolls back, and once when the work ran several times.
  // For dropping cache entries: a read that follows the answer must see the write. Must not block
  // or throw.
  virtual void on_commit(std::function<void()> then) = 0;
};

// One service's own tables. Thread-safe. SQL is portable between SQLite and PostgreSQL: `$n`, ON
// CONFLICT, RETURNING; a list is one parameter written `= any($1)`. Errors:
// - Errc::conflict "unique_violation";
// - Errc::storage_full: a full disk;
// - Errc::deadline_exceeded: ctx.deadline passed and nothing was written;
// - Errc::unavailable: "database_unreachable" (nothing was written), "storage_busy" (too many wait,
//   or conflicts did not end), "outcome_unknown" (the COMMIT was sent and its answer never came:
//   the write may be there or not; never retried here);
// - Errc::internal: anything else.
class Database {
 public:
  virtual ~Database() = default;

  // One read statement on the latest committed state. `sql` must outlive the await (named constants
  // do).
  virtual Task<Result<Rows>> query(const Ctx& ctx, std::string_view sql, Params params = {}) = 0;

  // Runs `work` (Result<T>(Tx&), a plain function, maybe run again: what it tells its caller it
  // returns, or sets anew each time) in one transaction and answers after the COMMIT. On SQLite
  // works of many callers share one COMMIT; one that returns an error is rolled back alone.
  // A work whose deadline has passed before its turn is not run. One that runs is waited for, for
  // it may use what its caller owns: SQLite then answers with what it did, PostgreSQL ends its
  // statements at the deadline.
  template <class F, class R = std::invoke_result_t<F, Tx&>>
  Task<R> write(const Ctx& ctx, F work, Isolation isolation = Isolation::serializable) {
    auto out = std::make_shared<std::optional<R>>();
    auto done = co_await run_write(
        ctx,
        [out, work = std::move(work)](Tx& tx) mutable -> Result<> {
          out->emplace(work(tx));
          if (!**out) return std::unexpected((*out)->error());
          return {};
        },
        isolation);
    if (!done) co_return std::unexpected(std::move(done.error()));
    co_return std::move(**out);
  }

  virtual Task<Result<>> run_write(const Ctx& ctx, std::function<Result<>(Tx&)> work,
                                   Isolation isolation = Isolation::serializable) = 0;

  // Works that run at the same time.
  virtual std::size_t writers() const = 0;

  // Statements run by query() since the start, for tests that count round trips.
  virtual std::uint64_t statements() const = 0;
};

// A numbered migration, text embedded in the binary: {"user/0001_accounts.sql", "CREATE TABLE …"}.
// `{id} {int} {bool} {text} {bytes} {clustered}` are expanded by the adapter. Applied in name order
// under a lock, each in one transaction, its checksum recorded. A line `-- tolerates: NAME` lets
// programs that know the migration of that name start beside it.
struct Migration {
  std::string_view name;
  std::string_view sql;
};

}  // namespace sv::sql
