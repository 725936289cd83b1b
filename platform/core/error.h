#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace sv {

// The closed set of failures. One table (error.cc) gives each its HTTP status, default token and
// texts.
enum class Errc : unsigned char {
  rejected,            // 400: a business rule said no, or a foreign peer sent an unknown code
  invalid_argument,    // 400: `field` names the input at fault
  unauthenticated,     // 401
  forbidden,           // 403
  not_found,           // 404: also what the caller may not see
  method_not_allowed,  // 405
  conflict,            // 409
  payload_too_large,   // 413
  unsupported_media,   // 415
  unprocessable,       // 422
  rate_limited,        // 429: `retry_after` is set
  internal,            // 500: `detail` goes to the log, never to the client
  unavailable,         // 503: a dependency is down or the process is draining; worth a retry
  absent,              // 503: this installation has no such service, or the peer no such method.
                       // To another process it is `unavailable`: there only the caller fell silent
  deadline_exceeded,   // 504
  storage_full,        // 507
};

// What a caller branches on (`code`, `token`) and what the edge prints. `token` is stable and
// machine readable ("username_taken", "title_too_long"); `detail` is for the log only.
struct Error {
  Errc code = Errc::internal;
  std::string token;
  std::string field;
  std::string detail;
  std::chrono::milliseconds retry_after{0};
};

template <class T = void>
using Result = std::expected<T, Error>;

enum class Lang : unsigned char { zh, en };

int http_status(Errc code);
Errc errc_from_status(int status);       // unknown codes become `rejected`
std::string_view errc_token(Errc code);  // "not_found": the default token and the metric label
// The text a client reads. Looked up by token; then by the token's suffix with the field's name;
// then by code.
std::string message_text(const Error& error, Lang lang);

inline std::unexpected<Error> fail(Errc code, std::string_view token = {},
                                   std::string detail = {}) {
  return std::unexpected(Error{.code = code,
                               .token = std::string(token.empty() ? errc_token(code) : token),
                               .field = {},
                               .detail = std::move(detail)});
}

// `problem` is one of required, too_short, too_long, out_of_range, invalid, wrong_type; the token
// becomes "<field>_<problem>".
inline std::unexpected<Error> invalid(std::string_view field, std::string_view problem,
                                      std::string detail = {}) {
  return std::unexpected(Error{.code = Errc::invalid_argument,
                               .token = std::string(field) + "_" + std::string(problem),
                               .field = std::string(field),
                               .detail = std::move(detail)});
}

}  // namespace sv

#define SV_CAT2(a, b) a##b
#define SV_CAT(a, b) SV_CAT2(a, b)
// SV_TRY(auto x, f()) declares x from f()'s value or returns its error. SV_CHECK is for results
// whose value is not wanted.
// The CO_ forms are for coroutines.
#define SV_TRY(decl, ...)                                                 \
  auto SV_CAT(sv_try_, __LINE__) = (__VA_ARGS__);                         \
  if (!SV_CAT(sv_try_, __LINE__))                                         \
    return std::unexpected(std::move(SV_CAT(sv_try_, __LINE__).error())); \
  decl = std::move(*SV_CAT(sv_try_, __LINE__))
#define SV_CO_TRY(decl, ...)                                                 \
  auto SV_CAT(sv_try_, __LINE__) = (__VA_ARGS__);                            \
  if (!SV_CAT(sv_try_, __LINE__))                                            \
    co_return std::unexpected(std::move(SV_CAT(sv_try_, __LINE__).error())); \
  decl = std::move(*SV_CAT(sv_try_, __LINE__))
#define SV_CHECK(...)                                                     \
  do {                                                                    \
    auto sv_check_ = (__VA_ARGS__);                                       \
    if (!sv_check_) return std::unexpected(std::move(sv_check_.error())); \
  } while (false)
#define SV_CO_CHECK(...)                                                     \
  do {                                                                       \
    auto sv_check_ = (__VA_ARGS__);                                          \
    if (!sv_check_) co_return std::unexpected(std::move(sv_check_.error())); \
  } while (false)
