#include "services/parts/rankings.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sv {
namespace {

constexpr std::int64_t kKeptMs = std::chrono::milliseconds(std::chrono::hours(1)).count();

std::vector<std::int64_t> parse_ids(std::string_view text) {
  std::vector<std::int64_t> out;
  while (!text.empty()) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{}) break;
    out.push_back(id);
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  }
  return out;
}

}  // namespace

Rankings::Rankings(std::string_view table, sql::Database& db, const Clock& clock)
    : find_(fmt::format("SELECT subject, made_ms, ids FROM {} WHERE id = $1", table)),
      add_(fmt::format(R"(
          INSERT INTO {} (id, subject, made_ms, ids)
          VALUES ($1, $2, $3, $4)
          ON CONFLICT (id) DO NOTHING)",
                       table)),
      trim_(fmt::format("DELETE FROM {} WHERE made_ms < $1", table)),
      db_(db),
      clock_(clock) {}

Task<Result<RankingPtr>> Rankings::find(const Ctx& ctx, std::int64_t id,
                                        std::int64_t subject) const {
  SV_CO_TRY(const sql::Rows rows, co_await db_.query(ctx, find_, {id}));
  if (rows.empty() || rows.i64(0, 0) != subject || clock_.now_ms() - rows.i64(0, 1) > kKeptMs)
    co_return invalid("cursor", "invalid", "the ranking is gone");
  auto ranking = std::make_shared<Ranking>();
  ranking->id = id;
  ranking->subject = subject;
  ranking->made_ms = rows.i64(0, 1);
  ranking->ids = parse_ids(rows.text(0, 2));
  ranking->kept = true;
  co_return ranking;
}

Task<Result<>> Rankings::keep(const Ctx& ctx, RankingPtr ranking) const {
  if (ranking->kept) co_return Result<>{};
  SV_CO_CHECK(co_await db_.write(ctx, [this, ranking](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(add_, {ranking->id, ranking->subject, ranking->made_ms,
                               fmt::format("{}", fmt::join(ranking->ids, ","))}));
    SV_CHECK(tx.execute(trim_, {clock_.now_ms() - kKeptMs}));
    return {};
  }));
  ranking->kept = true;
  co_return Result<>{};
}

}  // namespace sv
