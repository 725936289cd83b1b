#pragma once

#include <gtest/gtest.h>

#include "platform/adapters/test_database.h"
#include "platform/testing/fakes.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"
#include "platform/testing/ways.h"
#include "services/message/fsck.h"
#include "services/message/migrations.h"
#include "services/message/service.h"

namespace sv::message {
using testing::run_task;
using testing::succeeded;
using testing::token_of;
using testing::Way;

inline constexpr UserId kAnn{1}, kBob{2}, kCy{3}, kDan{4}, kEve{5};

class FakeUsers final : public user::UserAbsent {
 public:
  std::set<UserId> gone;
  std::map<UserId, user::Privacy> privacy;
  bool down = false, privacy_down = false;
  std::atomic<int> calls = 0;

  Task<Result<user::UserBriefsResp>> get_user_briefs(const Ctx&,
                                                     const user::UserBriefsReq& req) override {
    ++calls;
    if (down) co_return fail(Errc::unavailable, "user_unavailable");
    if (req.user_ids.size() > 200) co_return invalid("user_ids", "too_long");
    user::UserBriefsResp out;
    for (UserId id : req.user_ids)
      if (!gone.contains(id))
        out.briefs[id] = {.id = id, .username = name(id), .avatar = {}, .is_follow = false};
    co_return out;
  }
  Task<Result<user::BatchUserInfoResp>> batch_get_user_info(
      const Ctx&, const user::BatchUserInfoReq& req) override {
    if (down) co_return fail(Errc::unavailable, "user_unavailable");
    user::BatchUserInfoResp out;
    for (UserId id : req.user_ids) {
      if (gone.contains(id)) continue;
      out.users[id].id = id;
      out.users[id].username = name(id);
    }
    co_return out;
  }
  Task<Result<user::PrivacyOfResp>> get_privacy_of(const Ctx&,
                                                   const user::PrivacyOfReq& req) override {
    if (down || privacy_down) co_return fail(Errc::internal);
    user::PrivacyOfResp out;
    for (UserId id : req.user_ids)
      if (auto at = privacy.find(id); at != privacy.end()) out.privacy[id] = at->second;
    co_return out;
  }
  static std::string name(UserId id) {
    static constexpr std::array kNames{"ann", "bob", "cy", "dan", "eve"};
    return id.value >= 1 && id.value <= 5 ? kNames[static_cast<std::size_t>(id.value) - 1]
                                          : fmt::format("user{}", id.value);
  }
};

class FakeSocial final : public social::SocialAbsent {
 public:
  std::set<std::pair<UserId, UserId>> follows, blocks, mutes;  // who, whom
  bool down = false;

  Task<Result<social::SocialPartsResp>> get_social_parts(
      const Ctx&, const social::SocialPartsReq& req) override {
    if (down) co_return fail(Errc::unavailable, "social_unavailable");
    if (req.user_ids.size() > 200) co_return invalid("user_ids", "too_long");
    social::SocialPartsResp out;
    for (UserId id : req.user_ids) {
      auto& part = out.parts[id];
      part.is_follow = follows.contains({req.user_id, id});
      part.is_followed_by = follows.contains({id, req.user_id});
      part.is_blocked = blocks.contains({req.user_id, id});
      part.has_blocked = blocks.contains({id, req.user_id});
      part.is_muted = mutes.contains({req.user_id, id});
    }
    co_return out;
  }
};

class FakeVideos final : public video::VideoAbsent {
 public:
  std::map<VideoId, std::string> titles;
  bool down = false;

  Task<Result<video::VideoBriefsResp>> get_video_briefs(const Ctx&,
                                                        const video::VideoBriefsReq& req) override {
    if (down) co_return fail(Errc::unavailable, "video_unavailable");
    if (req.video_ids.size() > 200) co_return invalid("video_ids", "too_long");
    video::VideoBriefsResp out;
    for (VideoId id : req.video_ids)
      if (auto at = titles.find(id); at != titles.end())
        out.briefs[id] = {
            .id = id, .author_id = kAnn, .title = at->second, .cover_url = {}, .duration_ms = 0};
    co_return out;
  }
};

struct MessageTest : ::testing::TestWithParam<Way> {
  void SetUp() override {
    services.user = &users;
    services.social = &social;
    services.video = &videos;
    start();
  }

  void TearDown() override {
    const auto drift = run_task(find_drift(*db));
    ASSERT_TRUE(succeeded(drift));
    for (const Drift& d : *drift)
      ADD_FAILURE() << d.counter << ": stored " << d.stored << ", counted " << d.counted;
  }

  // A process begins on the same files.
  void start() {
    other.service.reset();
    other.db.reset();
    service.reset();
    db.reset();
    auto opened = testing::open_test_database(folder / "message.db", {{"message", migrations()}});
    ASSERT_TRUE(succeeded(opened));
    db = std::move(*opened);
    service = make_message_service(
        {*db, clock, ids, events, services, metrics, testing::memory_age(GetParam())}, options);
    if (GetParam() == Way::two) start_other();
  }
  void start_other() {
    other.db = std::move(testing::open_test_database(folder / "message.db", {}).value());
    other.service = make_message_service(
        {*other.db, clock, ids, events, services, other.metrics, testing::memory_age(GetParam())},
        options);
    two.emplace(*service, *other.service, clock);
  }

  MessageApi& api() { return two ? static_cast<MessageApi&>(two->client()) : *service; }

