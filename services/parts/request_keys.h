#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
// All calls belong into the transaction that creates. Without a key in `ctx` they do nothing.
// Thread-safe.
class RequestKeys {
 public:
  // A request and the id of what it is about to create.
  struct Request {
    const Ctx& ctx;
    UserId user;
    std::string body;
    std::int64_t result;
  };
  using Before = Result<std::optional<std::int64_t>>;

  RequestKeys(std::string_view table, const Clock& clock);

  // For works that are serialisable: find, then remember what was created.
  // The id that the same request created before; nullopt: it is new. Another `body` under the same
  // key: 422 idempotency_mismatch.
  Before find(sql::Tx& tx, const Ctx& ctx, UserId user, std::string_view method,
              std::string_view body) const;
  Result<> remember(sql::Tx& tx, const Ctx& ctx, UserId user, std::string_view method,
                    std::string_view body, std::int64_t result) const;

  // For works at READ COMMITTED, and for many requests at once: of twins one claims the key, also
  // among instances. What find() says of each; who was new may create.
  Result<std::vector<Before>> claim(sql::Tx& tx, std::string_view method,
                                    const std::vector<Request>& requests) const;
  // Of requests that claimed and then created nothing.
  Result<> give_back(sql::Tx& tx, std::string_view method,
                     const std::vector<Request>& requests) const;

 private:
  const std::string find_, add_, claim_, give_back_, trim_;
  const Clock& clock_;
};

}  // namespace sv
