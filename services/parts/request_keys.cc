#include "services/parts/request_keys.h"

#include <chrono>

#include <fmt/format.h>

#include "platform/auth/key_ring.h"
#include "platform/core/encoding.h"
#include "platform/crypto/sha256.h"

namespace sv {
namespace {
constexpr std::int64_t kKept = std::chrono::milliseconds(std::chrono::hours(24)).count();

std::string digest(std::string_view body) {
  return hex_encode(hmac_sha256("shortvideo request", body));
}

}  // namespace

RequestKeys::RequestKeys(std::string_view table, const Clock& clock)
    : find_(fmt::format(R"(
        SELECT hash, result
        FROM {}
        WHERE user_id = $1 AND method = $2 AND request_key = $3 AND made_ms > $4)",
                        table)),
      add_(fmt::format(R"(
          INSERT INTO {} (user_id, method, request_key, hash, result, made_ms)
          VALUES ($1, $2, $3, $4, $5, $6))",
                       table)),
      // What is older than a day is as if it were not there.
      claim_(fmt::format(R"(
          INSERT INTO {0} (user_id, method, request_key, hash, result, made_ms)
          VALUES ($1, $2, $3, $4, $5, $6)
          ON CONFLICT (user_id, method, request_key) DO UPDATE SET
            hash = excluded.hash,
            result = excluded.result,
            made_ms = excluded.made_ms
          WHERE {0}.made_ms <= $7)",
                         table)),
      give_back_(fmt::format(
          "DELETE FROM {} WHERE user_id = $1 AND method = $2 AND request_key = $3", table)),
      trim_(fmt::format("DELETE FROM {} WHERE made_ms <= $1", table)),
      clock_(clock) {}

RequestKeys::Before RequestKeys::find(sql::Tx& tx, const Ctx& ctx, UserId user,
                                      std::string_view method, std::string_view body) const {
  if (ctx.idempotency_key.empty()) return std::nullopt;
  SV_TRY(const sql::Rows rows,
         tx.query(find_, {user, method, ctx.idempotency_key, clock_.now_ms() - kKept}));
  if (rows.empty()) return std::nullopt;
  if (rows.text(0, 0) != digest(body)) return fail(Errc::unprocessable, "idempotency_mismatch");
  return rows.i64(0, 1);
}

Result<> RequestKeys::remember(sql::Tx& tx, const Ctx& ctx, UserId user, std::string_view method,
                               std::string_view body, std::int64_t result) const {
  if (ctx.idempotency_key.empty()) return {};
  SV_CHECK(tx.execute(trim_, {clock_.now_ms() - kKept}));
  SV_CHECK(
      tx.execute(add_, {user, method, ctx.idempotency_key, digest(body), result, clock_.now_ms()}));
  return {};
}

Result<std::vector<RequestKeys::Before>> RequestKeys::claim(
    sql::Tx& tx, std::string_view method, const std::vector<Request>& requests) const {
  const std::int64_t now = clock_.now_ms();
  std::vector<Before> out(requests.size(), Before(std::nullopt));
  std::vector<std::size_t> keyed;
  std::vector<sql::Params> rows;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Request& r = requests[i];
    if (r.ctx.idempotency_key.empty()) continue;
    keyed.push_back(i);
    rows.push_back(
        {r.user, method, r.ctx.idempotency_key, digest(r.body), r.result, now, now - kKept});
  }
  if (keyed.empty()) return out;
  SV_TRY(const auto claimed, tx.execute_each(claim_, rows));
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    const Request& r = requests[keyed[i]];
    if (!claimed[i]) out[keyed[i]] = std::unexpected(claimed[i].error());
    else if (*claimed[i] == 0) out[keyed[i]] = find(tx, r.ctx, r.user, method, r.body);
    // A statement that failed leaves nothing to go on with; a mismatch is the request's own.
    if (const Before& before = out[keyed[i]];
        !before && claimed[i] && before.error().code != Errc::unprocessable)
      return std::unexpected(before.error());
  }
  SV_CHECK(tx.execute(trim_, {now - kKept}));
  return out;
}

Result<> RequestKeys::give_back(sql::Tx& tx, std::string_view method,
                                const std::vector<Request>& requests) const {
  std::vector<sql::Params> rows;
  for (const Request& r : requests)
    if (!r.ctx.idempotency_key.empty()) rows.push_back({r.user, method, r.ctx.idempotency_key});
  SV_CHECK(tx.execute_many(give_back_, rows));
  return {};
}

}  // namespace sv
