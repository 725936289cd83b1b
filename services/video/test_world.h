#pragma once

#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "platform/adapters/file_objects.h"
#include "platform/adapters/id_source.h"
#include "platform/adapters/local_events.h"
#include "platform/adapters/local_search.h"
#include "platform/adapters/test_database.h"
#include "platform/core/offload.h"
#include "platform/testing/manual_clock.h"
#include "platform/testing/run.h"
#include "platform/testing/temp_dir.h"
#include "platform/testing/ways.h"
#include "services/video/fsck.h"
#include "services/video/migrations.h"
#include "services/video/service.h"

namespace sv::video {
using testing::Way;

// Reads its instructions from the content: "broken" cannot be probed, "noise" has no picture that
// decodes, "blank" has none that a poster or sprite could show, "hevc" needs an encode, "dense" has
// a high bit rate. `trouble` fails the next probes as ours, `odd` names a call that throws,
// `during` runs once, within the call that it names.
class FakeMedia final : public media::MediaTools {
 public:
  int trouble = 0;
  int encodes = 0;
  std::string odd;
  std::pair<std::string, std::function<void()>> during;
  std::vector<std::string> calls;  // "probe one", … : what was done to which content, in order

  Task<Result<>> check() override { co_return Result<>{}; }
  Task<Result<media::MediaInfo>> probe(std::filesystem::path source) override {
    if (trouble > 0) {
      --trouble;
      co_return fail(Errc::unavailable, "no_memory");
    }
    const auto text = enter("probe", source);
    if (text.find("broken") != std::string::npos)
      co_return fail(Errc::unprocessable, "media_unreadable");
    media::MediaInfo info{.duration_ms = 10'000,
                          .width = 1280,
                          .height = 720,
                          .fps = 25,
                          .format = "mp4",
                          .video_codec = "h264",
                          .pixel_format = "yuv420p",
                          .audio_codec = "aac",
                          .bit_rate = 2'000'000};
    if (text.find("hevc") != std::string::npos) info.video_codec = "hevc";
    if (text.find("dense") != std::string::npos) info.duration_ms = 1;
    co_return info;
  }
  Task<Result<>> poster(std::filesystem::path source, std::chrono::milliseconds,
                        std::filesystem::path out) override {
    SV_CO_CHECK(shows(enter("poster", source)));
    co_return put(out, "poster");
  }
  Task<Result<>> sprite(std::filesystem::path source, const media::MediaInfo&,
                        std::filesystem::path sprite, std::filesystem::path vtt,
                        std::string url) override {
    SV_CO_CHECK(shows(enter("sprite", source)));
    SV_CO_CHECK(put(sprite, "sprite"));
    co_return put(vtt, "WEBVTT " + url);
  }
  Task<Result<>> image(std::filesystem::path, int, std::filesystem::path out) override {
    co_return put(out, "cover");
  }
  Task<Result<>> avatar(std::filesystem::path, int, std::filesystem::path) override {
    co_return fail(Errc::internal);
  }
  Task<Result<>> remux(std::filesystem::path source, const media::MediaInfo&,
                       std::filesystem::path out) override {
    const auto text = enter("remux", source);
    if (text.find("noise") != std::string::npos)
      co_return fail(Errc::unprocessable, "media_unreadable");
    co_return put(out, text);
  }
  Task<Result<std::vector<media::RenditionFile>>> transcode(std::filesystem::path source,
                                                            const media::MediaInfo&,
                                                            std::vector<media::Rung> rungs,
                                                            std::filesystem::path folder,
                                                            Progress progress) override {
    ++encodes;
    enter("transcode", source);
    std::vector<media::RenditionFile> out;
    for (const auto& rung : rungs) {
      std::filesystem::create_directories(folder / rung.name);
      media::RenditionFile f{
          .rung = rung,
          .mp4 = folder / (rung.name + ".mp4"),
          .playlist = folder / rung.name / "index.m3u8",
          .segments = {folder / rung.name / "init.mp4", folder / rung.name / "0.m4s"}};
      SV_CO_CHECK(put(f.mp4, "mp4 " + rung.name));
      SV_CO_CHECK(put(f.playlist, "#EXTM3U"));
      for (const auto& s : f.segments) SV_CO_CHECK(put(s, "segment"));
      out.push_back(std::move(f));
    }
    progress(100);
    co_return out;
  }

