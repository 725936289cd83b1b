#include "services/video/store.h"
#include "services/video/test_world.h"

namespace sv::video {
namespace {

const std::string kJpeg = std::string("\xFF\xD8\xFF\xE0\0\x10JFIF", 10) + std::string(600, 'x');

SV_BOTH_WAYS(VideoWorld);

TEST_P(VideoWorld, AnUploadBecomesWatchableAndShowsInTheFeed) {
  auto made = upload(kAnn, "first", mp4("first"), {.tags = {"cats", "#dogs", "cats"}});
  ASSERT_TRUE(testing::succeeded(made));
  EXPECT_EQ(made->status, "uploaded");
  EXPECT_EQ(made->tags, (std::vector<std::string>{"cats", "dogs"}));
  EXPECT_TRUE(feed().videos.empty());

  EXPECT_EQ(run(service_->run_due_jobs()), 5);  // probe, cover, first, sprite, ladder
  const std::int64_t published = clock_.now_ms() / 1000;
  auto page = feed();
  ASSERT_EQ(page.videos.size(), 1u);
  const Video& v = page.videos[0];
  EXPECT_EQ(v.status, "ready");
  EXPECT_EQ(v.author->username, "user1001");
  EXPECT_EQ(v.publish_time, published);
  EXPECT_EQ(v.duration_ms, 10'000);
  EXPECT_TRUE(v.url->starts_with(fmt::format("https://v.example/media/{}/", v.id)));
  EXPECT_TRUE(v.url->ends_with("/720.mp4"));
  EXPECT_TRUE((*v.hls_url)->ends_with("/master.m3u8"));

  for (const auto& url : {v.url, v.cover_url, *v.hls_url, *v.sprite_url, *v.vtt_url}) {
    auto grant = run(api().authorize_media(ctx_, {.path = path_of(url)}));
    ASSERT_TRUE(testing::succeeded(grant)) << url;
    EXPECT_TRUE(grant->is_public);
    EXPECT_TRUE(testing::succeeded(run(objects_->head(grant->object_key)))) << url;
  }
  auto status = run(api().get_video_status(ctx_, {.video_id = v.id, .current_user_id = kAnn}));
  ASSERT_TRUE(testing::succeeded(status));
  EXPECT_EQ(status->progress, 100);
  EXPECT_EQ(status->stage, "done");
  EXPECT_EQ(status->renditions.size(), 4u);  // original, 360, 540, 720
  EXPECT_FALSE(run(api().get_video_status(ctx_, {.video_id = v.id, .current_user_id = kBob})));
  EXPECT_TRUE(findings().empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "scratch"), {}), 0);
}

TEST_P(VideoWorld, AnotherCodecIsEncodedOnceForTheFirstPictureAndOnceForTheRest) {
  auto v = published(kAnn, "hevc clip");
  EXPECT_EQ(media_.encodes, 2);
  EXPECT_TRUE(v.url->ends_with("/720.mp4"));
  EXPECT_TRUE(findings().empty());
}

// What the migration queues for videos whose master playlists an older version wrote.
TEST_P(VideoWorld, APlaylistJobMakesTheMasterAgainAndEncodesNothing) {
  const auto v = published(kAnn, "old clip");
  const auto key =
      run(api().authorize_media(ctx_, {.path = path_of(*v.hls_url)})).value().object_key;
  const std::string old = "#EXTM3U8\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360/index.m3u8\n";
  auto writer = run(objects_->put(key)).value();
  ASSERT_TRUE(testing::succeeded(run(writer->write(std::as_bytes(std::span(old))))));
  ASSERT_TRUE(testing::succeeded(run(writer->commit())));
  ASSERT_TRUE(testing::succeeded(run(db_->write(ctx_, [](sql::Tx& tx) -> Result<> {
    SV_CHECK(tx.execute(R"(
        INSERT INTO video_jobs (id, subject, kind, profile, lane, state, attempts, not_before,
            lease_until, worker, error)
        SELECT id, id, $1, 1, 0, 0, 0, 0, 0, 0, ''
        FROM video_assets
        WHERE master_file <> '')",
                        {num(JobKind::playlist)}));
    return {};
  }))));
  const auto encodes = media_.encodes;
  EXPECT_EQ(run(service_->run_due_jobs()), 2) << "and a purge, for what is retired";
  EXPECT_EQ(media_.encodes, encodes);
  const auto now = run(api().get_video_detail(ctx_, {.video_id = v.id})).value().video;
  const auto fresh =
      run(api().authorize_media(ctx_, {.path = path_of(*now.hls_url)})).value().object_key;
  EXPECT_NE(fresh, key);
  EXPECT_TRUE(stored().contains(key)) << "who plays by it now plays on";
  auto reader = run(objects_->open(fresh)).value();
  std::string text(reader->size(), ' ');
  ASSERT_EQ(run(reader->read(0, std::as_writable_bytes(std::span(text)))).value_or(0), text.size());
  EXPECT_TRUE(text.starts_with("#EXTM3U\n")) << text;
  EXPECT_TRUE(text.contains("RESOLUTION=1280x720")) << text;
  EXPECT_TRUE(findings().empty());
  auto status = run(api().get_video_status(ctx_, {.video_id = v.id, .current_user_id = kAnn}));
  EXPECT_EQ(status.value().stage, "done");
  clock_.advance(std::chrono::hours(2));
  run(service_->run_due_jobs());
  EXPECT_FALSE(stored().contains(key));
}

