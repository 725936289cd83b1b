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

void KnownPrivacy::learn(UserId author, bool is_private) {
  // Past no memory, whatever the caller wrote: what is known already needs no row again.
  if (last_.find(Ctx{}, author) == is_private) return;
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kLimit) return;
  waiting_[author] = is_private;
  last_.put(last_.stamp(), author, is_private);
}

Task<Result<std::unordered_map<UserId, bool>>> KnownPrivacy::read(
    const Ctx& ctx, std::vector<std::int64_t> authors) {
  std::unordered_map<UserId, bool> out;
  SV_CO_TRY(const auto rows, co_await state_.deps.db.query(ctx, kFind, {std::move(authors)}));
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.emplace(UserId(rows.i64(i, 0)), rows.boolean(i, 1));
  co_return out;
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
  auto found = co_await read(ctx, std::move(missing));
  if (!found)
    log::warn("video", "the last known privacy cannot be read", {{"error", found.error().token}});
  const std::lock_guard lock(mutex_);
  for (UserId author : authors)  // heard after what is in the rows
    if (const auto at = waiting_.find(author); at != waiting_.end()) out.insert(*at);
  if (found) out.merge(*found);
  co_return out;
}

Task<Result<>> KnownPrivacy::flush() {
  std::map<UserId, bool> batch;
  {
    const std::lock_guard lock(mutex_);
    batch = waiting_;
  }
  if (batch.empty()) co_return Result<>{};
  SV_CO_CHECK(co_await write(batch));
  const std::lock_guard lock(mutex_);
  for (const auto& [author, is_private] : batch)
    if (const auto at = waiting_.find(author); at != waiting_.end() && at->second == is_private)
      waiting_.erase(at);
  co_return Result<>{};
}

// Most of it is in the rows already.
Task<Result<>> KnownPrivacy::write(std::map<UserId, bool> batch) {
  std::vector<std::int64_t> authors;
  for (const auto& [author, is_private] : batch) authors.push_back(author.value);
  SV_CO_TRY(const auto known, co_await read(Ctx{}, std::move(authors)));
  std::erase_if(batch, [&known](const auto& heard) {
    const auto at = known.find(heard.first);
    return at != known.end() && at->second == heard.second;
  });
  if (batch.empty()) co_return Result<>{};
  co_return co_await state_.deps.db.write(Ctx{}, [this, batch](sql::Tx& tx) -> Result<> {
    for (const auto& [author, is_private] : batch) {
      SV_TRY(const bool gone, state_.gone.has(tx, author));
      if (!gone) SV_CHECK(tx.execute(kSet, {author, is_private}));
    }
    return {};
  });
}

}  // namespace sv::video