 private:
  static std::string slurp(const std::filesystem::path& p) {
    std::ifstream in(p, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Contents begin with "ftyp…isom" and end with dots, see VideoWorld::mp4.
  std::string enter(std::string call, const std::filesystem::path& source) {
    if (call == odd) throw std::runtime_error("told to throw");
    if (call == during.first) std::exchange(during, {}).second();
    const std::string text = slurp(source);
    const auto name = text.substr(24, text.find_first_of('.', 24) - 24);
    calls.push_back(std::move(call) + " " + name);
    return text;
  }
  static Result<> shows(const std::string& text) {
    if (text.find("noise") != std::string::npos || text.find("blank") != std::string::npos)
      return fail(Errc::unprocessable, "media_unreadable");
    return {};
  }
  static Result<> put(const std::filesystem::path& p, std::string_view text) {
    std::ofstream(p, std::ios::binary) << text;
    return {};
  }
};

class FakeUsers final : public user::UserAbsent {
 public:
  std::set<UserId> gone, closed;
  bool silent = false;

  Task<Result<user::UserBriefsResp>> get_user_briefs(const Ctx&,
                                                     const user::UserBriefsReq& req) override {
    if (silent) co_return fail(Errc::deadline_exceeded);
    user::UserBriefsResp out;
    out.private_ids.emplace(closed.begin(), closed.end());
    for (auto id : req.user_ids)
      if (!gone.contains(id))
        out.briefs[id] = UserBrief{
            .id = id, .username = fmt::format("user{}", id), .avatar = {}, .is_follow = false};
    co_return out;
  }
};

// Who follows, blocked or muted whom is what the test says.
class FakeSocial final : public social::SocialAbsent {
 public:
  std::set<std::pair<UserId, UserId>> follows, blocks, mutes;
  std::int64_t more_followers = 0;  // of everyone
  std::atomic<bool> silent = false;

  Task<Result<social::SocialPartsResp>> get_social_parts(
      const Ctx&, const social::SocialPartsReq& req) override {
    if (silent) co_return fail(Errc::internal);
    std::lock_guard lock(mutex);
    social::SocialPartsResp out;
    for (auto id : req.user_ids) {
      auto& part = out.parts[id];
      part.is_follow = follows.contains({req.user_id, id});
      part.is_blocked = blocks.contains({req.user_id, id});
      part.has_blocked = blocks.contains({id, req.user_id});
      part.is_muted = mutes.contains({req.user_id, id});
      part.follower_count =
          more_followers + std::ranges::count(follows, id, &std::pair<UserId, UserId>::second);
    }
    co_return out;
  }
  Task<Result<social::FollowIdsResp>> get_following_ids(const Ctx&,
                                                        const social::FollowIdsReq& req) override {
    if (silent) co_return fail(Errc::internal);
    std::lock_guard lock(mutex);
    social::FollowIdsResp out;
    for (auto [from, to] : follows)
      if (from == req.user_id && to > req.after) out.user_ids.push_back(to);
    co_return out;
  }
  Task<Result<social::FollowIdsResp>> get_follower_ids(const Ctx&,
                                                       const social::FollowIdsReq& req) override {
    std::lock_guard lock(mutex);
    social::FollowIdsResp out;
    for (auto [from, to] : follows)
      if (to == req.user_id && from > req.after) out.user_ids.push_back(from);
    co_return out;
  }
  void set(std::set<std::pair<UserId, UserId>>& edges, UserId from, UserId to, bool on = true) {
    std::lock_guard lock(mutex);
    if (on) edges.emplace(from, to);
    else edges.erase({from, to});
  }

 private:
  std::mutex mutex;  // the inbox consumer asks on another thread
};

inline constexpr UserId kAnn{1001}, kBob{1002}, kCy{1003};

struct UploadOptions {
  std::string visibility = "public";
  std::string cover;
  std::vector<std::string> tags;
  std::string sha256;  // default: of the content
  std::string idempotency_key;
};

// The service on the embedded engines, with a clock that stands still and tools that do what the
// content says.
class VideoWorld : public ::testing::TestWithParam<Way> {
 protected:
  VideoWorld() { open(); }
  ~VideoWorld() override { close(); }

  void open(media::MediaTools* tools = nullptr) {
    pool_ = std::make_unique<ThreadPool>("files", 2, 1024);
    auto opened = testing::open_test_database(
        folder_ / "video.db",
        {{"video", migrations()}, {"event", local_events_migrations()}, {"id", id_migrations()}});
    ASSERT_TRUE(testing::succeeded(opened));
    db_ = std::move(*opened);
    ids_ = std::move(make_id_source(*db_, id_clock_, supervisor_).value());
    objects_ = std::move(make_file_objects({.root = folder_ / "objects"}, *pool_).value());
    search_ = std::move(make_local_search(folder_ / "search.db").value());
    events_ = make_local_events({db_.get()}, clock_, io_.get_executor(), supervisor_, metrics_, {});
    services_.user = &users_;
    services_.social = &social_;
    service_ =
        make_video_service(deps(*db_, tools ? tools : &media_),
                           {.public_url = "https://v.example", .scratch = folder_ / "scratch"});
    if (GetParam() == Way::two) open_other();
    thread_ = std::thread([this] {
      auto guard = asio::make_work_guard(io_);
      io_.run();
    });
    ASSERT_TRUE(testing::succeeded(events_->start()));
    if (other_.events) ASSERT_TRUE(testing::succeeded(other_.events->start()));
  }

  VideoDeps deps(sql::Database& db, media::MediaTools* tools) {
    return {.db = db,
            .clock = clock_,
            .ids = *ids_,
            .objects = *objects_,
            .events = *events_,
            .search = *search_,
            .services = services_,
            .revision = revision_,
            .metrics = metrics_,
            .supervisor = supervisor_,
            .files = *pool_,
            .executor = io_.get_executor(),
            .media = tools,
            .sign = [](std::string_view prefix) { return fmt::format("sig={}", prefix.size()); },
            .memory_age = testing::memory_age(GetParam())};
  }

  void open_other() {
    other_.db = std::move(testing::open_test_database(folder_ / "video.db", {}).value());
    other_.events = make_local_events({other_.db.get()}, clock_, io_.get_executor(),
                                      other_.supervisor, other_.metrics, {});
    VideoDeps of_other{.db = *other_.db,
                       .clock = clock_,
                       .ids = *ids_,
                       .objects = *objects_,
                       .events = *other_.events,
                       .search = *search_,
                       .services = services_,
                       .revision = other_.revision,
                       .metrics = other_.metrics,
                       .supervisor = other_.supervisor,
                       .files = *pool_,
                       .executor = io_.get_executor(),
                       .media = &media_,
                       .sign = deps(*db_, nullptr).sign,
                       .memory_age = testing::memory_age(GetParam())};
    other_.service = make_video_service(
        std::move(of_other),
        {.public_url = "https://v.example", .scratch = folder_ / "scratch-other"});
    two_.emplace(*service_, *other_.service, clock_);
  }

  void close() {
    if (!service_) return;
    events_->stop();
    if (other_.events) other_.events->stop();
    service_->stop();
    if (other_.service) other_.service->stop();
    io_.stop();
    thread_.join();
    const auto drift = run(find_drift(*db_));
    EXPECT_TRUE(testing::succeeded(drift));
    for (const Drift& d : drift.value())
      ADD_FAILURE() << d.counter << ": stored " << d.stored << ", counted " << d.counted;
    two_.reset();
    other_.service.reset();
    other_.events.reset();
    other_.db.reset();
    service_.reset();
    events_.reset();
    search_.reset();
    objects_.reset();
    ids_.reset();
    db_.reset();
    pool_.reset();
    io_.restart();
  }

  // Of both instances.
  Result<> flush_views() {
    SV_CHECK(run(service_->flush_views()));
    return other_.service ? run(other_.service->flush_views()) : Result<>();
  }

  VideoApi& api() { return two_ ? static_cast<VideoApi&>(two_->client()) : *service_; }

  template <class T>
  T run(Task<T> task) {
    return testing::run_task(std::move(task));
  }

  static std::string mp4(const std::string& content) {
    std::string out(
        "\0\0\0\x18"
        "ftypmp42\0\0\0\0mp42isom",
        24);
    out += content;
    out.resize(std::max<std::size_t>(out.size(), 600), '.');
    return out;
  }

  void put(const std::string& key, const std::string& bytes) {
    auto writer = run(objects_->put(key));
    ASSERT_TRUE(testing::succeeded(writer));
    ASSERT_TRUE(testing::succeeded(run((*writer)->write(std::as_bytes(std::span(bytes))))));
    ASSERT_TRUE(testing::succeeded(run((*writer)->commit())));
  }

  Result<Video> upload(UserId user, const std::string& title, const std::string& content,
                       UploadOptions o = {}) {
    auto begun = run(api().begin_upload(ctx_, {.user_id = user}));
    if (!begun) return std::unexpected(begun.error());
    put(begun->object_key, content);
    FinishUploadReq req{.upload_id = begun->upload_id,
                        .user_id = user,
                        .title = title,
                        .description = "about " + title,
                        .tags = o.tags,
                        .visibility = o.visibility,
                        .size = static_cast<std::int64_t>(content.size()),
                        .sha256 = o.sha256.empty()
                                      ? fmt::format("{:064x}", std::hash<std::string>{}(content))
                                      : o.sha256};
    if (!o.cover.empty()) {
      put(begun->cover_key, o.cover);
      req.cover_key = begun->cover_key;
    }
    Ctx ctx;
    ctx.idempotency_key = o.idempotency_key;
    auto done = run(api().finish_upload(ctx, req));
    if (!done) return std::unexpected(done.error());
    return done->video;
  }

  // Uploaded and fully processed.
  Video published(UserId user, const std::string& title, UploadOptions o = {}) {
    auto made = upload(user, title, mp4(o.sha256.empty() ? title : "shared"), o);
    EXPECT_TRUE(testing::succeeded(made));
    run(service_->run_due_jobs());
    auto seen = run(api().get_video_detail(ctx_, {.video_id = made->id, .current_user_id = user}));
    EXPECT_TRUE(testing::succeeded(seen));
    return seen->video;
  }

  FeedResp feed(FeedReq req = {.page_size = 20}) {
    auto page = run(api().get_feed(ctx_, req));
    EXPECT_TRUE(testing::succeeded(page));
    return page.value_or(FeedResp{});
  }

  std::string path_of(const std::string& url) {
    auto path = url.substr(std::string("https://v.example").size());
    return path.substr(0, path.find('?'));
  }

  std::set<std::string> stored() {
    std::set<std::string> keys;
    for (const char* prefix : {"sources/", "media/", "covers/"})
      for (const auto& o : run(objects_->list(prefix)).value()) keys.insert(o.key);
    return keys;
  }

  std::vector<FsckFinding> findings(FsckMode mode = FsckMode::report) {
    auto report = run(fsck(*db_, *objects_, clock_, mode));
    EXPECT_TRUE(testing::succeeded(report));
    return report ? report->findings : std::vector<FsckFinding>{};
  }

  // Whether what `call` answers, asked with ctx_, is not uncertain.
  template <class F>
  bool may_be_kept(F call) {
    ctx_.uncertain = std::make_shared<std::atomic<bool>>(false);
    call();
    return !*std::exchange(ctx_.uncertain, nullptr);
  }

  // For what another thread does soon.
  template <class F>
  bool eventually(F f) {
    for (auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         std::chrono::steady_clock::now() < until;) {
      if (f()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  testing::TempDir folder_;
  testing::ManualClock clock_;
  testing::ManualClock id_clock_{1'767'225'600'000};
  asio::io_context io_;
  std::thread thread_;
  Services services_;
  FakeUsers users_;
  FakeSocial social_;
  FakeMedia media_;
  ContentRevision revision_;
  metrics::Registry metrics_;
  Supervisor supervisor_{metrics_};
  Ctx ctx_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<sql::Database> db_;
  std::unique_ptr<IdSource> ids_;
  std::unique_ptr<ObjectStore> objects_;
  std::unique_ptr<SearchIndex> search_;
  std::unique_ptr<EventBus> events_;
  std::unique_ptr<VideoService> service_;
  struct {
    ContentRevision revision;
    metrics::Registry metrics;
    Supervisor supervisor{metrics};
    std::unique_ptr<sql::Database> db;
    std::unique_ptr<EventBus> events;
    std::unique_ptr<VideoService> service;
  } other_;
  std::optional<testing::TwoOf<VideoApi, VideoClient, dispatch_video>> two_;
};

}  // namespace sv::video
