#include "platform/adapters/postgres_values.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <limits>

#include <fmt/format.h>

namespace sv::postgres {
namespace {

// From catalog/pg_type.dat; they never change.
enum Type : Oid {
  kBool = 16,
  kBytea = 17,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kFloat4 = 700,
  kFloat8 = 701,
  kNumeric = 1700,
  kInt8Array = 1016,
  kTextArray = 1009,
};

std::string array_of(const std::vector<std::int64_t>& list) {
  return fmt::format("{{{}}}", fmt::join(list, ","));
}

std::string array_of(const std::vector<std::string>& list) {
  std::string out = "{";
  for (const std::string& text : list) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

double double_of(const char* text) { return std::strtod(text, nullptr); }

sql::Value number_of(const char* text, std::size_t size) {
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text, text + size, whole);
  if (error == std::errc() && end == text + size) return whole;
  return double_of(text);
}

sql::Blob bytes_of(const char* text, std::size_t size) {
  sql::Blob blob;
  if (size < 2 || text[0] != '\\' || text[1] != 'x') return blob;
  auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  blob.bytes.reserve(size / 2);
  for (std::size_t i = 2; i + 1 < size; i += 2)
    blob.bytes += static_cast<char>(nibble(text[i]) << 4 | nibble(text[i + 1]));
  return blob;
}

sql::Value cell(const PGresult& r, int row, int column) {
  if (PQgetisnull(&r, row, column)) return std::monostate{};
  const char* text = PQgetvalue(&r, row, column);
  const auto size = static_cast<std::size_t>(PQgetlength(&r, row, column));
  switch (PQftype(&r, column)) {
    case kBool:
      return std::int64_t{text[0] == 't'};
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
    case kNumeric:
      return number_of(text, size);
    case kFloat4:
    case kFloat8:
      return double_of(text);
    case kBytea:
      return bytes_of(text, size);
    default:
      return std::string(text, size);
  }
}

std::string field(const PGresult& r, int code) {
  const char* text = PQresultErrorField(&r, code);
  return text ? text : "";
}

// The connection is closed, or holds plans that are no longer right (0A000: a cached plan must not
// change result type). 08P01, a wrong number of parameters, is the caller's fault.
bool ends_connection(const std::string& state) {
  return state.starts_with("57P0") || (state.starts_with("08") && state != "08P01") ||
         state == "0A000";
}

Error error_of(const std::string& state, std::string detail) {
  auto made = [&](Errc code, std::string_view token = {}) {
    return std::move(fail(code, token, std::move(detail)).error());
  };
  if (state == "23505") return made(Errc::conflict, "unique_violation");
  if (state == "53100") return made(Errc::storage_full);
  if (state == "57014") return made(Errc::deadline_exceeded);
  if (state == "40001" || state == "40P01") return made(Errc::unavailable, "storage_busy");
  if (state == "25006") {
    detail =
        "the database takes no writes (a standby, or default_transaction_read_only): " + detail;
    return made(Errc::internal);
  }
  if (state == "42501") {
    detail = "the database user lacks a right: " + detail;
    return made(Errc::internal);
  }
  if (ends_connection(state) || state.starts_with("53"))
    return made(Errc::unavailable, "database_unreachable");
  return made(Errc::internal);
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int c = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, c, 16).ptr ==
            text.data() + i + 3) {
      out += static_cast<char>(c);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// As they stand in the URL; a wrong URL has them too.
std::vector<std::string_view> passwords_of(std::string_view url) {
  std::vector<std::string_view> out;
  if (const auto scheme = url.find("://"); scheme != url.npos) {
    const auto begin = scheme + 3;
    // A password with an unescaped slash makes a wrong URL, which is still not to be shown.
    const auto at = url.rfind('@');
    const auto colon = url.find(':', begin);
    if (at != url.npos && colon != url.npos && colon < at)
      out.push_back(url.substr(colon + 1, at - colon - 1));
  }
  for (std::string_view key : {"password=", "password ="}) {
    for (auto at = url.find(key); at != url.npos; at = url.find(key, at + 1)) {
      auto begin = at + key.size();
      while (begin < url.size() && url[begin] == ' ') ++begin;
      auto end = url.find_first_of("& ", begin);
      if (begin < url.size() && url[begin] == '\'') end = url.find('\'', ++begin);
      out.push_back(url.substr(begin, end == url.npos ? end : end - begin));
    }
  }
  return out;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  if (what.empty()) return;
  for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += with.size())
    text.replace(at, what.size(), with);
}

struct Place {
  std::string host = "localhost", port = "5432", user, database;
};

std::optional<Place> parsed(const std::string& url) {
  PQconninfoOption* all = PQconninfoParse(url.c_str(), nullptr);
  if (!all) return {};
  Place place;
  for (auto* o = all; o->keyword; ++o) {
    if (!o->val) continue;
    const std::string_view key = o->keyword;
    if (key == "host" || key == "hostaddr") place.host = o->val;
    if (key == "port") place.port = o->val;
    if (key == "user") place.user = o->val;
    if (key == "dbname") place.database = o->val;
  }
  PQconninfoFree(all);
  if (place.database.empty()) place.database = place.user;
  return place;
}

// The SQLSTATE of a verbose message: "FATAL:  28P01: password authentication failed".
std::string state_in(std::string_view message) {
  for (auto at = message.find(":  "); at != message.npos; at = message.find(":  ", at + 1)) {
    const std::string_view state = message.substr(at + 3, 6);
    if (state.size() == 6 && state[5] == ':' && std::ranges::all_of(state.substr(0, 5), [](char c) {
          return std::isdigit(static_cast<unsigned char>(c)) || (c >= 'A' && c <= 'Z');
        }))
      return std::string(state.substr(0, 5));
  }
  return {};
}

std::string one_line(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  // The verbose form ends with where in the server's source it was raised.
  if (const auto source = text.find("\nLOCATION:"); source != text.npos) text.resize(source);
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

Encoded::Encoded(const sql::Params& params) {
  const auto& values = params.values();
  texts_.reserve(values.size());  // what values_ points to does not move
  auto add = [&](Oid type, const char* value, std::size_t size, int format) {
    types_.push_back(type);
    values_.push_back(value);
    lengths_.push_back(static_cast<int>(size));
    formats_.push_back(format);
  };
  auto text = [&](Oid type, std::string made) {
    const std::string& kept = texts_.emplace_back(std::move(made));
    add(type, kept.data(), kept.size(), 0);
  };
  for (const sql::Value& value : values)
    std::visit(
        [&]<class T>(const T& v) {
          if constexpr (std::is_same_v<T, std::monostate>) add(0, nullptr, 0, 0);
          else if constexpr (std::is_same_v<T, std::int64_t>) text(kInt8, std::to_string(v));
          else if constexpr (std::is_same_v<T, double>) text(kFloat8, fmt::format("{}", v));
          // Binary: of the given length, so that a NUL inside is refused and not the end.
          else if constexpr (std::is_same_v<T, std::string>) add(kText, v.c_str(), v.size(), 1);
          else if constexpr (std::is_same_v<T, sql::Blob>)
            add(kBytea, v.bytes.c_str(), v.bytes.size(), 1);
          else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
            text(kInt8Array, array_of(v));
          else text(kTextArray, array_of(v));
        },
        value);
}

std::string Encoded::signature() const {
  std::string out;
  for (Oid type : types_) out += fmt::format("{},", type);
  return out;
}

sql::Rows rows_of(const PGresult& result) {
  const int rows = PQntuples(&result), columns = PQnfields(&result);
  std::vector<sql::Value> cells;
  cells.reserve(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) cells.push_back(cell(result, r, c));
  return sql::Rows(static_cast<std::size_t>(columns), std::move(cells));
}

std::int64_t changed_by(PGresult& result) {
  // A SELECT's tag counts what it read.
  if (std::string_view(PQcmdStatus(&result)).starts_with("SELECT")) return 0;
  const char* text = PQcmdTuples(&result);
  std::int64_t n = 0;
  std::from_chars(text, text + std::strlen(text), n);
  return n;
}

Failure failure_of(const PGresult& result, std::string_view sql) {
  std::string state = field(result, PG_DIAG_SQLSTATE);
  std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  // Without a state it is libpq that speaks: the connection is gone.
  if (state.empty()) return unreachable(one_line(PQresultErrorMessage(&result)));
  if (const std::string more = field(result, PG_DIAG_MESSAGE_DETAIL); !more.empty())
    message += " (" + more + ")";
  Failure failure;
  failure.error = error_of(state, fmt::format("{} {} [{}]", state, message, sql));
  failure.lost = ends_connection(state);
  failure.state = std::move(state);
  return failure;
}

Failure unreachable(std::string why) {
  return {.error = {.code = Errc::unavailable,
                    .token = "database_unreachable",
                    .field = {},
                    .detail = std::move(why)},
          .state = {},
          .lost = true};
}

Failure too_late() {
  return {.error = {.code = Errc::deadline_exceeded,
                    .token = std::string(errc_token(Errc::deadline_exceeded)),
                    .field = {},
                    .detail = "the database did not answer before the deadline"},
          .state = {},
          .lost = true};
}

std::string redact(std::string text, std::string_view url) {
  for (std::string_view password : passwords_of(url)) {
    replace_all(text, password, "***");
    replace_all(text, decoded(password), "***");
  }
  return text;
}

std::string place_of(const std::string& url) {
  const auto place = parsed(url);
  if (!place) return redact(url, url);
  return fmt::format("{}@{}:{}/{}", place->user, place->host, place->port, place->database);
}

Failure connect_failure(const std::string& url, std::string message) {
  message = redact(one_line(std::move(message)), url);
  const auto place = parsed(url);
  if (!place) {
    Failure wrong = unreachable(fmt::format("the database's URL is wrong: {}", message));
    wrong.error.code = Errc::internal;
    wrong.error.token = "internal";
    return wrong;
  }
  const std::string state = state_in(message);
  const std::string server = fmt::format("{}:{}", place->host, place->port);
  std::string what;
  if (state == "28P01" || message.find("no password supplied") != message.npos)
    what = fmt::format("the password of the database user {} is wrong at {}", place->user, server);
  else if (state == "3D000")
    what = fmt::format("the database {} does not exist at {}: create it, encoded in UTF8",
                       place->database, server);
  else if (state == "42501")
    what = fmt::format("the user {} may not connect to the database {} at {}", place->user,
                       place->database, server);
  else if (state.starts_with("28"))
    what = fmt::format("the database user {} is not let in at {}", place->user, server);
  else if (state == "57P03") what = fmt::format("the PostgreSQL server at {} is starting", server);
  else if (state.starts_with("53"))
    what = fmt::format("the PostgreSQL server at {} takes no more connections", server);
  else what = fmt::format("no PostgreSQL server answers at {}", server);
  Failure failure = unreachable(fmt::format("{} ({})", what, message));
  failure.state = state;
  return failure;
}

}  // namespace sv::postgres
