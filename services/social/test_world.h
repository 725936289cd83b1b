#pragma once

#include <map>
#include <mutex>
#include <set>

#include <gtest/gtest.h>

#include "platform/adapters/test_database.h"
#include "platform/testing/fakes.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"
#include "platform/testing/ways.h"
#include "services/social/migrations.h"
#include "services/social/service.h"
#include "services/social/store.h"

namespace sv::social {
using testing::run_task;
using testing::succeeded;
using testing::token_of;
using testing::Way;

// Everybody exists but those that are gone. Composes as the real one does: with the parts of the
// social service.
class FakeUsers final : public user::UserAbsent {
 public:
  explicit FakeUsers(const Services& services) : services_(services) {}

  Task<Result<user::UserBriefsResp>> get_user_briefs(const Ctx&,
                                                     const user::UserBriefsReq& req) override {
    if (down) co_return fail(Errc::deadline_exceeded);
    user::UserBriefsResp out;
    out.private_ids.emplace();
    for (const UserId id : req.user_ids) {
      if (gone.contains(id)) continue;
      out.briefs[id] = {
          .id = id, .username = fmt::format("user{}", id), .avatar = {}, .is_follow = false};
      if (secluded.contains(id)) out.private_ids->push_back(id);
    }
    co_return out;
  }

  Task<Result<user::BatchUserInfoResp>> batch_get_user_info(
      const Ctx& ctx, const user::BatchUserInfoReq& req) override {
    if (down) co_return fail(Errc::deadline_exceeded);
    if (req.user_ids.size() > 200) co_return invalid("user_ids", "too_long");
    const SocialPartsReq ask{
        .user_id = req.current_user_id, .user_ids = req.user_ids, .with_counts = true};
    SV_CO_TRY(auto parts, co_await services_.social->get_social_parts(ctx, ask));
    user::BatchUserInfoResp out;
    for (const UserId id : req.user_ids) {
      if (gone.contains(id) || parts.parts[id].has_blocked) continue;
      User& u = out.users[id];
      u.id = id;
      u.username = fmt::format("user{}", id);
      u.follow_count = parts.parts[id].follow_count;
      u.follower_count = parts.parts[id].follower_count;
      u.is_follow = parts.parts[id].is_follow;
      u.is_blocked = parts.parts[id].is_blocked;
      u.is_private = secluded.contains(id);
    }
    co_return out;
  }

  std::set<UserId> gone, secluded;  // secluded: the account is private
  bool down = false;

 private:
  const Services& services_;
};

constexpr UserId kAnn{1}, kBob{2}, kCid{3}, kDan{4};

class SocialTest : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override { start(); }

  void start() {
    other_.service.reset();
    other_.db.reset();
    service_.reset();
    db_.reset();
    auto opened = testing::open_test_database(folder_ / "social.db", {{"social", migrations()}});
    ASSERT_TRUE(succeeded(opened));
    db_ = std::move(*opened);
    service_ = make_social_service({.db = *db_,
                                    .clock = clock_,
                                    .events = events_,
                                    .revision = revision_,
                                    .services = services_,
                                    .metrics = metrics_,
                                    .memory_age = testing::memory_age(GetParam())});
    if (GetParam() == Way::two) start_other();
    services_.social = service_.get();
    services_.user = &users_;
  }

  void start_other() {
    other_.db = std::move(testing::open_test_database(folder_ / "social.db", {}).value());
    other_.service = make_social_service({.db = *other_.db,
                                          .clock = clock_,
                                          .events = events_,
                                          .revision = other_.revision,
                                          .services = services_,
                                          .metrics = other_.metrics,
                                          .memory_age = testing::memory_age(GetParam())});
    two_.emplace(*service_, *other_.service, clock_);
  }

  SocialApi& api() { return two_ ? static_cast<SocialApi&>(two_->client()) : *service_; }

  Result<FollowActionResp> follow(UserId user, UserId target, bool action = true) {
    return run_task(
        api().follow_action(ctx_, {.user_id = user, .target_user_id = target, .action = action}));
  }
  Result<FollowActionResp> unfollow(UserId user, UserId target) {
    return follow(user, target, false);
  }
  Result<> block(UserId user, UserId target, bool action = true) {
    return run_task(
        api().block_action(ctx_, {.user_id = user, .target_user_id = target, .action = action}));
  }
  Result<> mute(UserId user, UserId target, bool action = true) {
    return run_task(
        api().mute_action(ctx_, {.user_id = user, .target_user_id = target, .action = action}));
  }
  Result<> answer(UserId user, UserId from, bool accept) {
    return run_task(
        api().answer_request(ctx_, {.user_id = user, .from_user_id = from, .accept = accept}));
  }

  // {following, followers, friends}
  std::vector<std::int64_t> stats(UserId user) {
    const auto got = run_task(api().get_follow_stats(ctx_, {.user_id = user}));
    EXPECT_TRUE(succeeded(got));
    return {got->stats.follow_count, got->stats.follower_count, got->stats.friend_count};
  }
  SocialParts part(UserId viewer, UserId other) {
    auto got = run_task(api().get_social_parts(
        ctx_, {.user_id = viewer, .user_ids = {other}, .with_counts = true}));
    EXPECT_TRUE(succeeded(got));
    return got->parts.at(other);
  }

