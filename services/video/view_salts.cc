#include "services/video/view_salts.h"

#include "platform/crypto/random.h"

namespace sv::video {
namespace {

constexpr std::string_view kAdd =
    "INSERT INTO video_view_salts (day, salt) VALUES ($1, $2) ON CONFLICT (day) DO NOTHING";
constexpr std::string_view kFind = "SELECT salt FROM video_view_salts WHERE day = $1";
constexpr std::string_view kForget = "DELETE FROM video_view_salts WHERE day < $1";

}  // namespace

std::int64_t ViewSalts::left_ms() const {
  const std::int64_t window = state_.options.view_window.count();
  return window - state_.now() % window;
}

// Whoever comes first in a window makes it, in whichever process.
Task<Result<ViewSalts::Salt>> ViewSalts::current(const Ctx& ctx) {
  {
    const std::lock_guard lock(mutex_);
    if (known_.day == today()) co_return known_;
  }
  SV_CO_TRY(const Salt salt, co_await state_.deps.db.write(
                                 ctx, [this, made = random_token()](sql::Tx& tx) -> Result<Salt> {
                                   const std::int64_t day =
                                       today();  // in here: forget_past() has not been for it
                                   SV_CHECK(tx.execute(kAdd, {day, made}));
                                   SV_TRY(const sql::Rows rows, tx.query(kFind, {day}));
                                   return Salt{.day = day, .text = rows.text(0, 0)};
                                 }));
  const std::lock_guard lock(mutex_);
  if (known_.day < salt.day) known_ = salt;
  co_return salt;
}

Task<Result<>> ViewSalts::forget_past() {
  const std::int64_t day = today();
  {
    const std::lock_guard lock(mutex_);
    if (cleaned_ >= day) co_return Result<>{};
    if (known_.day < day) known_ = {};
  }
  SV_CO_CHECK(co_await state_.deps.db.write(Ctx{}, [day](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(kForget, {day}));
    return {};
  }));
  const std::lock_guard lock(mutex_);
  cleaned_ = day;
  co_return Result<>{};
}

}  // namespace sv::video
