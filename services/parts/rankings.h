#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "platform/core/ctx.h"
#include "platform/core/task.h"
#include "platform/ports/clock.h"
#include "platform/ports/sql.h"

namespace sv {

// The order of a list at one moment, best first. Cursors of its pages are places in it, so nothing
// repeats while what it is made of moves on. Immutable once shared.
struct Ranking {
  std::int64_t id = 0, made_ms = 0;
  std::int64_t subject = 0;  // what it is of; 0 where a service has but one
  std::vector<std::int64_t> ids;
  mutable std::atomic<bool> kept{false};
};
using RankingPtr = std::shared_ptr<const Ranking>;

// The rankings that someone reads on in, kept for an hour in a table of the service that made them:
//   CREATE TABLE <table> (id {id}, subject {int} NOT NULL, made_ms {int} NOT NULL,
//                         ids {text} NOT NULL);
//   CREATE INDEX <table>_by_time ON <table> (made_ms);
// Thread-safe.
class Rankings {
 public:
  Rankings(std::string_view table, sql::Database& db, const Clock& clock);

  // cursor_invalid: it is too old, or of another subject.
  Task<Result<RankingPtr>> find(const Ctx& ctx, std::int64_t id, std::int64_t subject) const;
  // Before a cursor into it is handed out. Twice does no harm.
  Task<Result<>> keep(const Ctx& ctx, RankingPtr ranking) const;

 private:
  const std::string find_, add_, trim_;
  sql::Database& db_;
  const Clock& clock_;
};

}  // namespace sv
