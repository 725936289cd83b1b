#include "services/social/service.h"

#include "services/parts/events.h"
#include "services/social/local_service.h"

namespace sv::social {
namespace {

constexpr std::int64_t kForgottenAtOnce =
    200;  // edges a transaction, so that no other write waits long

}  // namespace

LocalService::LocalService(const SocialDeps& deps)
    : deps_(deps), graph_(deps), users_(deps.metrics, "user", "people and their privacy") {
  deps_.events.group(
      {.name = "social.purge",
       .topics = topics<events::UserDeleted>(),
       .db = deps_.db,
       .prepare = [this](const std::vector<Event>& batch) { return forget_users(batch); }});
}

// In steps: what is gone already is not found again, so a second delivery does nothing.
Task<Result<Effect>> LocalService::forget_users(const std::vector<Event>& batch) {
  const Ctx ctx;
  for (const Event& event : batch) {
    SV_CO_TRY(const auto deleted, read_event<events::UserDeleted>(event));
    const UserId user = deleted.id;
    SV_CO_CHECK(
        co_await deps_.db.write(ctx, [this, user](sql::Tx& tx) { return gone_.add(tx, user); }));
    for (bool more = true; more;) {
      SV_CO_TRY(more, co_await deps_.db.write(ctx, [this, user](sql::Tx& tx) {
        return graph_.forget_some(tx, user, kForgottenAtOnce);
      }));
    }
  }
  co_return Effect{};
}

Task<Result<std::set<UserId>>> LocalService::private_among(const Ctx& ctx,
                                                           std::vector<UserId> users) {
  const user::UserBriefsReq ask{.user_ids = std::move(users), .caller_id = ctx.caller};
  SV_CO_TRY(const auto known,
            users_.need(ctx, co_await deps_.services.user->get_user_briefs(ctx, ask)));
  std::set<UserId> out;
  if (!known) co_return out;
  for (const UserId id : ask.user_ids)
    if (!known->briefs.contains(id)) co_return fail(Errc::not_found, "user_not_found");
  if (known->private_ids) out.insert(known->private_ids->begin(), known->private_ids->end());
  co_return out;
}

// For what neither a block nor privacy forbids: while the user service is silent everyone exists.
Task<Result<>> LocalService::check_exists(const Ctx& ctx, UserId user) {
  const auto known = co_await private_among(ctx, {user});
  if (!known && known.error().code != Errc::unavailable) co_return std::unexpected(known.error());
  co_return Result<>{};
}

std::unique_ptr<SocialApi> make_social_service(const SocialDeps& deps) {
  return std::make_unique<LocalService>(deps);
}

}  // namespace sv::social
