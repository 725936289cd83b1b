#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sqlite3.h>

#include "platform/core/error.h"
#include "platform/ports/sql.h"

namespace sv::sqlite {

// One connection with its prepared statements. Used by one thread at a time.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, int flags,
                                                  int busy_timeout_ms, const char* pragmas);

  // Runs one statement to its end. `changed`, when given, receives the rows it changed.
  Result<sql::Rows> query(std::string_view sql, const sql::Params& params,
                          std::int64_t* changed = nullptr);
  // BEGIN, COMMIT and the like: cached, without parameters.
  Result<> exec(std::string_view sql);
  // A COMMIT or a full disk may have ended the transaction by itself.
  bool in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
  // The last failure was of what the statement was given: a broken constraint, a value of a wrong
  // kind or size.
  bool failed_for_its_values() const {
    const int rc = sqlite3_errcode(db_.get()) & 0xff;
    return rc == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH || rc == SQLITE_TOOBIG;
  }
  sqlite3* handle() const { return db_.get(); }

 private:
  struct CloseDb {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  struct Statement {
    std::unique_ptr<sqlite3_stmt, Finalize> handle;
    std::vector<int> slots;  // slots[n-1]: SQLite's index of $n, 0 when the text does not use it
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  explicit Connection(sqlite3* db) : db_(db) {}
  Result<Statement*> prepare(std::string_view sql);
  Result<> bind(Statement& statement, const std::vector<sql::Value>& values,
                std::vector<std::string>& lists);
  std::unexpected<Error> failure(int rc, std::string_view sql) const;

  std::unique_ptr<sqlite3, CloseDb> db_;
  std::unordered_map<std::string, Statement, TextHash, std::equal_to<>> statements_;
};

// `= any($1)` becomes `IN (SELECT value FROM json_each($1))`, outside quotes and comments.
std::string rewrite_any(std::string_view sql);

}  // namespace sv::sqlite
