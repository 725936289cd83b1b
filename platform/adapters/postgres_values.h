#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include "platform/core/error.h"
#include "platform/ports/sql.h"

// What crosses the border to libpq: parameters, results, errors.
namespace sv::postgres {

struct ClearResult {
  void operator()(PGresult* r) const { PQclear(r); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

// Parameters as libpq wants them. The type of each is said by its kind, so the server guesses only
// those that are NULL.
class Encoded {
 public:
  explicit Encoded(const sql::Params& params);
  int size() const { return static_cast<int>(values_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }
  std::string signature() const;  // differs for statements that must be prepared apart

 private:
  std::vector<std::string> texts_;
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_, formats_;
};

// Integers of every width, booleans and whole numerics (a sum) become i64; other numerics and
// floats double; bytea Blob; all else text.
sql::Rows rows_of(const PGresult& result);
std::int64_t changed_by(PGresult& result);

struct Failure {
  Error error;
  std::string state;  // SQLSTATE, empty when the server said nothing
  bool lost = false;  // the connection is of no more use
  bool conflict() const { return state == "40001" || state == "40P01"; }
  // It was not prepared after all: another one's try to prepare it failed.
  bool unprepared() const { return state == "26000"; }
  // Of what the statement was given: a broken constraint (23), a value that does not fit (22).
  bool of_values() const { return !lost && (state.starts_with("23") || state.starts_with("22")); }
};

Failure failure_of(const PGresult& result, std::string_view sql);
Failure unreachable(std::string why);
Failure too_late();

// The text without the passwords that the URL holds, and the URL without its own.
std::string redact(std::string text, std::string_view url);
// "alice@db.example:5432/shortvideo", for messages.
std::string place_of(const std::string& url);
// One sentence that begins with what is wrong. `message` is libpq's, verbose.
Failure connect_failure(const std::string& url, std::string message);

}  // namespace sv::postgres
