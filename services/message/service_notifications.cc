#include <limits>

#include "platform/core/cursor.h"
#include "platform/core/log.h"
#include "platform/core/time.h"
#include "services/message/local_service.h"
#include "services/message/notice_text.h"
#include "services/message/store.h"

namespace sv::message {
namespace {

constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kBatch = 200;
constexpr std::int64_t kMaxPage = 1000;

std::vector<NoticeRow> read_notices(const sql::Rows& rows) {
  std::vector<NoticeRow> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    out.push_back({.id = NotificationId(rows.i64(i, 0)),
                   .kind = static_cast<Kind>(rows.i64(i, 1)),
                   .video = VideoId(rows.i64(i, 2)),
                   .related = rows.i64(i, 3),
                   .actors = parse_actors(rows.text(i, 4)),
                   .count = rows.i64(i, 5),
                   .is_read = rows.boolean(i, 6),
                   .time_ms = rows.i64(i, 7)});
  return out;
}

}  // namespace

// What a reader may see of groups at this moment.
struct LocalService::Sight {
  People people;
  FlatMap<VideoId, video::VideoBrief> videos;
  bool every_video = false;  // their owner does not answer

  // Takes the people out of `row` whom its reader does not want to hear of; false: nothing is left
  // of it.
  bool trim(NoticeRow& row) const {
    if (row.video && !every_video && !videos.contains(row.video)) return false;
    if (is_own(row.kind)) return true;
    row.count -= static_cast<std::int64_t>(std::erase_if(row.actors, [&](UserId id) {
      const auto at = people.find(id);
      return at == people.end() || at->second.gone || at->second.blocked || at->second.muted;
    }));
    return row.count > 0;
  }
};

Task<> LocalService::look(const Ctx& ctx, UserId user, const std::vector<NoticeRow>& rows,
                          Sight& sight) {
  std::set<UserId> ids;
  std::set<VideoId> videos;
  for (const NoticeRow& row : rows) {
    for (UserId id : row.actors)
      if (!sight.people.contains(id)) ids.insert(id);
    if (row.video && !sight.videos.contains(row.video)) videos.insert(row.video);
  }
  sight.people.merge(co_await people(ctx, user, ids));
  for (auto from = videos.begin(); from != videos.end();) {
    video::VideoBriefsReq ask{
        .current_user_id = user, .video_ids = {}, .with_failed = true, .without_covers = {}};
    for (; from != videos.end() && ask.video_ids.size() < kBatch; ++from)
      ask.video_ids.push_back(*from);
    if (auto found = co_await deps_.services.video->get_video_briefs(ctx, ask)) {
      sight.videos.merge(found->briefs);
    } else {
      log::debug("message", "no videos",
                 {{"error", found.error().token}, {"request_id", ctx.request_id}});
      sight.every_video = true;
    }
  }
}

Task<Result<PageCache<NoticePage>::Ptr>> LocalService::notice_page(
    const Ctx& ctx, UserId user, std::int64_t kind, std::int64_t time_ms, std::int64_t id,
    std::int64_t count, std::int64_t offset) {
  const PageKey key{static_cast<std::int64_t>(generations_.of(user.value)),
                    kind,
                    user.value,
                    time_ms,
                    id,
                    count,
                    offset};
  if (auto page = notice_pages_.find(ctx, key)) co_return page;
  const auto stamp = notice_pages_.stamp();
  sql::Params params{user, time_ms, id, count, offset};
  if (kind != 0) params = {user, time_ms, id, count, offset, kind};
  SV_CO_TRY(const sql::Rows rows,
            co_await deps_.db.query(ctx, kind == 0 ? store::kNotices : store::kNoticesOfKind,
                                    std::move(params)));
  auto page = std::make_shared<const NoticePage>(NoticePage{.rows = read_notices(rows)});
  notice_pages_.put(stamp, key, page);
  co_return page;
}

Task<Result<PageCache<NoticeTotals>::Ptr>> LocalService::notice_totals(const Ctx& ctx, UserId user,
                                                                       std::int64_t kind) {
  const PageKey key{static_cast<std::int64_t>(generations_.of(user.value)), kind, user.value};
  if (auto totals = notice_totals_.find(ctx, key)) co_return totals;
  const auto stamp = notice_totals_.stamp();
  SV_CO_TRY(const sql::Rows counts,
            co_await deps_.db.query(ctx, store::kCountNotices, {user, kind}));
  SV_CO_TRY(const sql::Rows unread,
            co_await deps_.db.query(ctx, store::kUnreadNotices, {user, kind}));
  auto totals =
      std::make_shared<const NoticeTotals>(NoticeTotals{.total = counts.i64(0, 0),
                                                        .unread = counts.i64(0, 1),
                                                        .newest_unread = read_notices(unread)});
  notice_totals_.put(stamp, key, totals);
  co_return totals;
}

// Three statements, another for each time that unseen people or videos emptied a page. `unread` is
// exact as long as what is to be left out of it is among the newest hundred unread.
Task<Result<GetNotificationsResp>> LocalService::get_notifications(const Ctx& ctx,
                                                                   const GetNotificationsReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  std::optional<Kind> kind;
  if (req.kind && !req.kind->empty()) {
    kind = parse_kind(*req.kind);
    if (!kind) co_return invalid("type", "invalid");
  } else if (req.type.value_or(0) != 0) {
    kind = parse_kind(static_cast<std::int64_t>(*req.type));
    if (!kind) co_return invalid("type", "invalid");
  }
  const std::int64_t only = kind ? static_cast<std::int64_t>(*kind) : 0;
  const std::string route = fmt::format("notice{}", only);
  SV_CO_TRY(const auto cursor, decode_cursor(route, req.cursor.value_or("")));
  const auto size = page_size(req.page_size);
  Cursor at = cursor.value_or(Cursor{.key = kFar, .id = kFar});
  std::int64_t offset = cursor ? 0
                               : (std::clamp<std::int64_t>(req.page, 1, kMaxPage) - 1) *
                                     static_cast<std::int64_t>(size);

  SV_CO_TRY(const auto totals, co_await notice_totals(ctx, req.user_id, only));
  Sight sight;
  std::vector<NoticeRow> kept;
  bool more = true;
  for (auto count = static_cast<std::int64_t>(size) + 1; more && kept.size() <= size;
       count = kBatch) {
    SV_CO_TRY(const auto page, co_await notice_page(ctx, req.user_id, only, at.key, at.id, count,
                                                    std::exchange(offset, 0)));
    more = static_cast<std::int64_t>(page->rows.size()) == count;
    co_await look(ctx, req.user_id, page->rows, sight);
    for (NoticeRow row : page->rows) {
      at = {.key = row.time_ms, .id = row.id.value};
      if (sight.trim(row)) kept.push_back(std::move(row));
    }
  }
  GetNotificationsResp out;
  out.next_cursor.emplace();
  if (kept.size() > size) {
    kept.resize(size);
    out.next_cursor =
        encode_cursor(route, {.key = kept.back().time_ms, .id = kept.back().id.value});
  }
  out.total_count = static_cast<std::int32_t>(
      std::min<std::int64_t>(totals->total, std::numeric_limits<std::int32_t>::max()));
  out.unread = totals->unread;
  co_await look(ctx, req.user_id, totals->newest_unread, sight);
  for (NoticeRow row : totals->newest_unread)
    if (!sight.trim(row)) --*out.unread;

  for (const NoticeRow& row : kept) {
    SystemNotification& n = out.notifications.emplace_back();
    n.id = row.id;
    n.user_id = req.user_id;
    n.type = static_cast<std::int32_t>(row.kind);
    n.kind = kind_name(row.kind);
    n.related_id = row.related;
    n.is_read = row.is_read;
    n.create_time = format_text_time(row.time_ms);
    n.video_id = row.video;
    n.count = row.count;
    n.actors.emplace();
    std::vector<std::string> names;
    for (UserId id : row.actors) {
      const UserBrief& brief = sight.people.at(id).brief;
      names.push_back(brief.username);
      n.actors->push_back(brief);
    }
    const auto video = sight.videos.find(row.video);
    NoticeText text = notice_text(row.kind, names, row.count,
                                  video == sight.videos.end() ? "" : video->second.title, ctx.lang);
    n.title = std::move(text.title);
    n.content = std::move(text.content);
  }
  co_return out;
}

Task<Result<>> LocalService::mark_notification_read(const Ctx& ctx,
                                                    const MarkNotificationReadReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  const bool all = req.all.value_or(false);
  if (!all && !req.notification_id) co_return invalid("id", "required");
  co_return co_await deps_.db.write(ctx, [this, req, all](sql::Tx& tx) -> Result<> {
    const std::string_view statement = all ? store::kReadAll : store::kReadOne;
    const sql::Params params =
        all ? sql::Params{req.user_id} : sql::Params{req.user_id, req.notification_id};
    SV_TRY(const std::int64_t read, tx.execute(statement, params));
    if (!all && read == 0) return fail(Errc::not_found, "notification_not_found");
    tx.on_commit([this, user = req.user_id] { generations_.bump(user.value); });
    return {};
  });
}

Task<Result<NotificationSettingsResp>> LocalService::get_notification_settings(
    const Ctx& ctx, const NotificationSettingsReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  SV_CO_TRY(const sql::Rows rows, co_await deps_.db.query(ctx, store::kSettings, {req.user_id}));
  const std::int64_t off = rows.empty() ? 0 : rows.i64(0, 0);
  NotificationSettingsResp out;
  for (const Setting& setting : settings()) out.settings.*setting.shown = (off & setting.bit) == 0;
  co_return out;
}

Task<Result<>> LocalService::set_notification_settings(const Ctx& ctx,
                                                       const SetNotificationSettingsReq& req) {
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  co_return co_await deps_.db.write(ctx, [this, req](sql::Tx& tx) -> Result<> {
    SV_CHECK(gone_.check(tx, req.user_id));
    SV_TRY(const sql::Rows rows, tx.query(store::kSettings, {req.user_id}));
    std::int64_t off = rows.empty() ? 0 : rows.i64(0, 0);
    for (const Setting& setting : settings())
      if (const auto& on = req.*setting.asked) off = *on ? off & ~setting.bit : off | setting.bit;
    SV_CHECK(tx.execute(store::kSetSettings, {req.user_id, off}));
    return {};
  });
}

}  // namespace sv::message
