#include "services/parts/people.h"

namespace sv {
namespace {

PrivacyMemory& no_memory() {
  static PrivacyMemory none;
  return none;
}

}  // namespace

PeopleParts::PeopleParts(const Services& services, metrics::Registry& metrics)
    : PeopleParts(services, metrics, no_memory()) {}

PeopleParts::PeopleParts(const Services& services, metrics::Registry& metrics,
                         PrivacyMemory& memory)
    : services_(services),
      memory_(memory),
      users_(metrics, "user", "people and their privacy"),
      relations_(metrics, "social", "follows, blocks and mutes") {}

Task<People> PeopleParts::look_up(const Ctx& ctx, UserId viewer, std::vector<UserId> ids) const {
  People out;
  std::erase_if(ids, [&](UserId id) { return !id || !out.try_emplace(id).second; });
  if (ids.empty()) co_return out;
  for (auto& [id, person] : out) {
    person.brief.id = id;
    person.self = id == viewer;
  }
  co_await add_accounts(ctx, viewer, ids, out);
  if (viewer) co_await add_ties(ctx, viewer, std::move(ids), out);
  co_return out;
}

Task<> PeopleParts::add_accounts(const Ctx& ctx, UserId viewer, std::vector<UserId> ids,
                                 People& out) const {
  const user::UserBriefsReq who{.user_ids = ids, .caller_id = viewer};
  auto answer = co_await services_.user->get_user_briefs(ctx, who);
  if (answer) {
    for (auto& [id, person] : out) {
      auto brief = answer->briefs.find(id);
      person.gone = brief == answer->briefs.end();
      if (!person.gone) person.brief = std::move(brief->second);
    }
    if (!answer->private_ids) co_return;  // the peer has no privacy
    for (UserId id : *answer->private_ids)
      if (auto at = out.find(id); at != out.end()) at->second.is_private = true;
    for (const auto& [id, person] : out)
      if (!person.gone) memory_.learn(id, person.is_private);
    co_return;
  }
  if (!users_.silent(ctx, answer.error())) co_return;
  note_uncertain(ctx);
  const auto before = co_await memory_.recall(ctx, std::move(ids));
  for (auto& [id, person] : out) {
    const auto at = before.find(id);
    person.privacy = at == before.end() ? Heard::never : Heard::before;
    person.is_private = at == before.end() || at->second;
  }
}

Task<> PeopleParts::add_ties(const Ctx& ctx, UserId viewer, std::vector<UserId> ids,
                             People& out) const {
  const social::SocialPartsReq ask{
      .user_id = viewer, .user_ids = std::move(ids), .with_counts = false};
  auto answer = co_await services_.social->get_social_parts(ctx, ask);
  if (answer) {
    blocks_.learn(viewer, answer->parts);
  } else {
    if (!relations_.silent(ctx, answer.error())) co_return;
    note_uncertain(ctx);
    for (auto& [id, person] : out) person.ties = Heard::before;
    answer.emplace().parts = blocks_.of(viewer);
  }
  for (const auto& [id, part] : answer->parts) {
    auto at = out.find(id);
    if (at == out.end()) continue;
    at->second.brief.is_follow = part.is_follow;
    at->second.blocked = part.is_blocked || part.has_blocked;
    at->second.muted = part.is_muted;
  }
}

Task<Result<Person>> PeopleParts::look_up_one(const Ctx& ctx, UserId viewer, UserId id,
                                              Purpose purpose) const {
  People found = co_await look_up(ctx, viewer, {id});
  if (found.empty()) found[id].gone = true;
  Person& person = found.begin()->second;
  const bool write = purpose == Purpose::write;
  if (!person.self && (person.privacy == Heard::never || (write && person.privacy != Heard::now)))
    co_return users_.unavailable();
  if (write && person.ties != Heard::now) co_return relations_.unavailable();
  co_return std::move(person);
}

}  // namespace sv
