// Two instances over one database, each with its own memory, connections, ids and a clock that is
// ten seconds from the other's.
#include <deque>
#include <thread>

#include "platform/adapters/id_source.h"
#include "services/interaction/test_world.h"

namespace sv::interaction {
namespace {

using namespace std::chrono_literals;

constexpr UserId kGoes{12};

class TwoOf : public InteractionTest {
 protected:
  struct Instance {
    Instance(const std::filesystem::path& file, const Services& services,
             std::chrono::milliseconds clock_is)
        : db(testing::open_test_database(file,
                                         {{"interaction", migrations()}, {"id", id_migrations()}})
                 .value()) {
      clock.advance(clock_is);
      ids = make_id_source(*db, clock, supervisor).value();
      service = make_interaction_service({*db, clock, *ids, events, revision, services, metrics});
    }
    ~Instance() { service->stop(); }
    Result<> hear(std::string topic, std::string payload) {
      return events.deliver({{.id = 1,
                              .topic = std::move(topic),
                              .key = "k",
                              .revision = 1,
                              .payload = std::move(payload),
                              .time_ms = 0}});
    }

    std::unique_ptr<sql::Database> db;
    testing::ManualClock clock;
    metrics::Registry metrics;
    Supervisor supervisor{metrics};
    std::unique_ptr<IdSource> ids;
    testing::RecordingEvents events;
    ContentRevision revision;
    std::unique_ptr<InteractionService> service;
  };

  std::int64_t count(std::string_view sql) { return run_task(db_->query(Ctx{}, sql))->i64(0, 0); }

  Instance one_{folder_ / "interaction.db", services_, -5s};
  Instance other_{folder_ / "interaction.db", services_, 5s};
};

// People who like, unlike and comment, each request sent through both; comments that are liked,
// answered and deleted meanwhile.
class Crowd {
 public:
  explicit Crowd(InteractionService& service, int seed) : service_(service), seed_(seed) {}

  void run() {
    for (int i = 0; i < 250; ++i) {
      const VideoId video = i % 3 == 0 ? kSong : i % 3 == 1 ? kFilm : kClip;
      const UserId user(10 + (i * 7 + seed_) % 20);
      ask([&](const Ctx& ctx) {
        return service_.like_action(
            ctx, likes_.emplace_back(LikeActionReq{user, video, (i / 3 + seed_) % 3 != 0}));
      });
      if (i % 5 == 0) comment(user, video, fmt::format("{} {} {}", user, video, i));
    }
    io_.run();
  }

 private:
  template <class Ask>
  void ask(Ask make, std::string key = {}) {
    Ctx& ctx = contexts_.emplace_back();
    ctx.idempotency_key = std::move(key);
    asio::co_spawn(io_, make(ctx), [](const std::exception_ptr&, const auto&) {});
  }
  void comment(UserId user, VideoId video, const std::string& text) {
    ask([&](const Ctx& ctx) { return talk(ctx, user, video, text); }, text);
  }
  Task<Result<>> talk(const Ctx& ctx, UserId user, VideoId video, std::string text) {
    const CommentActionReq req{.user_id = user, .video_id = video, .content = text};
    SV_CO_TRY(const auto made, co_await service_.comment_action(ctx, req));
    const CommentLikeActionReq like{.user_id = user, .comment_id = made.comment.id, .action = true};
    (void)co_await service_.comment_like_action(Ctx{}, like);
    CommentActionReq answer{.user_id = user, .video_id = video, .content = text};
    answer.reply_to_id = made.comment.id;
    (void)co_await service_.comment_action(Ctx{}, answer);
    if (text.size() % 2 == 0) {
      const DeleteCommentReq gone{.user_id = user, .video_id = {}, .comment_id = made.comment.id};
      (void)co_await service_.delete_comment(Ctx{}, gone);
    }
    co_return Result<>{};
  }

  InteractionService& service_;
  const int seed_;
  asio::io_context io_;
  std::deque<Ctx> contexts_;
  std::deque<LikeActionReq> likes_;
};

TEST_P(TwoOf, WhateverRunsAtOnceNothingIsLostOrDoubled) {
  std::deque<Crowd> crowds;
  for (int seed : {0, 0, 1}) {  // twice the same requests, and others
    crowds.emplace_back(*one_.service, seed);
    crowds.emplace_back(*other_.service, seed);
  }
  std::vector<std::thread> threads;
  for (Crowd& crowd : crowds) threads.emplace_back([&crowd] { crowd.run(); });
  // In the middle of it a video and a person go, each heard of by one instance.
  while (count("SELECT count(*) FROM interaction_comments") < 20) std::this_thread::yield();
  EXPECT_TRUE(
      one_.hear("video.changed",
                fmt::format(R"({{"id":{},"authorId":{},"status":"deleted"}})", kClip, kAnn)));
  EXPECT_TRUE(other_.hear("user.deleted", fmt::format(R"({{"id":{}}})", kGoes)));
  for (auto& thread : threads) thread.join();

  expect_no_drift();
  EXPECT_EQ(count("SELECT count(*) FROM interaction_edges WHERE object_id = 101 AND kind <> 3"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM interaction_comments WHERE video_id = 101"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM interaction_edges WHERE user_id = 12"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM interaction_comments WHERE user_id = 12 AND deleted = 0"),
            0);
  // A key made one comment, and its row.
  EXPECT_EQ(count(R"(
      SELECT count(*)
      FROM interaction_requests r
      LEFT JOIN interaction_comments c ON c.id = r.result
      WHERE c.id IS NULL AND r.request_key NOT LIKE '% 101 %')"),
            0);
  EXPECT_EQ(count(R"(
      SELECT count(*)
      FROM (SELECT content
            FROM interaction_comments
            WHERE root_id = 0 AND deleted = 0
            GROUP BY content
            HAVING count(*) > 1) AS twice)"),
            0);
}

// Its two instances are its own, on either engine.
INSTANTIATE_TEST_SUITE_P(Crowds, TwoOf, ::testing::Values(Way::direct),
                         [](const auto&) { return std::string("AtOnce"); });

}  // namespace
}  // namespace sv::interaction
