#include "services/parts/people.h"

#include <set>

#include "platform/core/log.h"

namespace sv {
namespace {

void note(metrics::Counter& counter, const Ctx& ctx, const Error& error) {
  counter.add();
  log::debug("parts", "a part is missing",
             {{"error", error.token}, {"request_id", ctx.request_id}});
}

}  // namespace

metrics::Counter& absent_parts(metrics::Registry& metrics, std::string_view owner) {
  return metrics.counter("shortvideo_parts_absent_total",
                         "Lists composed without another service's part", {{"part", owner}});
}

PeopleParts::PeopleParts(const Services& services, metrics::Registry& metrics)
    : services_(services),
      absent_users_(absent_parts(metrics, "user")),
      absent_relations_(absent_parts(metrics, "social")) {}

Task<People> PeopleParts::look_up(const Ctx& ctx, UserId viewer, std::vector<UserId> ids) const {
  People out;
  std::erase_if(ids, [&](UserId id) { return !id || !out.try_emplace(id).second; });
  if (ids.empty()) co_return out;
  const user::UserBriefsReq who{.user_ids = ids, .caller_id = viewer};
  auto briefs = co_await services_.user->get_user_briefs(ctx, who);
  if (!briefs) note(absent_users_, ctx, briefs.error());
  for (auto& [id, person] : out) {
    person.self = id == viewer;
    person.brief.id = id;
    if (!briefs) continue;
    auto brief = briefs->briefs.find(id);
    person.gone = brief == briefs->briefs.end();
    if (!person.gone) person.brief = std::move(brief->second);
  }
  if (briefs && briefs->private_ids)
    for (UserId id : *briefs->private_ids)
      if (auto at = out.find(id); at != out.end()) at->second.is_private = true;
  if (!viewer) co_return out;

  const social::SocialPartsReq ties{
      .user_id = viewer, .user_ids = std::move(ids), .with_counts = false};
  auto parts = co_await services_.social->get_social_parts(ctx, ties);
  if (!parts) {
    note(absent_relations_, ctx, parts.error());
    co_return out;
  }
  for (const auto& [id, part] : parts->parts) {
    auto at = out.find(id);
    if (at == out.end()) continue;
    at->second.brief.is_follow = part.is_follow;
    at->second.blocked = part.is_blocked || part.has_blocked;
    at->second.muted = part.is_muted;
  }
  co_return out;
}

Task<Person> PeopleParts::look_up_one(const Ctx& ctx, UserId viewer, UserId id) const {
  People found = co_await look_up(ctx, viewer, {id});
  if (found.empty()) found[id].gone = true;
  co_return std::move(found.begin()->second);
}

}  // namespace sv