TEST_P(VideoWorld, WhatIsNoVideoIsRefusedAndLeavesNothing) {
  auto text = upload(kAnn, "t", std::string(600, 'a'));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::unsupported_media);
  EXPECT_EQ(text.error().token, "media_unsupported");
  EXPECT_FALSE(upload(kAnn, "playlist", "#EXTM3U8\nhttp://x/\n"));
  EXPECT_FALSE(upload(kAnn, "nothing", ""));
  EXPECT_EQ(upload(kAnn, "cover", mp4("c"), {.cover = "<svg/>"}).error().token,
            "cover_unsupported");
  EXPECT_TRUE(stored().empty());
  clock_.advance(std::chrono::hours(2));
  EXPECT_TRUE(findings().empty());
}

TEST_P(VideoWorld, BoundsNameTheField) {
  auto content = mp4("x");
  EXPECT_EQ(upload(kAnn, "  ", content).error().token, "title_required");
  EXPECT_EQ(upload(kAnn, std::string(101, 'a'), content).error().token, "title_too_long");
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += "字";
  EXPECT_TRUE(testing::succeeded(upload(kAnn, hundred, content)));
  EXPECT_EQ(upload(kAnn, "bad \xC3", content).error().token, "title_invalid");
  EXPECT_EQ(upload(kAnn, "a", content, {.tags = {std::string(33, 't')}}).error().field, "tags");
  EXPECT_EQ(upload(kAnn, "a", content, {.visibility = "friends"}).error().token,
            "visibility_invalid");
}

TEST_P(VideoWorld, BrokenMediaFailForGoodAndOursAreTriedAgain) {
  auto broken = published(kAnn, "broken");
  EXPECT_EQ(broken.status, "failed");
  auto status =
      run(api().get_video_status(ctx_, {.video_id = broken.id, .current_user_id = kAnn})).value();
  EXPECT_EQ(status.error, "media_unreadable");
  EXPECT_NE(status.message, "") << "a reason that a person can read";
  EXPECT_EQ(status.retryable, false);
  EXPECT_EQ(run(api().retry_video(ctx_, {.video_id = broken.id, .user_id = kAnn})).error().token,
            "not_retryable");
  EXPECT_FALSE(run(api().get_video_detail(ctx_, {.video_id = broken.id, .current_user_id = kBob})));

  media_.trouble = 2;
  auto flaky = published(kAnn, "flaky");
  EXPECT_EQ(flaky.status, "probing");
  for (int i = 0; i < 2; ++i) {
    clock_.advance(std::chrono::minutes(1));
    run(service_->run_due_jobs());
  }
  EXPECT_EQ(run(api().get_video_detail(ctx_, {.video_id = flaky.id, .current_user_id = kBob}))
                ->video.status,
            "ready");

  media_.trouble = 100;
  auto dead = published(kAnn, "dead letter");
  for (int i = 0; i < 6; ++i) {
    clock_.advance(std::chrono::hours(1));
    run(service_->run_due_jobs());
  }
  EXPECT_EQ(media_.trouble, 95);  // bounded
  status =
      run(api().get_video_status(ctx_, {.video_id = dead.id, .current_user_id = kAnn})).value();
  EXPECT_EQ(status.status, "failed");
  EXPECT_EQ(status.retryable, true);
  media_.trouble = 0;
  ASSERT_TRUE(
      testing::succeeded(run(api().retry_video(ctx_, {.video_id = dead.id, .user_id = kAnn}))));
  run(service_->run_due_jobs());
  EXPECT_EQ(run(api().get_video_detail(ctx_, {.video_id = dead.id, .current_user_id = kBob}))
                ->video.status,
            "ready");
}