  struct Listed {
    std::vector<std::int64_t> ids;
    std::string next;
    std::int64_t total = 0;
    bool operator==(const Listed&) const = default;
  };
  template <class Reply>
  static Listed listed(const Reply& reply) {
    Listed out;
    for (const User& u : reply.users) out.ids.push_back(u.id.value);
    if constexpr (requires { reply.total_count; }) {
      out.next = reply.next_cursor.value_or("");
      out.total = reply.total_count;
    } else {
      out.next = reply.next_cursor;
      out.total = reply.total;
    }
    return out;
  }
  Result<FollowListResp> following(UserId viewer, UserId owner, int size = 10,
                                   std::string cursor = {}, int page = 1) {
    return run_task(api().get_follow_list(ctx_, {.user_id = owner,
                                                 .current_user_id = viewer,
                                                 .page = page,
                                                 .page_size = size,
                                                 .cursor = std::move(cursor)}));
  }
  Result<FollowerListResp> followers(UserId viewer, UserId owner, int size = 10,
                                     std::string cursor = {}, int page = 1) {
    return run_task(api().get_follower_list(ctx_, {.user_id = owner,
                                                   .current_user_id = viewer,
                                                   .page = page,
                                                   .page_size = size,
                                                   .cursor = std::move(cursor)}));
  }
  // Every page, by cursor.
  template <class F>
  static std::vector<std::int64_t> all(F fetch, std::size_t size) {
    std::vector<std::int64_t> out;
    std::string cursor;
    do {
      const Listed page = listed(fetch(cursor).value());
      if (!page.next.empty()) EXPECT_EQ(page.ids.size(), size) << "short only at the end";
      out.insert(out.end(), page.ids.begin(), page.ids.end());
      cursor = page.next;
      if (out.size() > 5000) break;
    } while (!cursor.empty());
    return out;
  }

  // "social.followed 2 {…}", in the order of commits.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const Event& e : events_.take())
      out.push_back(fmt::format("{} {} {}", e.topic, e.key, e.payload));
    return out;
  }

  // What the tables say, counted from the edges, differs nowhere from the counters.
  void expect_counts_exact();

  testing::TempDir folder_;
  testing::ManualClock clock_;
  testing::RecordingEvents events_;
  ContentRevision revision_;
  metrics::Registry metrics_;
  Services services_;
  FakeUsers users_{services_};
  std::unique_ptr<sql::Database> db_;
  std::unique_ptr<SocialApi> service_;
  struct {
    ContentRevision revision;
    metrics::Registry metrics;
    std::unique_ptr<sql::Database> db;
    std::unique_ptr<SocialApi> service;
  } other_;
  std::optional<testing::TwoOf<SocialApi, SocialClient, dispatch_social>> two_;
  Ctx ctx_;
};

inline void SocialTest::expect_counts_exact() {
  const auto rows =
      run_task(db_->query(Ctx{}, "SELECT user_id, kind, target_id FROM social_edges"));
  ASSERT_TRUE(succeeded(rows));
  std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> edges;
  std::map<std::int64_t, std::vector<std::int64_t>> want;
  const auto count = [&want](std::int64_t id, std::size_t what) {
    want.try_emplace(id, 6).first->second[what]++;
  };
  for (std::size_t i = 0; i < rows->size(); ++i) {
    edges.emplace(rows->i64(i, 0), rows->i64(i, 1), rows->i64(i, 2));
    switch (rows->i64(i, 1)) {
      case 1:
        count(rows->i64(i, 0), 0);
        count(rows->i64(i, 2), 1);
        break;
      case 2:
        count(rows->i64(i, 2), 3);
        break;
      case 3:
        count(rows->i64(i, 0), 4);
        break;
      case 4:
        count(rows->i64(i, 0), 5);
        break;
      default:
        count(rows->i64(i, 0), 2);
    }
  }
  for (const auto& [user, kind, target] : edges) {
    const bool mutual = edges.contains({user, 1, target}) && edges.contains({target, 1, user});
    EXPECT_EQ(edges.contains({user, 5, target}), mutual) << user << " " << target;
  }
  const auto counts =
      run_task(db_->query(Ctx{},
                          "SELECT user_id, following, followers, friends, requests, blocked, muted "
                          "FROM social_counts"));
  std::map<std::int64_t, std::vector<std::int64_t>> have;
  for (std::size_t i = 0; i < counts->size(); ++i) {
    std::vector<std::int64_t> row;
    for (std::size_t c = 1; c < 7; ++c) row.push_back(counts->i64(i, c));
    if (row != std::vector<std::int64_t>(6)) have[counts->i64(i, 0)] = row;
  }
  EXPECT_EQ(have, want);
}

}  // namespace sv::social
