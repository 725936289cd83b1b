#include <algorithm>
#include <limits>

#include "platform/core/cursor.h"
#include "services/social/local_service.h"

namespace sv::social {
namespace {

constexpr std::size_t kMaxRead =
    200;  // entries at once: the most that one question to the user service takes
constexpr std::int64_t kPassedExactly =
    1000;  // visible people that a page by number counts from; what lies before is skipped unseen

std::int32_t narrow(std::int64_t total) {
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(total, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

Task<Result<FollowListResp>> LocalService::get_follow_list(const Ctx& ctx,
                                                           const FollowListReq& req) {
  SV_CO_TRY(Page page, co_await list(ctx, List::following,
                                     {.owner = req.user_id,
                                      .viewer = req.current_user_id,
                                      .page = req.page,
                                      .page_size = req.page_size,
                                      .cursor = req.cursor.value_or("")}));
  co_return FollowListResp{.users = std::move(page.users),
                           .total_count = narrow(page.total),
                           .next_cursor = std::move(page.next_cursor)};
}

Task<Result<FollowerListResp>> LocalService::get_follower_list(const Ctx& ctx,
                                                               const FollowerListReq& req) {
  SV_CO_TRY(Page page, co_await list(ctx, List::followers,
                                     {.owner = req.user_id,
                                      .viewer = req.current_user_id,
                                      .page = req.page,
                                      .page_size = req.page_size,
                                      .cursor = req.cursor.value_or("")}));
  co_return FollowerListResp{.users = std::move(page.users),
                             .total_count = narrow(page.total),
                             .next_cursor = std::move(page.next_cursor)};
}

Task<Result<FriendListResp>> LocalService::get_friend_list(const Ctx& ctx,
                                                           const FriendListReq& req) {
  SV_CO_TRY(Page page, co_await list(ctx, List::friends,
                                     {.owner = req.user_id,
                                      .viewer = req.user_id,
                                      .page = req.page,
                                      .page_size = req.page_size,
                                      .cursor = req.cursor.value_or("")}));
  co_return FriendListResp{.users = std::move(page.users),
                           .total_count = narrow(page.total),
                           .next_cursor = std::move(page.next_cursor)};
}

Task<Result<RelationListResp>> LocalService::get_blocked_list(const Ctx& ctx,
                                                              const RelationListReq& req) {
  co_return co_await own_list(ctx, List::blocked, req);
}

Task<Result<RelationListResp>> LocalService::get_muted_list(const Ctx& ctx,
                                                            const RelationListReq& req) {
  co_return co_await own_list(ctx, List::muted, req);
}

Task<Result<RequestListResp>> LocalService::get_request_list(const Ctx& ctx,
                                                             const RelationListReq& req) {
  SV_CO_TRY(RelationListResp page, co_await own_list(ctx, List::requests, req));
  co_return RequestListResp{.requests = std::move(page.users),
                            .next_cursor = std::move(page.next_cursor),
                            .total = page.total};
}

Task<Result<RelationListResp>> LocalService::own_list(const Ctx& ctx, List which,
                                                      const RelationListReq& req) {
  SV_CO_TRY(Page page, co_await list(ctx, which,
                                     {.owner = req.user_id,
                                      .viewer = req.user_id,
                                      .page_size = req.page_size,
                                      .cursor = req.cursor}));
  co_return RelationListResp{.users = std::move(page.users),
                             .next_cursor = std::move(page.next_cursor),
                             .total = page.total};
}

// Reads until one more than a page is visible: the one more says that there is a next page.
Task<Result<LocalService::Page>> LocalService::list(const Ctx& ctx, List which, PageReq req) {
  if (!req.owner) co_return fail(Errc::unauthenticated);
  const ListSpec& spec = spec_of(which);
  SV_CO_TRY(const auto cursor, decode_cursor(spec.cursor, req.cursor));
  SV_CO_CHECK(co_await may_see_lists_of(ctx, req.viewer, req.owner));

  const std::size_t size = page_size(req.page_size);
  Entry after = cursor.value_or(kNewestFirst);
  const auto before = cursor ? 0 : static_cast<std::int64_t>(page_offset(req.page, size));
  auto passed = static_cast<std::size_t>(std::min(before, kPassedExactly));
  std::int64_t offset = before - static_cast<std::int64_t>(passed);

  Page out;
  Entry last;
  std::size_t wanted = std::min(kMaxRead, passed + size + 1);
  for (bool end = false; !end && out.users.size() <= size;) {
    SV_CO_TRY(const std::vector<Entry> entries,
              co_await graph_.entries(ctx, which, req.owner, after, offset, wanted));
    end = entries.size() < wanted;
    if (entries.empty()) break;
    after = entries.back();
    offset = 0;
    wanted = std::min(kMaxRead, wanted * 2);
    SV_CO_TRY(std::vector<User> seen, co_await visible(ctx, which, req, entries));
    const std::size_t skipped = std::min(passed, seen.size());
    passed -= skipped;
    auto entry = entries.begin();
    for (std::size_t i = skipped; i < seen.size() && out.users.size() <= size; ++i) {
      while (entry->id != seen[i].id.value) ++entry;
      if (out.users.size() < size) last = *entry;
      out.users.push_back(std::move(seen[i]));
    }
  }
  if (out.users.size() > size) {
    out.users.pop_back();
    out.next_cursor = encode_cursor(spec.cursor, last);
  }
  SV_CO_TRY(const auto counts, co_await graph_.counts(ctx, {req.owner}));
  out.total = counts.at(req.owner).*spec.total;
  co_return out;
}

// As on a profile: a private account shows its lists to its followers only.
Task<Result<>> LocalService::may_see_lists_of(const Ctx& ctx, UserId viewer, UserId owner) {
  if (viewer == owner) co_return Result<>{};
  SV_CO_TRY(const auto hidden, co_await private_among(ctx, {owner}));
  SV_CO_TRY(const Ties ties, co_await graph_.tie(ctx, viewer, owner));
  if (ties.blocked() || (hidden.contains(owner) && !ties.to(Kind::follow)))
    co_return fail(Errc::not_found, "user_not_found");
  co_return Result<>{};
}

// The people of the entries, in their order, without those that the viewer may not see: blocked,
// gone, and, in the lists of others, private ones that he does not follow, for whom they follow is
// theirs to show.
Task<Result<std::vector<User>>> LocalService::visible(const Ctx& ctx, List which,
                                                      const PageReq& req,
                                                      const std::vector<Entry>& entries) {
  // What a viewer blocked is shown as a guest sees it: it is no one's business there who blocked
  // back.
  const bool as_guest = which == List::blocked;
  user::BatchUserInfoReq ask{.current_user_id = as_guest ? UserId() : req.viewer, .user_ids = {}};
  std::vector<UserId> ids{req.owner};
  for (const Entry& e : entries) ids.emplace_back(e.id);
  SV_CO_TRY(const auto ties, co_await graph_.ties(ctx, req.viewer, ids));
  for (const Entry& e : entries)
    if (const UserId id(e.id); as_guest || !ties.at(id).blocked()) ask.user_ids.push_back(id);
  std::vector<User> out;
  if (ask.user_ids.empty()) co_return out;
  // The user service asks for these counts next: together with the total of the list they are one
  // statement.
  SV_CO_CHECK(co_await graph_.counts(ctx, ids));
  auto people = co_await deps_.services.user->batch_get_user_info(ctx, ask);
  if (!people) co_return users_.unavailable(people.error().detail);
  for (const UserId id : ask.user_ids) {
    const auto at = people->users.find(id);
    if (at == people->users.end()) continue;
    User& user = at->second;
    if (as_guest) user.is_blocked = true;
    const bool hidden = req.viewer != req.owner && id != req.viewer &&
                        user.is_private.value_or(false) && !ties.at(id).to(Kind::follow);
    if (!hidden) out.push_back(std::move(user));
  }
  co_return out;
}

}  // namespace sv::social
