#include <array>

#include <fmt/format.h>

#include "platform/core/cursor.h"
#include "services/interaction/local_service.h"
#include "services/interaction/rules.h"

namespace sv::interaction {
namespace {

constexpr std::string_view kMine = "reports.mine", kQueue = "reports.queue";
constexpr std::array<std::string_view, 6> kKinds{"video", "comment", "danmu",
                                                 "user",  "message", "live"};

ReportEntry read_report(const sql::Rows& rows, std::size_t row) {
  return {.id = rows.i64(row, 0),
          .user_id = UserId(rows.i64_or(row, 1, 0)),
          .kind = rows.text(row, 2),
          .subject_id = rows.i64(row, 3),
          .reason = rows.text(row, 4),
          .detail = rows.text(row, 5),
          .status = rows.boolean(row, 6) ? "decided" : "open",
          .create_time = rows.i64(row, 7) / 1000};
}

}  // namespace

// What is reported must be there for the reporter to see; a person who blocked the reporter may be
// reported. Danmu and live rooms have no service yet, so no id is one of theirs.
Task<Result<ReportResp>> LocalService::report(const Ctx& ctx, const ReportReq& req) {
  constexpr std::int64_t kLargestId = (1LL << 53) - 1;
  constexpr int kMaxReason = 100, kMaxDetail = 1000;
  if (!req.user_id) co_return fail(Errc::unauthenticated);
  if (std::ranges::find(kKinds, req.kind) == kKinds.end()) co_return invalid("kind", "invalid");
  if (req.id <= 0 || req.id > kLargestId) co_return invalid("id", "out_of_range");
  SV_CO_CHECK(check_reason("reason", req.reason, kMaxReason, true));
  SV_CO_CHECK(check_reason("detail", req.detail, kMaxDetail, false));
  if (req.kind == "video")
    SV_CO_CHECK(co_await author_of_visible(ctx, req.user_id, VideoId(req.id), Purpose::write));
  if (req.kind == "comment")
    SV_CO_CHECK(co_await visible_comment(ctx, req.user_id, CommentId(req.id), Purpose::write));
  if (req.kind == "user") {  // neither a block nor privacy forbids it
    const UserId about(req.id);
    People found = co_await people_.look_up(ctx, req.user_id, {about});
    if (found[about].gone) co_return fail(Errc::not_found, "user_not_found");
  }
  if (req.kind == "message")
    SV_CO_CHECK(co_await state_.deps.services.message->get_message_sender(
        ctx, {.user_id = req.user_id, .message_id = MessageId(req.id)}));
  if (req.kind == "danmu" || req.kind == "live")
    co_return fail(Errc::not_found, req.kind + "_not_found");

  co_return co_await state_.deps.db.write(
      ctx, [this, ctx, req](sql::Tx& tx) { return report_tx(tx, ctx, req); });
}

Result<ReportResp> LocalService::report_tx(sql::Tx& tx, const Ctx& ctx, const ReportReq& req) {
  const std::string body = fmt::format("{} {} {}\n{}", req.kind, req.id, req.reason, req.detail);
  SV_TRY(const auto before, request_keys_.find(tx, ctx, req.user_id, "report", body));
  if (before) return ReportResp{.report_id = *before};
  SV_TRY(const auto gone, state_.gone_people(tx, {req.user_id.value}));
  if (!gone.empty()) return fail(Errc::unauthenticated);
  std::int64_t id = state_.deps.ids.next();
  SV_TRY(const std::int64_t added,
         tx.execute(store::kAddReport,
                    {id, req.user_id, req.kind, req.id, req.reason, req.detail, state_.now()}));
  if (added == 0) {  // reported before
    SV_TRY(const sql::Rows rows, tx.query(store::kReportOf, {req.user_id, req.kind, req.id}));
    id = rows.i64(0, 0);
  }
  SV_CHECK(request_keys_.remember(tx, ctx, req.user_id, "report", body, id));
  return ReportResp{.report_id = id};
}

// Ids rise in time, so they are the order.
Task<Result<ReportListResp>> LocalService::get_reports(const Ctx& ctx, const ReportListReq& req) {
  const bool queue = !req.user_id;
  if (queue && !ctx.moderator) co_return fail(Errc::forbidden);
  const std::string_view route = queue ? kQueue : kMine;
  SV_CO_TRY(const auto cursor, decode_cursor(route, req.cursor));
  const std::size_t size = page_size(req.page_size);
  sql::Rows rows;
  if (queue) {
    SV_CO_TRY(rows, co_await state_.deps.db.query(ctx, store::kOpenReports,
                                                  {cursor ? cursor->id : 0, size + 1}));
  } else {
    SV_CO_TRY(rows, co_await state_.deps.db.query(
                        ctx, store::kMyReports,
                        {req.user_id, cursor ? cursor->id : kNewestFirst.id, size + 1}));
  }
  ReportListResp out;
  for (std::size_t i = 0; i < std::min(rows.size(), size); ++i)
    out.reports.push_back(read_report(rows, i));
  if (rows.size() > size)
    out.next_cursor = encode_cursor(route, {.key = 0, .id = out.reports.back().id});
  co_return out;
}

}  // namespace sv::interaction
