#include "gateway/test_support.h"

namespace sv::gateway::testing {
namespace {

struct Sessions final : user::UserAbsent {
  bool moderator = false;
  std::string asked;

  Task<Result<user::CheckSessionResp>> check_session(const Ctx& ctx,
                                                     const user::CheckSessionReq& req) override {
    asked = req.token;
    co_return user::CheckSessionResp{
        .user_id = ctx.caller, .session = "s1", .moderator = moderator};
  }
};

struct Reports final : interaction::InteractionAbsent {
  int calls = 0;
  bool moderator = false;

  Task<Result<interaction::ReportListResp>> get_reports(
      const Ctx& ctx, const interaction::ReportListReq& req) override {
    ++calls;
    moderator = ctx.moderator;
    EXPECT_EQ(req.user_id, UserId{});
    interaction::ReportListResp out;
    out.reports.push_back({.id = 5,
                           .user_id = UserId(7),
                           .kind = "video",
                           .subject_id = 9,
                           .reason = "spam",
                           .detail = "",
                           .status = "open",
                           .create_time = 1});
    co_return out;
  }
};

struct Moderation : ::testing::Test {
  Moderation() {
    w.services.user = &sessions;
    w.services.interaction = &reports;
  }
  FakeExchange ask(const std::string& bearer) {
    FakeExchange x("GET", "/api/admin/reports");
    if (!bearer.empty()) x.with("authorization", bearer);
    w.serve(x);
    return x;
  }

  Sessions sessions;
  Reports reports;
  World w;
};

TEST_F(Moderation, AGuestIsAskedForAToken) {
  auto x = ask("");
  EXPECT_EQ(x.answered_status, 401);
  EXPECT_EQ(x.token(), "authorization_required");
  EXPECT_EQ(ask("Bearer nonsense").answered_status, 401);
  EXPECT_EQ(reports.calls, 0);
}

TEST_F(Moderation, ForOthersThereIsNoSuchRoute) {
  auto x = ask(w.bearer(7));
  EXPECT_EQ(x.answered_status, 404);
  EXPECT_EQ(x.token(), "unknown_route");
  EXPECT_EQ(reports.calls, 0);
}

TEST_F(Moderation, AModeratorIsLetInByWhatTheUserServiceSaysNow) {
  sessions.moderator = true;
  const std::string bearer = w.bearer(7);
  auto x = ask(bearer);
  EXPECT_EQ(x.answered_status, 200) << x.answer_body;
  EXPECT_EQ("Bearer " + sessions.asked, bearer);
  EXPECT_TRUE(reports.moderator);
  EXPECT_NE(x.answer_body.find(R"("reports":[{"id":5,"userId":7,"kind":"video","subjectId":9)"),
            std::string::npos)
      << x.answer_body;
  sessions.moderator = false;
  EXPECT_EQ(ask(bearer).answered_status, 404);
  EXPECT_EQ(reports.calls, 1);
}

TEST_F(Moderation, WithoutTheUserServiceNobodyIsLetIn) {
  user::UserAbsent absent;
  w.services.user = &absent;
  EXPECT_EQ(ask(w.bearer(7)).answered_status, 503);
  EXPECT_EQ(reports.calls, 0);
}

TEST_F(Moderation, MetricsAreForModeratorsWhereverTheyAre) {
  auto status = [&] {
    FakeExchange x("GET", "/metrics");
    x.with("authorization", w.bearer(7));
    w.serve(x);
    return x.answered_status;
  };
  EXPECT_EQ(status(), 404);
  sessions.moderator = true;
  EXPECT_EQ(status(), 200);
}

}  // namespace
}  // namespace sv::gateway::testing
