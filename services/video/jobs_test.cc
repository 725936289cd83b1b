#include <random>

#include "services/video/progress.h"
#include "services/video/test_world.h"
#include "services/video/views.h"

namespace sv::video {
namespace {

class Jobs : public VideoWorld {
 protected:
  VideoStatusResp status(const Video& v) {
    auto found = run(api().get_video_status(ctx_, {.video_id = v.id, .current_user_id = kAnn}));
    EXPECT_TRUE(testing::succeeded(found));
    return found.value_or(VideoStatusResp{});
  }
  Video queued(const std::string& content) {
    auto made = upload(kAnn, content, mp4(content));
    EXPECT_TRUE(testing::succeeded(made));
    return made.value_or(Video{});
  }
  // Until no job waits, however often it must be tried.
  void settle() {
    for (int i = 0; i < 8; ++i) {
      run(service_->run_due_jobs());
      clock_.advance(std::chrono::hours(1));
    }
  }
  // The place of the first call that is `what`, the number of calls when there is none.
  std::ptrdiff_t place(const std::string& what) {
    return std::ranges::find(media_.calls, what) - media_.calls.begin();
  }
  void replace_scratch_by_a_file() {
    std::filesystem::remove_all(folder_ / "scratch");
    std::ofstream(folder_ / "scratch") << "a file";
  }
  void put_scratch_back() {
    std::filesystem::remove(folder_ / "scratch");
    std::filesystem::create_directory(folder_ / "scratch");
  }
};

SV_BOTH_WAYS(Jobs);

TEST_P(Jobs, WithoutItsFolderAJobWaitsAndNoSlotDies) {
  std::filesystem::create_directory(folder_ / "scratch");
  service_->start();
  replace_scratch_by_a_file();
  std::vector<Video> clips;
  for (int i = 0; i < 6; ++i) clips.push_back(queued(fmt::format("clip {}", i)));
  EXPECT_TRUE(eventually([&] { return !supervisor_.failing().empty(); }));
  EXPECT_EQ(supervisor_.failing().at(0).loop, "video.jobs");
  EXPECT_EQ(supervisor_.failing().at(0).why.token, "scratch_unusable");
  clock_.advance(std::chrono::hours(1));  // more than any number of attempts would last
  put_scratch_back();
  for (const Video& v : clips)
    EXPECT_TRUE(eventually([&] {
      clock_.advance(std::chrono::seconds(1));
      return status(v).stage == "done";
    }));
  EXPECT_TRUE(supervisor_.failing().empty());
}

TEST_P(Jobs, WhatAJobThrowsIsItsFailureAndTheNextOneRuns) {
  media_.odd = "remux";
  const Video one = queued("one");
  settle();
  EXPECT_EQ(status(one).status, "failed");
  EXPECT_EQ(status(one).stage, "first");
  EXPECT_EQ(status(one).error, "processing_failed");
  EXPECT_EQ(status(one).retryable, true);
  media_.odd.clear();
  const Video two = queued("two");
  ASSERT_TRUE(
      testing::succeeded(run(api().retry_video(ctx_, {.video_id = one.id, .user_id = kAnn}))));
  settle();
  for (const Video& v : {one, two}) EXPECT_EQ(status(v).stage, "done");
}

// A good index with noise for pictures: nothing of it plays, and its author is told so.
TEST_P(Jobs, AClipWithoutAPictureThatDecodesFailsWithAReason) {
  const Video v = queued("noise");
  settle();
  EXPECT_EQ(status(v).status, "failed");
  EXPECT_EQ(status(v).error, "media_unreadable");
  EXPECT_EQ(status(v).retryable, false);
  EXPECT_LT(status(v).progress, 100);
  Ctx english;
  english.lang = Lang::en;
  const auto mine = run(api().list_mine(english, {.user_id = kAnn})).value().videos.at(0);
  EXPECT_EQ(mine.status, "failed");
  EXPECT_EQ(mine.error, "media_unreadable");
  EXPECT_EQ(mine.message, "the file is not a readable video or picture");
  EXPECT_EQ(mine.retryable, false);
  EXPECT_TRUE(findings().empty());
}

TEST_P(Jobs, AClipThatShowsNoPosterPlaysWithoutOneAndIsDone) {
  const Video v = published(kAnn, "blank");
  EXPECT_EQ(v.status, "ready");
  EXPECT_EQ(v.cover_url, "");
  EXPECT_EQ(v.error, std::nullopt);
  EXPECT_EQ(status(v).stage, "done");
  EXPECT_EQ(status(v).progress, 100);
  EXPECT_EQ(status(v).sprite_url, "");
  EXPECT_EQ(status(v).error, "media_unreadable") << "why there is no sprite";
  EXPECT_EQ(status(v).retryable, false);
}

TEST_P(Jobs, WhatDiedByOurFaultIsDoneByARetry) {
  for (const char* call : {"poster", "sprite", "transcode"}) {
    media_.odd = call;
    const Video v = queued(call);
    settle();
    const auto before = status(v);
    EXPECT_EQ(before.status, "ready") << call;
    EXPECT_NE(before.stage, "done") << call;
    EXPECT_LT(before.progress, 100) << call;
    EXPECT_EQ(before.error, "processing_failed") << call;
    EXPECT_EQ(before.retryable, true) << call;
    media_.odd.clear();
    ASSERT_TRUE(
        testing::succeeded(run(api().retry_video(ctx_, {.video_id = v.id, .user_id = kAnn}))));
    EXPECT_GE(status(v).progress, before.progress) << call;
    settle();
    const auto after = status(v);
    EXPECT_EQ(after.stage, "done") << call;
    EXPECT_EQ(after.progress, 100) << call;
    EXPECT_NE(after.sprite_url, "") << call;
    EXPECT_NE(after.hls_url, "") << call;
    EXPECT_FALSE(after.error) << call;
  }
}

TEST_P(Jobs, APurgeIsTriedUntilItIsDone) {
  const Video v = published(kAnn, "v");
  ASSERT_TRUE(
      testing::succeeded(run(api().delete_video(ctx_, {.video_id = v.id, .user_id = kAnn}))));
  // A folder in the place of a file cannot be unlinked.
  const auto keys = stored();
  const auto poster = std::ranges::find_if(
      keys, [](const std::string& key) { return key.ends_with("/poster.jpg"); });
  ASSERT_NE(poster, keys.end());
  const auto stuck = folder_ / "objects" / *poster;
  ASSERT_TRUE(std::filesystem::remove(stuck));
  std::filesystem::create_directories(stuck / "in the way");
  for (int i = 0; i < 3; ++i) settle();
  EXPECT_FALSE(run(db_->query(Ctx{}, "SELECT id FROM video_jobs"))->empty());
  std::filesystem::remove_all(stuck);
  settle();
  EXPECT_TRUE(stored().empty());
  EXPECT_TRUE(run(db_->query(Ctx{}, "SELECT id FROM video_jobs"))->empty());
}

// A worker that stood still for minutes goes on where it was, while another has done its job.
TEST_P(Jobs, AnAttemptThatLostItsLeaseDamagesNothing) {
  for (const std::string call : {"poster", "remux", "sprite", "transcode"}) {
    SCOPED_TRACE(call);
    std::set<std::string> there;
    media_.during = {call, [&] {
                       const auto expired = run(db_->run_write(Ctx{}, [](sql::Tx& tx) -> Result<> {
                         SV_CHECK(tx.execute("UPDATE video_jobs SET state = $1 WHERE state = $2",
                                             {JobState::queued, JobState::running}));
                         return {};
                       }));
                       EXPECT_TRUE(testing::succeeded(expired));
                       run(service_->run_due_jobs());
                       there = stored();
                     }};
    const Video v = published(kAnn, "by " + call);
    EXPECT_FALSE(there.empty());
    EXPECT_EQ(stored(), there);
    EXPECT_EQ(status(v).stage, "done");
    EXPECT_EQ(status(v).progress, 100);
    for (const auto& url : {v.url, v.cover_url, *v.hls_url, *v.sprite_url}) {
      const auto grant = run(api().authorize_media(ctx_, {.path = path_of(url)}));
      ASSERT_TRUE(testing::succeeded(grant));
      EXPECT_TRUE(there.contains(grant->object_key)) << url;
    }
    EXPECT_TRUE(findings().empty());
  }
}

TEST_P(Jobs, AnAttemptThatFailsBetweenItsFilesLeavesNone) {
  std::string prefix;
  media_.during = {
      "transcode", [&] {
        const auto job = run(db_->query(
            Ctx{}, "SELECT subject, run FROM video_jobs WHERE state = $1", {JobState::running}));
        prefix = fmt::format("media/{}/{}/", job->i64(0, 0), job->i64(0, 1));
        put(prefix + "720", "a file where a folder should be");
      }};
  const Video v = queued("v");
  run(service_->run_due_jobs());
  EXPECT_EQ(status(v).stage, "ladder");
  ASSERT_FALSE(prefix.empty());
  for (const auto& key : stored()) EXPECT_FALSE(key.starts_with(prefix)) << key;
  EXPECT_TRUE(findings().empty());
  settle();
  EXPECT_EQ(status(v).stage, "done");
  EXPECT_TRUE(findings().empty());
}

TEST_P(Jobs, ACopyOfMoreThanTheRungsNeedGoesOnceTheyAreThereButNotUnderItsViewers) {
  media_.odd = "transcode";
  const Video v = queued("dense");
  run(service_->run_due_jobs());
  const auto copy = feed().videos.at(0).url;
  EXPECT_TRUE(copy->contains("/original.mp4"));
  media_.odd.clear();
  clock_.advance(std::chrono::minutes(10));
  run(service_->run_due_jobs());
  EXPECT_TRUE(feed().videos.at(0).url->contains("/720.mp4"));
  for (const auto& r : status(v).renditions) EXPECT_NE(r.name, "original");
  const auto key = run(api().authorize_media(ctx_, {.path = path_of(copy)})).value().object_key;
  EXPECT_TRUE(stored().contains(key)) << "who plays it now plays it to its end";
  EXPECT_TRUE(findings().empty());
  clock_.advance(std::chrono::hours(2));
  run(service_->run_due_jobs());
  EXPECT_FALSE(stored().contains(key));
  EXPECT_TRUE(findings().empty());
  EXPECT_EQ(status(v).stage, "done");
}

TEST_P(Jobs, TheOldestUploadIsWatchableFirstHoweverManyFollow) {
  for (int i = 0; i < 40; ++i) {
    clock_.advance(std::chrono::milliseconds(50));
    queued(fmt::format("clip {}", i));
  }
  run(service_->run_due_jobs());
  EXPECT_LT(place("remux clip 0"), place("probe clip 3"));
  EXPECT_LT(place("remux clip 20"), place("probe clip 23"));
  EXPECT_LT(place("remux clip 39"), place("sprite clip 0")) << "the rest lets the newer ones pass";
}

TEST_P(Jobs, TheRestWaitsForNewerUploadsButNotForEver) {
  media_.odd = "sprite";
  const Video first = queued("first");
  run(service_->run_due_jobs());
  media_.odd.clear();
  for (int i = 0; i < 10; ++i) {
    clock_.advance(std::chrono::seconds(10));
    queued(fmt::format("clip {}", i));
  }
  run(service_->run_due_jobs());
  EXPECT_LT(place("remux clip 1"), place("sprite first"));
  EXPECT_LT(place("sprite first"), place("probe clip 3"));
  EXPECT_EQ(status(first).stage, "done");
}

TEST_P(Jobs, ProgressAndStageNeverContradictEachOther) {
  std::minstd_rand random{7};
  const auto one_of = [&](auto... values) {
    const std::array all{values...};
    return all[random() % all.size()];
  };
  constexpr JobKind kChain[] = {JobKind::probe, JobKind::cover, JobKind::first, JobKind::sprite,
                                JobKind::ladder};
  for (int round = 0; round < 20'000; ++round) {
    std::vector<JobFacts> jobs;
    for (JobKind kind : kChain)
      jobs.push_back({.kind = kind,
                      .state = one_of(JobState::queued, JobState::running, JobState::done,
                                      JobState::done, JobState::done, JobState::dead),
                      .percent = one_of(0, 50, 100)});
    std::ranges::shuffle(jobs, random);
    const auto before = progress_of(jobs);
    ASSERT_EQ(before.percent == 100, before.stage == "done") << before.stage << before.percent;
    ASSERT_EQ(before.stage == "done", std::ranges::all_of(jobs, [](const JobFacts& j) {
                return j.state == JobState::done;
              }));
    auto& next = jobs[random() % jobs.size()];  // whatever goes on, the figure does not fall
    if (next.state == JobState::done) continue;
    next.state = one_of(JobState::running, JobState::done, JobState::dead);
    next.percent = 100;
    ASSERT_GE(progress_of(jobs).percent, before.percent);
  }
}

// Calls `before` and `after` around each write; what they answer is its outcome.
class WatchedDatabase final : public sql::Database {
 public:
  explicit WatchedDatabase(sql::Database& db) : db_(db) {}
  std::function<Result<>()> before = [] { return Result<>(); }, after = before;

