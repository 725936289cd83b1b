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
      trim_(fmt::format("DELETE FROM {} WHERE made_ms <= $1", table)),
      clock_(clock) {}

Result<std::optional<std::int64_t>> RequestKeys::find(sql::Tx& tx, const Ctx& ctx, UserId user,
                                                      std::string_view method,
                                                      std::string_view body) const {
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

}  // namespace sv
