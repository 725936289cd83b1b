#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/core/ctx.h"
#include "platform/ports/clock.h"
#include "platform/ports/sql.h"

namespace sv {

// What a POST with an Idempotency-Key created, kept for a day in a table of the service that
// created it:
//   CREATE TABLE <table> (user_id {int} NOT NULL, method {text} NOT NULL, request_key {text} NOT
//   NULL, hash {text} NOT NULL,
//                         result {int} NOT NULL, made_ms {int} NOT NULL, PRIMARY KEY (user_id,
//                         method, request_key));
//   CREATE INDEX <table>_by_time ON <table> (made_ms);
// Both calls belong into the transaction that creates. Without a key in `ctx` they do nothing.
// Thread-safe.
class RequestKeys {
 public:
  RequestKeys(std::string_view table, const Clock& clock);

  // The id that the same request created before; nullopt: it is new. Another `body` under the same
  // key: 422 idempotency_mismatch.
  Result<std::optional<std::int64_t>> find(sql::Tx& tx, const Ctx& ctx, UserId user,
                                           std::string_view method, std::string_view body) const;
  Result<> remember(sql::Tx& tx, const Ctx& ctx, UserId user, std::string_view method,
                    std::string_view body, std::int64_t result) const;

 private:
  const std::string find_, add_, trim_;
  const Clock& clock_;
};

}  // namespace sv
