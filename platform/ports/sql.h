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

// An open write transaction. Used only inside the function handed to Database::write, on the thread
// that runs it.
// A failed statement makes the whole work fail: return its error.
class Tx {
 public:
  virtual ~Tx() = default;
  virtual Result<Rows> query(std::string_view sql, const Params& params = {}) = 0;
  virtual Result<std::int64_t> execute(std::string_view sql,
                                       const Params& params = {}) = 0;  // rows changed
  virtual Result<std::int64_t> execute_many(std::string_view sql,
                                            const std::vector<Params>& rows) = 0;
  // Runs after the COMMIT that makes this work durable and before its caller is answered; not at
  // all when it rolls back.
  // For dropping cache entries: a read that follows the answer must see the write. Must not block
  // or throw.
  virtual void on_commit(std::function<void()> then) = 0;
};

// One service's own tables. Thread-safe. SQL is portable between SQLite and PostgreSQL: `$n`, ON
// CONFLICT, RETURNING;
// a list is one parameter written `= any($1)`. Unique violations are Errc::conflict with the token
// "unique_violation";
// a full disk is Errc::storage_full; a lost server is Errc::unavailable; anything else is
// Errc::internal.
class Database {
 public:
  virtual ~Database() = default;

  // One read statement on the latest committed state. `sql` must outlive the await (named constants
  // do).
  virtual Task<Result<Rows>> query(std::string_view sql, Params params = {}) = 0;

  // Runs `work` (Result<T>(Tx&), a plain function, maybe run again) in one transaction and answers
  // after the COMMIT.
  // Work of many callers shares one COMMIT; one that returns an error is rolled back alone.
  template <class F, class R = std::invoke_result_t<F, Tx&>>
  Task<R> write(const Ctx&, F work) {
    auto out = std::make_shared<std::optional<R>>();
    auto done = co_await run_write([out, work = std::move(work)](Tx& tx) mutable -> Result<> {
      out->emplace(work(tx));
      if (!**out) return std::unexpected((*out)->error());
      return {};
    });
    if (!done) co_return std::unexpected(std::move(done.error()));
    co_return std::move(**out);
  }

  virtual Task<Result<>> run_write(std::function<Result<>(Tx&)> work) = 0;

  // Statements run by query() since the start, for tests that count round trips.
  virtual std::uint64_t statements() const = 0;
};

// A numbered migration, text embedded in the binary: {"user/0001_accounts.sql", "CREATE TABLE …"}.
// `{id} {int} {bool} {text} {bytes}` are expanded by the adapter. Applied in name order under a
// lock, each in one transaction, its checksum recorded.
struct Migration {
  std::string_view name;
  std::string_view sql;
};

}  // namespace sv::sql
