#include "platform/core/cursor.h"
#include "platform/core/time.h"
#include "services/interaction/local_service.h"
#include "services/interaction/rules.h"

namespace sv::interaction {
namespace {

constexpr std::string_view kNew = "comments", kHot = "comments.hot", kBelow = "replies";

}  // namespace

Comment shown(const CommentRow& row, UserBrief author, bool is_like) {
  return {.id = row.id,
          .user_id = row.user,
          .video_id = row.video,
          .content = row.content,
          .create_time = format_text_time(row.created_ms),
          .reply_to_id = row.reply_to,
          .user = std::move(author),
          .like_count = row.likes,
          .is_like = is_like,
          .reply_count = row.replies};
}

// In a ranking an entry is {ranking, position}, so that its cursor finds the same ranking again; in
// a thread {time, id}.
Task<Result<std::vector<Entry>>> LocalService::entries(const Ctx& ctx, const Listing& list,
                                                       Entry after, std::size_t count) {
  if (!list.ranking) co_return co_await state_.thread(ctx, list.thread, after, count);
  std::vector<Entry> out;
  for (auto at = after.id;
       out.size() < count && static_cast<std::size_t>(at) < list.ranking->ids.size(); ++at)
    out.push_back({.key = list.ranking->id, .id = at + 1});
  co_return out;
}

// Comments of people who are hidden from the viewer, or muted, are left out and the page goes on
// behind them.
Task<Result<LocalService::CommentPage>> LocalService::page_of(const Ctx& ctx, UserId viewer,
                                                              const Listing& list, Entry after,
                                                              std::size_t skip, std::size_t size) {
  CommentPage out;
  std::vector<CommentPtr> page;
  People people;
  Entry place = after, last = after;
  for (bool end = false; !end;) {
    const std::size_t wanted = stride(skip, size - page.size());
    SV_CO_TRY(const std::vector<Entry> found, co_await entries(ctx, list, place, wanted));
    end = found.size() < wanted;
    std::vector<CommentId> ids;
    for (const Entry& entry : found)
      ids.emplace_back(list.ranking ? list.ranking->ids[static_cast<std::size_t>(entry.id - 1)]
                                    : entry.id);
    SV_CO_TRY(const std::vector<CommentPtr> rows, co_await state_.comments(ctx, ids));
    std::vector<UserId> unknown;
    for (const CommentPtr& row : rows)
      if (row && !people.contains(row->user)) unknown.push_back(row->user);
    people.merge(co_await people_.look_up(ctx, viewer, std::move(unknown)));
    for (std::size_t i = 0; i < found.size(); ++i) {
      place = found[i];
      if (!rows[i] || rows[i]->deleted || people.at(rows[i]->user).muted ||
          hides(list.own, people.at(rows[i]->user)))
        continue;
      if (skip > 0) {
        --skip;
        continue;
      }
      if (page.size() == size) {
        out.next_cursor = encode_cursor(list.route, last);
        end = true;
        break;
      }
      page.push_back(rows[i]);
      last = place;
    }
  }
  SV_CO_TRY(out.comments, co_await compose(ctx, viewer, std::move(page), people));
  co_return out;
}

Task<Result<std::vector<Comment>>> LocalService::compose(const Ctx& ctx, UserId viewer,
                                                         std::vector<CommentPtr> rows,
                                                         const People& people) {
  std::vector<std::int64_t> ids;
  for (const CommentPtr& row : rows) ids.push_back(row->id.value);
  SV_CO_TRY(const auto mine,
            co_await state_.edges_of(ctx, viewer, {Edge::comment_like}, std::move(ids)));
  std::vector<Comment> out;
  out.reserve(rows.size());
  for (const CommentPtr& row : rows)
    out.push_back(shown(*row, people.at(row->user).brief,
                        mine.contains({Edge::comment_like, row->id.value})));
  co_return out;
}

Task<Result<CommentListResp>> LocalService::get_comment_list(const Ctx& ctx,
                                                             const CommentListReq& req) {
  SV_CO_TRY(const UserId author,
            co_await author_of_visible(ctx, req.current_user_id, req.video_id));
  const bool own = author == req.current_user_id;
  const std::size_t size = page_size(req.page_size);
  const std::string_view sort = req.sort ? std::string_view(*req.sort) : "new";
  if (sort != "new" && sort != "hot") co_return invalid("sort", "invalid");
  CommentListResp out;
  CommentPage page;
  if (req.reply_to && *req.reply_to) {
    SV_CO_TRY(const CommentPtr root,
              co_await visible_comment(ctx, req.current_user_id, *req.reply_to));
    if (root->video != req.video_id) co_return fail(Errc::not_found, "comment_not_found");
    const Listing list{.thread = {.video = root->video, .root = root->id},
                       .ranking = nullptr,
                       .route = kBelow,
                       .own = own};
    SV_CO_TRY(const auto cursor, decode_cursor(kBelow, req.cursor.value_or("")));
    SV_CO_TRY(page, co_await page_of(ctx, req.current_user_id, list, cursor.value_or(Entry{}),
                                     cursor ? 0 : page_offset(req.page, size), size));
    out.total_count = static_cast<std::int32_t>(root->replies);
  } else {
    if (sort == "hot") {
      SV_CO_TRY(page, co_await hot_comments(ctx, req, own, size));
    } else {
      const Listing list{.thread = {.video = req.video_id, .root = {}},
                         .ranking = nullptr,
                         .route = kNew,
                         .own = own};
      SV_CO_TRY(const auto cursor, decode_cursor(kNew, req.cursor.value_or("")));
      SV_CO_TRY(page,
                co_await page_of(ctx, req.current_user_id, list, cursor.value_or(kNewestFirst),
                                 cursor ? 0 : page_offset(req.page, size), size));
    }
    SV_CO_TRY(const auto counts, co_await state_.counts(ctx, {req.video_id}));
    out.total_count = static_cast<std::int32_t>(counts.at(req.video_id).comments);
  }
  out.comments = std::move(page.comments);
  out.next_cursor = std::move(page.next_cursor);
  co_return out;
}

Task<Result<ReplyListResp>> LocalService::get_reply_list(const Ctx& ctx, const ReplyListReq& req) {
  SV_CO_TRY(const CommentPtr root,
            co_await visible_comment(ctx, req.current_user_id, req.comment_id));
  SV_CO_TRY(const auto cursor, decode_cursor(kBelow, req.cursor));
  SV_CO_TRY(const bool own, co_await owns(ctx, req.current_user_id, root->video));
  const Listing list{.thread = {.video = root->video, .root = root->id},
                     .ranking = nullptr,
                     .route = kBelow,
                     .own = own};
  SV_CO_TRY(auto page, co_await page_of(ctx, req.current_user_id, list, cursor.value_or(Entry{}), 0,
                                        page_size(req.page_size)));
  co_return ReplyListResp{.replies = std::move(page.comments),
                          .next_cursor = std::move(page.next_cursor),
                          .total = root->replies};
}

// The first page takes the order of this moment and stores it when there is a second one; later
// pages stay in it, so nothing repeats.
Task<Result<LocalService::CommentPage>> LocalService::hot_comments(const Ctx& ctx,
                                                                   const CommentListReq& req,
                                                                   bool own, std::size_t size) {
  SV_CO_TRY(const auto cursor, decode_cursor(kHot, req.cursor.value_or("")));
  RankingPtr ranking;
  SV_CO_TRY(ranking, co_await state_.current_ranking(ctx, req.video_id));
  if (cursor && cursor->key != ranking->id) {
    SV_CO_TRY(ranking, co_await rankings_.find(ctx, cursor->key, req.video_id.value));
  }
  const Listing list{.thread = {}, .ranking = ranking, .route = kHot, .own = own};
  const Entry start{.key = ranking->id, .id = cursor ? std::max<std::int64_t>(cursor->id, 0) : 0};
  SV_CO_TRY(auto page, co_await page_of(ctx, req.current_user_id, list, start,
                                        cursor ? 0 : page_offset(req.page, size), size));
  if (!page.next_cursor.empty()) SV_CO_CHECK(co_await rankings_.keep(ctx, ranking));
  co_return page;
}

}  // namespace sv::interaction