TEST_P(VideoWorld, DuplicatesShareBytesAndEachPlaysUntilItIsDeleted) {
  auto one = published(kAnn, "one", {.sha256 = "same"});
  auto keys = stored();
  auto two = published(kBob, "two", {.cover = kJpeg, .sha256 = "same"});
  EXPECT_EQ(two.status, "ready");
  EXPECT_NE(one.url, two.url);
  keys.insert(
      run(api().authorize_media(ctx_, {.path = path_of(two.cover_url)})).value().object_key);
  EXPECT_EQ(stored(), keys);
  EXPECT_TRUE(std::ranges::any_of(
      keys, [&](const auto& key) { return key.starts_with(fmt::format("covers/{}/", two.id)); }));
  EXPECT_TRUE(two.cover_url->ends_with("/cover.jpg"));

  ASSERT_TRUE(
      testing::succeeded(run(api().delete_video(ctx_, {.video_id = one.id, .user_id = kAnn}))));
  EXPECT_FALSE(run(api().authorize_media(ctx_, {.path = path_of(one.url)})));
  run(service_->run_due_jobs());
  auto grant = run(api().authorize_media(ctx_, {.path = path_of(two.url)}));
  ASSERT_TRUE(testing::succeeded(grant));
  EXPECT_TRUE(testing::succeeded(run(objects_->head(grant->object_key))));
  EXPECT_TRUE(findings().empty());

  ASSERT_TRUE(
      testing::succeeded(run(api().delete_video(ctx_, {.video_id = two.id, .user_id = kBob}))));
  run(service_->run_due_jobs());
  EXPECT_TRUE(stored().empty());
  EXPECT_TRUE(findings().empty());
  EXPECT_TRUE(run(db_->query(Ctx{}, "SELECT id FROM video_videos"))->empty());
  EXPECT_TRUE(run(db_->query(Ctx{}, "SELECT id FROM video_jobs"))->empty());
  EXPECT_EQ(run(api().get_total_video_count(ctx_, {}))->count, 0);
}

TEST_P(VideoWorld, TheSameKeyGivesTheSameVideoAndOtherBytesAreRefused) {
  auto one = upload(kAnn, "one", mp4("one"), {.idempotency_key = "k"});
  auto again = upload(kAnn, "one", mp4("one"), {.idempotency_key = "k"});
  ASSERT_TRUE(one && again);
  EXPECT_EQ(one->id, again->id);
  // Every field of the form counts, not the bytes alone.
  for (const UploadOptions& o : {UploadOptions{.visibility = "private", .idempotency_key = "k"},
                                 {.cover = kJpeg, .idempotency_key = "k"},
                                 {.tags = {"x"}, .idempotency_key = "k"}})
    EXPECT_EQ(testing::token_of(upload(kAnn, "one", mp4("one"), o)), "idempotency_mismatch");
  EXPECT_EQ(testing::token_of(upload(kAnn, "two", mp4("one"), {.idempotency_key = "k"})),
            "idempotency_mismatch");
  auto other = upload(kAnn, "one", mp4("other"), {.idempotency_key = "k"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::unprocessable);
  EXPECT_EQ(stored().size(), 1u);
}

TEST_P(VideoWorld, PublishTakesOnlyWhatTheSameUserUploaded) {
  auto bytes = mp4("old client");
  auto up = run(api().upload_video(ctx_, {.user_id = kAnn,
                                          .video_data = bytes,
                                          .cover_data = kJpeg,
                                          .title = "t",
                                          .description = ""}));
  ASSERT_TRUE(testing::succeeded(up));
  PublishVideoReq req{.user_id = kBob,
                      .title = "t",
                      .video_url = up->video_url,
                      .cover_url = up->cover_url,
                      .description = "d"};
  EXPECT_EQ(run(api().publish_video(ctx_, req)).error().token, "video_url_invalid");
  req.user_id = kAnn;
  req.video_url = "http://169.254.169.254/latest";
  EXPECT_EQ(run(api().publish_video(ctx_, req)).error().token, "video_url_invalid");
  req.video_url = up->video_url;
  auto id = run(api().publish_video(ctx_, req));
  ASSERT_TRUE(testing::succeeded(id));
  EXPECT_EQ(run(api().publish_video(ctx_, req))->video_id, id->video_id);
  run(service_->run_due_jobs());
  EXPECT_TRUE(feed().videos.at(0).cover_url->ends_with("/cover.jpg"));
  EXPECT_TRUE(findings().empty());
}

TEST_P(VideoWorld, ARestartTakesOverWhatADeadProcessLeft) {
  auto half = run(api().begin_upload(ctx_, {.user_id = kAnn}));
  put(half->object_key, mp4("half"));
  auto made = upload(kAnn, "queued", mp4("queued"));
  ASSERT_TRUE(made);
  run(db_->run_write(Ctx{}, [](sql::Tx& tx) -> Result<> {  // as a killed process leaves its job
    SV_CHECK(
        tx.execute("UPDATE video_jobs SET state = 1, attempts = 1, lease_until = 9000000000000000, "
                   "worker = 7"));
    return {};
  }));
  std::filesystem::create_directories(folder_ / "scratch" / "left");
  EXPECT_EQ(run(service_->run_due_jobs()), 0);
  close();
  clock_.advance(std::chrono::seconds(1));
  open();
  ASSERT_TRUE(testing::succeeded(run(service_->recover())));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "scratch" / "left"));
  EXPECT_FALSE(run(objects_->head(half->object_key)));
  EXPECT_EQ(run(service_->run_due_jobs()), 5);
  EXPECT_EQ(feed().videos.size(), 1u);
  clock_.advance(std::chrono::hours(2));
  EXPECT_TRUE(findings().empty());
}

