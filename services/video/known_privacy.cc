#include "services/video/known_privacy.h"

#include "platform/core/log.h"

namespace sv::video {
namespace {

constexpr std::string_view kFind =
    "SELECT author_id, is_private FROM video_privacy WHERE author_id = any($1)";  // primary key
constexpr std::string_view kSet = R"(
    INSERT INTO video_privacy (author_id, is_private)
    VALUES ($1, $2)
    ON CONFLICT (author_id) DO UPDATE SET is_private = excluded.is_private)";

}  // namespace

void KnownPrivacy::learn(const Ctx& ctx, UserId author, bool is_private) {
  if (last_.find(ctx, author) == is_private) return;
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kLimit) return;
  waiting_[author] = is_private;
  last_.put(last_.stamp(), author, is_private);
}

Task<std::unordered_map<UserId, bool>> KnownPrivacy::recall(const Ctx& ctx,
                                                            std::vector<UserId> authors) {
  std::unordered_map<UserId, bool> out;
  std::vector<std::int64_t> missing;
  for (UserId author : authors) {
    if (const auto known = last_.find(ctx, author)) out.emplace(author, *known);
    else missing.push_back(author.value);
  }
  if (missing.empty()) co_return out;
  const auto rows = co_await state_.deps.db.query(ctx, kFind, {std::move(missing)});
  if (!rows) {
    log::warn("video", "the last known privacy cannot be read", {{"error", rows.error().token}});
    co_return out;
  }
  for (std::size_t i = 0; i < rows->size(); ++i)
    out.emplace(UserId(rows->i64(i, 0)), rows->boolean(i, 1));
  co_return out;
}

Task<Result<>> KnownPrivacy::flush() {
  std::map<UserId, bool> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(waiting_);
  }
  if (batch.empty()) co_return Result<>{};
  auto done = co_await state_.deps.db.write(Ctx{}, [this, batch](sql::Tx& tx) -> Result<> {
    for (const auto& [author, is_private] : batch) {
      SV_TRY(const bool gone, state_.gone.has(tx, author));
      if (!gone) SV_CHECK(tx.execute(kSet, {author, is_private}));
    }
    return {};
  });
  if (!done) {
    const std::lock_guard lock(mutex_);
    waiting_.merge(batch);  // what was heard meanwhile is newer
  }
  co_return done;
}

}  // namespace sv::video
