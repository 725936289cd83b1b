#pragma once

#include <deque>
#include <fstream>

#include <gtest/gtest.h>

#include "platform/adapters/test_database.h"
#include "platform/auth/token.h"
#include "platform/testing/fakes.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"
#include "platform/testing/ways.h"
#include "services/user/admin.h"
#include "services/user/migrations.h"
#include "services/user/service.h"

namespace sv::user {
using testing::run_task;
using testing::succeeded;
using testing::token_of;
using testing::Way;

class VideoCounts final : public video::VideoAbsent {
 public:
  Task<Result<video::UserVideoPartsResp>> get_user_video_parts(
      const Ctx&, const video::UserVideoPartsReq& req) override {
    ++calls;
    video::UserVideoPartsResp out;
    for (UserId id : req.user_ids) out.parts[id].video_count = 3;
    co_return out;
  }
  int calls = 0;
};

// Draws a picture whose content is what was sent; "text", "broken" and "huge" are refused.
class FakeTools final : public media::MediaTools {
 public:
  Task<Result<>> avatar(std::filesystem::path source, int, std::filesystem::path out) override {
    std::ifstream in(source, std::ios::binary);
    const std::string sent{std::istreambuf_iterator<char>(in), {}};
    if (sent == "text") co_return fail(Errc::unsupported_media);
    if (sent == "broken") co_return fail(Errc::unprocessable, "media_unreadable");
    if (sent == "huge") co_return fail(Errc::unprocessable, "media_too_large");
    std::ofstream(out, std::ios::binary) << "drawn " << sent;
    co_return Result<>{};
  }
  Task<Result<>> image(std::filesystem::path, int, std::filesystem::path) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> check() override { co_return Result<>{}; }
  Task<Result<media::MediaInfo>> probe(std::filesystem::path) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> poster(std::filesystem::path, std::chrono::milliseconds,
                        std::filesystem::path) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> sprite(std::filesystem::path, const media::MediaInfo&, std::filesystem::path,
                        std::filesystem::path, std::string) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> remux(std::filesystem::path, const media::MediaInfo&,
                       std::filesystem::path) override {
    co_return fail(Errc::internal);
  }
  Task<Result<std::vector<media::RenditionFile>>> transcode(std::filesystem::path,
                                                            const media::MediaInfo&,
                                                            std::vector<media::Rung>,
                                                            std::filesystem::path,
                                                            Progress) override {
    co_return fail(Errc::internal);
  }
};

class LikeCounts final : public interaction::InteractionAbsent {
 public:
  Task<Result<interaction::UserInteractionPartsResp>> get_user_interaction_parts(
      const Ctx&, const interaction::UserInteractionPartsReq& req) override {
    interaction::UserInteractionPartsResp out;
    for (UserId id : req.user_ids) out.parts[id] = {.likes_received = 5, .comments_received = 2};
    co_return out;
  }
};

// `blocker` blocked everyone else.
class Ties final : public social::SocialAbsent {
 public:
  Task<Result<social::SocialPartsResp>> get_social_parts(
      const Ctx&, const social::SocialPartsReq& req) override {
    if (silent) co_return fail(Errc::internal);
    social::SocialPartsResp out;
    for (UserId id : req.user_ids) {
      social::SocialParts& part = out.parts[id];
      if (req.with_counts) part.follow_count = 7, part.follower_count = 8;
      part.is_follow = req.user_id && req.user_id != id;
      part.has_blocked = id == blocker && req.user_id != id;
    }
    co_return out;
  }
  UserId blocker{};
  bool silent = false;
};

struct UserTest : ::testing::TestWithParam<Way> {
  void SetUp() override { start(); }

  void start() {
    other.service.reset();
    other.db.reset();
    direct.reset();
    revoked = std::make_unique<auth::RevokedSessions>(clock);
    db.reset();
    auto opened = testing::open_test_database(folder / "user.db", {{"user", migrations()}});
    ASSERT_TRUE(succeeded(opened));
    db = std::move(*opened);
    serve(pool);
    for (const auto& ended : run_task(service->get_revoked_sessions({}, {}))->sessions)
      revoked->add(std::to_string(ended.id), ended.until_ms);
  }

  // With `bcrypt` for the hashing of passwords.
  void serve(ThreadPool& bcrypt) {
    direct = make_user_service({*db, clock, ids, keys, *revoked, bcrypt, events, revision, services,
                                metrics, disk, &media, testing::memory_age(GetParam())},
                               options);
    service = direct.get();
    if (GetParam() == Way::two) serve_other(bcrypt);
  }
  // What has ended is heard by both: where they are processes, the edge asks for it.
  void serve_other(ThreadPool& bcrypt) {
    other.service.reset();
    other.db = std::move(testing::open_test_database(folder / "user.db", {}).value());
    other.service =
        make_user_service({*other.db, clock, ids, keys, *revoked, bcrypt, events, other.revision,
                           services, other.metrics, disk, &media, testing::memory_age(GetParam())},
                          options);
    two.emplace(*direct, *other.service, clock);
    service = &two->client();
  }

  Result<LoginRegisterResp> sign_up(std::string name, std::string password = "a fine password") {
    return run_task(service->register_(
        guest,
        {.username = std::move(name), .password = std::move(password), .avatar = {}, .about = {}}));
  }
  Result<LoginRegisterResp> sign_up_keyed(std::string key, std::string name,
                                          std::string password = "a fine password",
                                          std::string about = "") {
    Ctx ctx = guest;
    ctx.idempotency_key = std::move(key);
    return run_task(service->register_(ctx, {.username = std::move(name),
                                             .password = std::move(password),
                                             .avatar = {},
                                             .about = std::move(about)}));
  }
  Result<LoginRegisterResp> login(std::string name, std::string password = "a fine password") {
    return run_task(
        service->login(guest, {.username = std::move(name), .password = std::move(password)}));
  }
  Result<RefreshResp> refresh(std::string token) {
    return run_task(service->refresh(guest, {.refresh_token = std::move(token)}));
  }
  bool good(const std::string& token) {
    return run_task(service->verify_token(guest, token)).value();
  }

  // The call of someone who holds `token`.
  Ctx as(const std::string& token) {
    const auto claims = auth::TokenSigner(keys, clock).verify(token).value();
    Ctx ctx = guest;
    ctx.caller = claims.user;
    ctx.session = claims.session;
    return ctx;
  }
  AdminDeps admin() { return {*db, clock, ids, events, options.access_ttl, options.bcrypt_cost}; }

  testing::TempDir folder;
  testing::ManualClock clock;
  testing::CountingIds ids;
  auth::KeyRing keys{{{"k1", std::string(32, 's')}}};
  testing::RecordingEvents events;
  ContentRevision revision;
  Services services;
  metrics::Registry metrics;
  ThreadPool pool{"bcrypt", 2, 64}, disk{"disk", 1, 64};
  FakeTools media;
  UserOptions options{.bcrypt_cost = 4};
  std::unique_ptr<auth::RevokedSessions> revoked;
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<UserApi> direct;
  struct {
    ContentRevision revision;
    metrics::Registry metrics;
    std::unique_ptr<sql::Database> db;
    std::unique_ptr<UserApi> service;
  } other;
  std::optional<testing::TwoOf<UserApi, UserClient, dispatch_user>> two;
  UserApi* service = nullptr;  // one of the two
  Ctx guest = make_guest();

  static Ctx make_guest() {
    Ctx ctx;
    ctx.address = "192.0.2.7";
    ctx.user_agent = "test/1";
    return ctx;
  }
};

}  // namespace sv::user