  Task<Result<sql::Rows>> query(const Ctx& ctx, std::string_view sql, sql::Params params) override {
    return db_.query(ctx, sql, std::move(params));
  }
  Task<Result<>> run_write(const Ctx& ctx, std::function<Result<>(sql::Tx&)> work,
                           sql::Isolation isolation) override {
    SV_CO_CHECK(before());
    SV_CO_CHECK(co_await db_.run_write(ctx, std::move(work), isolation));
    co_return after();
  }
  std::size_t writers() const override { return db_.writers(); }
  std::uint64_t statements() const override { return db_.statements(); }

 private:
  sql::Database& db_;
};

TEST_P(Jobs, ALeaseEndsByTheDatabasesClock) {
  std::int64_t until = 0, now = 0;
  const auto look = [&] {
    const auto rows =
        run(db_->query(Ctx{}, "SELECT lease_until FROM video_jobs WHERE state = 1 /* running */"));
    until = rows->i64(0, 0);
    ASSERT_TRUE(testing::succeeded(run(db_->write(Ctx{}, [&](sql::Tx& tx) -> Result<> {
      SV_TRY(now, tx.now_ms());
      return {};
    }))));
  };
  media_.during = {"probe", look};
  published(kAnn, "leased");
  EXPECT_GT(std::abs(clock_.now_ms() - now), 3'600'000) << "the service's clock is another one";
  EXPECT_LE(until, now + 60'000);
  EXPECT_GT(until, now);
}

TEST_P(Jobs, AFlushEndsThoughViewsComeAllTheTime) {
  WatchedDatabase db(*db_);
  State state(deps(db, nullptr), {});
  ViewBuffer views(state);
  int writes = 0;
  db.after = [&]() -> Result<> {
    if (++writes < 10) views.add(VideoId(writes), "");
    return {};
  };
  views.add(VideoId(1), "");
  ASSERT_TRUE(testing::succeeded(run(views.flush())));
  EXPECT_EQ(writes, 1);
}

TEST_P(Jobs, ViewsCountOnceThoughTheAnswerToTheirWriteWasLost) {
  WatchedDatabase db(*db_);
  db.after = [] { return fail(Errc::unavailable, "outcome_unknown"); };
  State state(deps(db, nullptr), {});
  ViewBuffer views(state);
  for (int i = 1; i <= 10; ++i) views.add(VideoId(i), fmt::format("u{}", i));
  EXPECT_FALSE(run(views.flush()));
  views.add(VideoId(1), "later");  // meanwhile
  EXPECT_FALSE(run(views.flush()));
  db.after = db.before;
  ASSERT_TRUE(testing::succeeded(run(views.flush())));
  EXPECT_EQ(run(db_->query(Ctx{}, "SELECT sum(raw) FROM video_stats"))->i64(0, 0), 11);
  EXPECT_EQ(run(db_->query(Ctx{}, "SELECT sum(counted) FROM video_stats"))->i64(0, 0), 11);
}

TEST_P(Jobs, NoViewThatWasTakenIsLostWhenAWriteFailsWhileTheBufferIsFull) {
  std::int64_t taken = 0;
  ViewBuffer* buffer = nullptr;
  std::int64_t refused = 0;
  WatchedDatabase db(*db_);
  db.before = [&]() -> Result<> {
    for (int i = 0; i < 100'000; ++i) ++(buffer->add(VideoId(1'000'000 + i), "") ? taken : refused);
    return fail(Errc::storage_full);
  };
  State state(deps(db, nullptr), {});
  ViewBuffer views(state);
  buffer = &views;
  for (int i = 1; i <= 10; ++i) taken += views.add(VideoId(i), fmt::format("u{}", i)) ? 1 : 0;
  EXPECT_FALSE(run(views.flush()));
  db.before = db.after;
  ASSERT_TRUE(testing::succeeded(run(views.flush())));
  EXPECT_GT(refused, 0);
  EXPECT_EQ(run(db_->query(Ctx{}, "SELECT sum(raw) FROM video_stats"))->i64(0, 0), taken);
  EXPECT_EQ(run(db_->query(Ctx{}, "SELECT sum(counted) FROM video_stats"))->i64(0, 0), 10);
  EXPECT_TRUE(metrics_.text().contains(fmt::format("shortvideo_views_refused_total {}", refused)));
}

}  // namespace
}  // namespace sv::video
