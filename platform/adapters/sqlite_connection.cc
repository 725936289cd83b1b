#include "platform/adapters/sqlite_connection.h"

#include <cctype>
#include <cerrno>
#include <chrono>
#include <thread>

#include "platform/core/json_writer.h"

namespace sv::sqlite {
namespace {

constexpr std::size_t kMaxStatements = 512;

// Of several that open a new file at once only one can give it its journal: SQLite refuses the
// others without a wait of its own.
int run_pragmas(sqlite3* db, const char* pragmas, std::chrono::milliseconds busy) {
  const auto end = std::chrono::steady_clock::now() + busy;
  for (;;) {
    const int rc = sqlite3_exec(db, pragmas, nullptr, nullptr, nullptr);
    if ((rc & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() >= end) return rc;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The end of the quoted text or comment that starts at `i`, or `i` itself when none does.
std::size_t skip_opaque(std::string_view sql, std::size_t i) {
  char c = sql[i];
  if (c == '\'' || c == '"') {
    std::size_t end = sql.find(c, i + 1);
    return end == std::string_view::npos ? sql.size() : end + 1;
  }
  if (c == '-' && sql.substr(i, 2) == "--") return std::min(sql.find('\n', i), sql.size());
  return i;
}

// Matches `any ( $n )` after an equals sign; returns the end and sets `parameter`.
std::size_t match_any(std::string_view sql, std::size_t i, std::string_view& parameter) {
  auto spaces = [&] {
    while (i < sql.size() && std::isspace(static_cast<unsigned char>(sql[i]))) ++i;
  };
  spaces();
  for (char want : std::string_view("any"))
    if (i >= sql.size() || std::tolower(static_cast<unsigned char>(sql[i++])) != want) return 0;
  spaces();
  if (i >= sql.size() || sql[i++] != '(') return 0;
  spaces();
  std::size_t start = i;
  if (i >= sql.size() || sql[i++] != '$') return 0;
  while (i < sql.size() && word_char(sql[i])) ++i;
  parameter = sql.substr(start, i - start);
  spaces();
  if (i >= sql.size() || sql[i++] != ')') return 0;
  return i;
}

std::string json_list(const std::vector<std::int64_t>& list) {
  return fmt::format("[{}]", fmt::join(list, ","));
}

std::string json_list(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const auto& item : list) {
    if (out.size() > 1) out += ',';
    json::append_string(out, item);
  }
  return out += ']';
}

sql::Value cell(sqlite3_stmt* s, int column) {
  auto bytes = [&](const void* data) {
    return data ? std::string(static_cast<const char*>(data),
                              static_cast<std::size_t>(sqlite3_column_bytes(s, column)))
                : std::string();
  };
  switch (sqlite3_column_type(s, column)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(s, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(s, column);
    case SQLITE_TEXT:
      return bytes(sqlite3_column_text(s, column));
    case SQLITE_BLOB:
      return sql::Blob{bytes(sqlite3_column_blob(s, column))};
    default:
      return std::monostate{};
  }
}

struct Reset {
  sqlite3_stmt* statement;
  ~Reset() {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
  }
};

Errc code_of(int rc, int os_error) {
  if (os_error == ENOSPC || os_error == EDQUOT) return Errc::storage_full;
  switch (rc & 0xff) {
    case SQLITE_FULL:
      return Errc::storage_full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::unavailable;
    default:
      return Errc::internal;
  }
}

}  // namespace

std::string rewrite_any(std::string_view sql) {
  std::string out;
  out.reserve(sql.size() + 32);
  for (std::size_t i = 0; i < sql.size();) {
    if (std::size_t end = skip_opaque(sql, i); end != i) {
      out += sql.substr(i, end - i);
      i = end;
      continue;
    }
    std::string_view parameter;
    if (std::size_t end = sql[i] == '=' ? match_any(sql, i + 1, parameter) : 0) {
      out += fmt::format(" IN (SELECT value FROM json_each({}))", parameter);
      i = end;
    } else {
      out += sql[i++];
    }
  }
  return out;
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, int flags,
                                                     int busy_timeout_ms, const char* pragmas) {
  sqlite3* raw = nullptr;
  int rc = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                           nullptr);
  std::unique_ptr<Connection> c(new Connection(raw));
  if (rc == SQLITE_OK) {
    sqlite3_busy_timeout(raw, busy_timeout_ms);
    rc = run_pragmas(raw, pragmas, std::chrono::milliseconds(busy_timeout_ms));
  }
  if (rc != SQLITE_OK) {
    Errc code = code_of(rc, rc == SQLITE_OK ? 0 : sqlite3_system_errno(raw));
    return fail(code, {},
                fmt::format("cannot open the database {}: {}", path,
                            raw ? sqlite3_errmsg(raw) : "out of memory"));
  }
  return c;
}

std::unexpected<Error> Connection::failure(int rc, std::string_view sql) const {
  std::string detail = fmt::format("{} [{}]", sqlite3_errmsg(db_.get()), sql);
  if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
      rc == SQLITE_CONSTRAINT_ROWID)
    return fail(Errc::conflict, "unique_violation", std::move(detail));
  // The errno is the last one of this connection: it says something only when this failure came
  // from the system.
  int os_error = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN
                     ? sqlite3_system_errno(db_.get())
                     : 0;
  return fail(code_of(rc, os_error), {}, std::move(detail));
}

Result<Connection::Statement*> Connection::prepare(std::string_view sql) {
  if (auto found = statements_.find(sql); found != statements_.end()) return &found->second;
  if (statements_.size() >= kMaxStatements) statements_.clear();
  std::string text = rewrite_any(sql);
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  int rc = sqlite3_prepare_v3(db_.get(), text.c_str(), static_cast<int>(text.size()) + 1,
                              SQLITE_PREPARE_PERSISTENT, &raw, &tail);
  Statement statement{.handle{raw}, .slots = {}};
  if (rc != SQLITE_OK) return failure(rc, sql);
  if (!raw) return fail(Errc::internal, {}, fmt::format("empty statement [{}]", sql));
  if (std::string_view(tail).find_first_not_of(" \t\r\n;") != std::string_view::npos)
    return fail(Errc::internal, {}, fmt::format("more than one statement [{}]", sql));
  // SQLite numbers `$2` by first appearance; the name is what we mean.
  for (int i = 1; i <= sqlite3_bind_parameter_count(raw); ++i) {
    const char* name = sqlite3_bind_parameter_name(raw, i);
    int n = name && name[0] == '$' ? std::atoi(name + 1) : 0;
    if (n < 1 || n > 999)
      return fail(Errc::internal, {}, fmt::format("parameters are written $1 … $999 [{}]", sql));
    if (statement.slots.size() < static_cast<std::size_t>(n))
      statement.slots.resize(static_cast<std::size_t>(n));
    statement.slots[static_cast<std::size_t>(n) - 1] = i;
  }
  return &statements_.emplace(sql, std::move(statement)).first->second;
}

Result<> Connection::bind(Statement& statement, const std::vector<sql::Value>& values,
                          std::vector<std::string>& lists) {
  sqlite3_stmt* s = statement.handle.get();
  lists.reserve(values.size());
  for (std::size_t n = 0; n < statement.slots.size(); ++n) {
    int i = statement.slots[n];
    if (i == 0) continue;
    // Bytes stay where they are: the statement is reset before `values` and `lists` die.
    auto text = [&](const std::string& v) {
      return sqlite3_bind_text64(s, i, v.data(), v.size(), SQLITE_STATIC, SQLITE_UTF8);
    };
    int rc = std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::monostate>) return sqlite3_bind_null(s, i);
          else if constexpr (std::is_same_v<T, std::int64_t>) return sqlite3_bind_int64(s, i, v);
          else if constexpr (std::is_same_v<T, double>) return sqlite3_bind_double(s, i, v);
          else if constexpr (std::is_same_v<T, std::string>) return text(v);
          else if constexpr (std::is_same_v<T, sql::Blob>)
            return sqlite3_bind_blob64(s, i, v.bytes.data() ? v.bytes.data() : "", v.bytes.size(),
                                       SQLITE_STATIC);
          else return text(lists.emplace_back(json_list(v)));
        },
        values[n]);
    if (rc != SQLITE_OK) return failure(rc, sqlite3_sql(s));
  }
  return {};
}

Result<sql::Rows> Connection::query(std::string_view sql, const sql::Params& params,
                                    std::int64_t* changed) {
  SV_TRY(Statement * statement, prepare(sql));
  const auto& values = params.values();
  if (values.size() != statement->slots.size())
    return fail(Errc::internal, {},
                fmt::format("{} parameters given, {} wanted [{}]", values.size(),
                            statement->slots.size(), sql));
  sqlite3_stmt* s = statement->handle.get();
  std::vector<std::string> lists;
  Reset reset{s};
  SV_CHECK(bind(*statement, values, lists));
  const int columns = sqlite3_column_count(s);
  const std::int64_t before = sqlite3_total_changes64(db_.get());
  std::vector<sql::Value> cells;
  int rc;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW)
    for (int c = 0; c < columns; ++c) cells.push_back(cell(s, c));
  if (rc != SQLITE_DONE) return failure(rc, sql);
  if (changed)
    *changed = sqlite3_total_changes64(db_.get()) == before ? 0 : sqlite3_changes64(db_.get());
  return sql::Rows(static_cast<std::size_t>(columns), std::move(cells));
}

Result<> Connection::exec(std::string_view sql) {
  SV_CHECK(query(sql, {}));
  return {};
}

}  // namespace sv::sqlite