TEST_P(VideoWorld, TheBackgroundSlotsDoTheSameWithoutBeingAsked) {
  service_->start();
  auto made = upload(kAnn, "alone", mp4("alone"));
  ASSERT_TRUE(made);
  EXPECT_TRUE(eventually([&] {
    return run(api().get_video_status(ctx_, {.video_id = made->id, .current_user_id = kAnn}))
               ->progress == 100;
  }));
  EXPECT_EQ(feed().videos.size(), 1u);
}

TEST_P(VideoWorld, FsckFindsAndRepairs) {
  auto v = published(kAnn, "v");
  EXPECT_TRUE(findings().empty());
  put("media/77/stray.mp4", "stray");
  auto grant = run(api().authorize_media(ctx_, {.path = path_of(v.url)})).value();
  run(objects_->remove(grant.object_key));
  auto found = findings();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].kind, "orphan_object");
  EXPECT_EQ(found[1].kind, "missing_object");
  findings(FsckMode::repair);
  EXPECT_TRUE(findings().empty());
  close();
  open();
  EXPECT_TRUE(feed().videos.empty());
  EXPECT_EQ(run(api().list_mine(ctx_, {.user_id = kAnn}))->videos.at(0).status, "failed");
}

// The real tools on a real file, as the embedded shape runs them.
TEST_P(VideoWorld, ARealClipIsWatchableThenHasALadder) {
  auto clip = folder_ / "clip.mp4";
  auto command = fmt::format(
      "ffmpeg -v error -f lavfi -i testsrc=size=640x360:rate=25:duration=4 -f lavfi -i "
      "sine=duration=4 -c:v libx264 -preset ultrafast "
      "-pix_fmt yuv420p -b:v 400k -c:a aac -b:a 64k -shortest {} </dev/null",
      clip.string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::filesystem::create_directories(folder_ / "scratch");
  auto tools = media::make_media_tools({.scratch = folder_ / "scratch"});
  if (auto able = run(tools->check()); !able) GTEST_SKIP() << able.error().detail;
  close();
  open(tools.get());
  std::ifstream in(clip, std::ios::binary);
  auto made = upload(kAnn, "real", std::string(std::istreambuf_iterator<char>(in), {}));
  ASSERT_TRUE(testing::succeeded(made));
  service_->start();
  EXPECT_TRUE(eventually([&] { return !feed().videos.empty(); }));
  EXPECT_TRUE(eventually([&] {
    return run(api().get_video_status(ctx_, {.video_id = made->id, .current_user_id = kAnn}))
               ->progress == 100;
  }));
  auto page = feed();
  ASSERT_EQ(page.videos.size(), 1u);
  EXPECT_EQ(page.videos[0].width, 640);
  EXPECT_TRUE(eventually([&] { return !feed().videos[0].sprite_url->empty(); }));
  EXPECT_TRUE(findings().empty());
  close();
}

}  // namespace
}  // namespace sv::video