  Result<SendMessageResp> send(UserId from, UserId to, std::string text, std::string key = {}) {
    Ctx ctx;
    ctx.idempotency_key = std::move(key);
    return run_task(api().send_message(
        ctx, {.sender_id = from, .receiver_id = to, .content = std::move(text)}));
  }
  MessageId sent(UserId from, UserId to, std::string text) {
    auto reply = send(from, to, std::move(text));
    EXPECT_TRUE(succeeded(reply));
    return reply ? reply->message_id : MessageId{};
  }
  Result<GetChatHistoryResp> history(UserId of, UserId with, MessageId before = {}, int size = 20) {
    return run_task(api().get_chat_history(
        {}, {.user_id1 = of, .user_id2 = with, .last_message_id = before, .page_size = size}));
  }
  std::vector<std::string> texts(UserId of, UserId with) {
    std::vector<std::string> out;
    auto found = history(of, with);
    EXPECT_TRUE(succeeded(found));
    for (const Message& m : found->messages) out.push_back(m.content);
    return out;
  }
  Result<GetLatestMessagesResp> latest(UserId of, bool requests = false, int size = 20,
                                       std::string cursor = {}) {
    return run_task(api().get_latest_messages(
        {}, {.user_id = of, .limit = size, .cursor = std::move(cursor), .requests = requests}));
  }
  // "bob:2:hello": who, how many unread, the last message.
  std::vector<std::string> inbox(UserId of, bool requests = false) {
    std::vector<std::string> out;
    auto found = latest(of, requests);
    EXPECT_TRUE(succeeded(found));
    for (const LatestMessage& l : found->messages)
      out.push_back(
          fmt::format("{}:{}:{}", l.user.username, l.unread_count, l.last_message.content));
    return out;
  }
  GetUnreadCountResp unread(UserId of) {
    return run_task(api().get_unread_count({}, {.user_id = of})).value();
  }
  Result<> read(UserId who, UserId with, std::int64_t seq) {
    return run_task(
        api().mark_conversation_read({}, {.user_id = who, .other_user_id = with, .seq = seq}));
  }
  Result<> remove(UserId who, MessageId id) {
    return run_task(api().delete_message({}, {.user_id = who, .message_id = id}));
  }
  Result<> accept(UserId who, UserId from) {
    return run_task(api().accept_request({}, {.user_id = who, .from_user_id = from}));
  }
  void befriend(UserId a, UserId b) { social.follows.insert({{a, b}, {b, a}}); }

  Result<GetNotificationsResp> notices(UserId of, std::string kind = {}, Lang lang = Lang::zh,
                                       int size = 20, std::string cursor = {}, int page = 1) {
    Ctx ctx;
    ctx.lang = lang;
    GetNotificationsReq req{
        .user_id = of, .page = page, .page_size = size, .cursor = std::move(cursor)};
    if (!kind.empty()) req.kind = std::move(kind);
    return run_task(api().get_notifications(ctx, req));
  }
  Event event(std::string topic, UserId key, std::string payload) {
    clock.advance(std::chrono::seconds(1));
    return {.topic = std::move(topic),
            .key = std::to_string(key.value),
            .payload = std::move(payload),
            .time_ms = clock.now_ms()};
  }
  // Everything is delivered twice: a consumer that counts something twice fails every test.
  void happen(const Event& e) { happen(std::vector{e}); }
  void happen(const std::vector<Event>& together) {
    ASSERT_TRUE(succeeded(events.deliver(together)));
    ASSERT_TRUE(succeeded(events.deliver(together)));
  }
  void likes(std::vector<UserId> who, VideoId video, UserId author) {
    std::vector<std::int64_t> values;
    for (UserId id : who) values.push_back(id.value);
    happen(event("interaction.liked", author,
                 fmt::format(R"({{"video":{},"author":{},"users":[{}]}})", video.value,
                             author.value, fmt::join(values, ","))));
  }
  void follows(UserId who, UserId target, std::string topic = "social.followed") {
    happen(event(std::move(topic), target,
                 fmt::format(R"({{"user":{},"target":{}}})", who.value, target.value)));
  }
  Event comment(std::int64_t comment, UserId who, VideoId video, UserId author,
                std::int64_t reply_to = 0, UserId reply_to_user = {}) {
    return event(
        "interaction.commented", author,
        fmt::format(
            R"({{"comment":{},"video":{},"author":{},"user":{},"replyTo":{},"replyToUser":{},"rootId":{}}})",
            comment, video.value, author.value, who.value, reply_to, reply_to_user.value,
            reply_to));
  }
  void comments(std::int64_t id, UserId who, VideoId video, UserId author,
                std::int64_t reply_to = 0, UserId reply_to_user = {}) {
    happen(comment(id, who, video, author, reply_to, reply_to_user));
  }
  std::int64_t rows(std::string table) { return run_task(count(std::move(table))); }
  Task<std::int64_t> count(std::string table) {
    const std::string sql = "SELECT count(*) FROM " + table;
    co_return (co_await db->query(Ctx{}, sql))->i64(0, 0);
  }

  testing::TempDir folder;
  testing::ManualClock clock;
  testing::CountingIds ids;
  testing::RecordingEvents events;
  FakeUsers users;
  FakeSocial social;
  FakeVideos videos;
  Services services;
  metrics::Registry metrics;
  MessageOptions options;
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<MessageApi> service;
  struct {
    metrics::Registry metrics;
    std::unique_ptr<sql::Database> db;
    std::unique_ptr<MessageApi> service;
  } other;
  std::optional<testing::TwoOf<MessageApi, MessageClient, dispatch_message>> two;
};

}  // namespace sv::message
