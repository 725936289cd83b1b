// Durable likes and comments a second: the interaction service in this process, on a real file,
// against a bare loop that inserts the same rows in transactions of `--group`, taking turns. Both
// flush every COMMIT (synchronous=FULL). Or the service alone on PostgreSQL. See README.md.
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/adapters/id_source.h"
#include "platform/adapters/local_events.h"
#include "platform/adapters/postgres.h"
#include "platform/adapters/sqlite.h"
#include "platform/adapters/system_clock.h"
#include "platform/core/block_on.h"
#include "platform/core/task_group.h"
#include "services/interaction/migrations.h"
#include "services/interaction/service.h"

namespace sv {
namespace {

namespace fs = std::filesystem;
using Steady = std::chrono::steady_clock;

constexpr std::int64_t kUsers = 100'000, kVideos = 1'000;

struct Options {
  fs::path folder = "/tmp";
  std::string database;  // of a PostgreSQL server, empty of anything else; none: a file of SQLite
  double seconds = 3;
  int rounds = 3;
  std::int64_t callers = 512, group = 512;
};

enum class Work { likes, hot_likes, comments };

// Act number k of a run. No two likes are the same.
struct Act {
  UserId user;
  VideoId video;
};
Act act(Work work, std::int64_t k) {
  const std::int64_t user = k % kUsers, turn = k / kUsers;
  if (work == Work::hot_likes) return {.user = UserId(1 + k), .video = VideoId(1)};
  return {.user = UserId(1 + user), .video = VideoId(1 + (user + turn) % kVideos)};
}
UserId author_of(VideoId video) { return UserId(1'000'000'000 + video.value % 100); }
constexpr std::string_view kText =
    "what a lovely evening by the river, the light in the second half is perfect";

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "durable_writes: %s\n", what.c_str());
  std::exit(1);
}
template <class T>
T must(Result<T> result) {
  if (!result) die(result.error().token + ": " + result.error().detail);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct AllVideos final : video::VideoAbsent {
  Task<Result<video::VideoBriefsResp>> get_video_briefs(const Ctx&,
                                                        const video::VideoBriefsReq& req) override {
    video::VideoBriefsResp out;
    for (VideoId id : req.video_ids)
      out.briefs[id] = {
          .id = id, .author_id = author_of(id), .title = {}, .cover_url = {}, .duration_ms = 0};
    co_return out;
  }
};

struct AllUsers final : user::UserAbsent {
  Task<Result<user::UserBriefsResp>> get_user_briefs(const Ctx&,
                                                     const user::UserBriefsReq& req) override {
    user::UserBriefsResp out;
    out.private_ids.emplace();
    for (UserId id : req.user_ids)
      out.briefs[id] = {.id = id, .username = "user", .avatar = {}, .is_follow = false};
    co_return out;
  }
};

struct Strangers final : social::SocialAbsent {
  Task<Result<social::SocialPartsResp>> get_social_parts(
      const Ctx&, const social::SocialPartsReq& req) override {
    social::SocialPartsResp out;
    for (UserId id : req.user_ids) out.parts[id] = {};
    co_return out;
  }
};

struct Figures {
  double rate = 0, p50_ms = 0, p99_ms = 0, per_commit = 0;
};

class Loop {
 public:
  Loop() : guard_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~Loop() {
    guard_.reset();
    thread_.join();
  }
  asio::any_io_executor executor() { return io_.get_executor(); }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::thread thread_;
};

// All callers run on one loop, so nothing here needs a lock.
struct Run {
  interaction::InteractionService& service;
  Work work;
  Steady::time_point end;
  std::int64_t begun = 0, failed = 0;
  std::vector<double> latencies{};  // ms, of the acknowledged
};

Task<> caller(Run& run) {
  const Ctx ctx;
  while (Steady::now() < run.end) {
    const Act next = act(run.work, run.begun++);
    const auto start = Steady::now();
    bool done = false;
    if (run.work == Work::comments) {
      const interaction::CommentActionReq req{.user_id = next.user,
                                              .video_id = next.video,
                                              .content = std::string(kText),
                                              .reply_to_id = {}};
      done = (co_await run.service.comment_action(ctx, req)).has_value();
    } else {
      const interaction::LikeActionReq req{
          .user_id = next.user, .video_id = next.video, .action = true};
      done = (co_await run.service.like_action(ctx, req)).has_value();
    }
    if (done)
      run.latencies.push_back(
          std::chrono::duration<double, std::milli>(Steady::now() - start).count());
    else ++run.failed;
  }
}

template <class Migrate>
void make_tables(const Migrate& migrate) {
  must(migrate(local_events_migrations(), "event"));
  must(migrate(id_migrations(), "id"));
  must(migrate(interaction::migrations(), "interaction"));
}

// A file with the tables that both contestants write.
fs::path make_database(const Options& options, const char* name) {
  const fs::path path = options.folder / name;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path.string() + suffix);
  auto db = must(open_sqlite({.path = path}));
  make_tables([&](auto all, auto owner) { return migrate_sqlite(*db, all, owner); });
  return path;
}

// Of the service, its tables empty.
std::unique_ptr<sql::Database> open_database(const Options& options, SqliteCounters& counters) {
  if (options.database.empty())
    return must(open_sqlite({.path = make_database(options, "service.db"), .counters = &counters}));
  const PostgresOptions server{.url = options.database};
  make_tables([&](auto all, auto owner) { return migrate_postgres(server, all, owner); });
  auto db = must(open_postgres(server));
  must(block_on(db->run_write(Ctx{}, [](sql::Tx& tx) -> Result<> {
    for (const char* table : {"interaction_edges", "interaction_videos", "interaction_people",
                              "interaction_comments", "event_outbox", "event_waiting"})
      SV_CHECK(tx.execute(fmt::format("TRUNCATE {}", table)));
    return {};
  })));
  return db;
}

class Raw {
 public:
  explicit Raw(const fs::path& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) die("cannot open " + path.string());
    exec(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA "
        "cache_size=-16000; PRAGMA wal_autocheckpoint=4000;");
  }
  ~Raw() {
    for (sqlite3_stmt* s : statements_) sqlite3_finalize(s);
    sqlite3_close(db_);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  void exec(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      die(std::string(sql) + ": " + sqlite3_errmsg(db_));
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* s = nullptr;
    if (sqlite3_prepare_v2(db_, sql, -1, &s, nullptr) != SQLITE_OK)
      die(std::string(sql) + ": " + sqlite3_errmsg(db_));
    return statements_.emplace_back(s);
  }
  template <class... A>
  void run(sqlite3_stmt* s, A... values) {
    int i = 0;
    (bind(s, ++i, values), ...);
    if (sqlite3_step(s) != SQLITE_DONE) die(sqlite3_errmsg(db_));
    sqlite3_reset(s);
  }
  std::int64_t number(const char* sql) {
    sqlite3_stmt* s = prepare(sql);
    if (sqlite3_step(s) != SQLITE_ROW) die(sqlite3_errmsg(db_));
    const std::int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return n;
  }

 private:
  static void bind(sqlite3_stmt* s, int i, std::int64_t v) { sqlite3_bind_int64(s, i, v); }
  static void bind(sqlite3_stmt* s, int i, std::string_view v) {
    sqlite3_bind_text64(s, i, v.data(), v.size(), SQLITE_STATIC, SQLITE_UTF8);
  }

  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

// Edges and counters agree with what was acknowledged, or the figure is void.
void check(sql::Database& db, Work work, std::int64_t acknowledged) {
  constexpr std::string_view kComments = "SELECT count(*) FROM interaction_comments",
                             kEdges = "SELECT count(*) FROM interaction_edges", kCounted = R"(
    SELECT coalesce(sum(comments), 0), coalesce(sum(likes), 0)
    FROM interaction_videos)";
  const bool comments = work == Work::comments;
  const std::int64_t rows =
      must(block_on(db.query(Ctx{}, comments ? kComments : kEdges))).i64(0, 0);
  const std::int64_t sum = must(block_on(db.query(Ctx{}, kCounted))).i64(0, comments ? 0 : 1);
  if (rows != acknowledged || sum != acknowledged)
    die("acknowledged " + std::to_string(acknowledged) + ", rows " + std::to_string(rows) +
        ", counted " + std::to_string(sum));
}

Figures service_run(const Options& options, Work work) {
  SqliteCounters counters;
  const auto db = open_database(options, counters);
  std::int64_t acknowledged = 0;
  Figures out;
  {
    SystemClock clock;
    metrics::Registry metrics;
    Supervisor supervisor(metrics);
    auto ids = must(make_id_source(*db, clock, supervisor));
    ContentRevision revision;
    AllVideos videos;
    AllUsers users;
    Strangers social;
    Services services;
    services.video = &videos;
    services.user = &users;
    services.social = &social;
    Loop front, background;
    auto events =
        make_local_events({db.get()}, clock, background.executor(), supervisor, metrics, {});
    auto service = interaction::make_interaction_service(
        {*db, clock, *ids, *events, revision, services, metrics});
    if (auto started = events->start(); !started) {
      std::fprintf(stderr, "events: %s\n", started.error().detail.c_str());
      std::exit(1);
    }
    const std::uint64_t commits = counters.commits;
    Run run{.service = *service,
            .work = work,
            .end = Steady::now() +
                   std::chrono::nanoseconds(static_cast<std::int64_t>(options.seconds * 1e9))};
    const auto start = Steady::now();
    {
      TaskGroup group("callers");
      for (std::int64_t i = 0; i < options.callers; ++i)
        group.spawn(front.executor(), [&run] { return caller(run); });
      group.join();
    }
    const double took = std::chrono::duration<double>(Steady::now() - start).count();
    if (run.failed > 0) die(std::to_string(run.failed) + " writes were refused");
    acknowledged = static_cast<std::int64_t>(run.latencies.size());
    std::ranges::sort(run.latencies);
    out.rate = static_cast<double>(acknowledged) / took;
    out.p50_ms = run.latencies[run.latencies.size() / 2];
    out.p99_ms = run.latencies[run.latencies.size() * 99 / 100];
    out.per_commit = static_cast<double>(acknowledged) /
                     static_cast<double>(std::max<std::uint64_t>(1, counters.commits - commits));
    service->stop();
    events->stop();
  }
  check(*db, work, acknowledged);
  return out;
}

// The same rows: edge or comment each, the counters once a group and object, an event as the
// service makes them.
Figures bare_run(const Options& options, Work work, std::int64_t group) {
  const fs::path path = make_database(options, "bare.db");
  std::int64_t k = 0, commits = 0;
  Figures out;
  {
    Raw db(path);
    auto* edge = db.prepare(R"(
        INSERT INTO interaction_edges (object_id, kind, user_id, at_ms)
        VALUES (?, 1, ?, ?)
        ON CONFLICT DO NOTHING)");
    auto* comment = db.prepare(
        R"(
            INSERT INTO interaction_comments (id, video_id, user_id, root_id, reply_to_id,
                content, created_ms, likes, replies, hot, deleted)
            VALUES (?, ?, ?, 0, 0, ?, ?, 0, 0, ?, 0))");
    auto* video = db.prepare(
        R"(
            INSERT INTO interaction_videos
            VALUES (?, ?, ?, ?, 0, 0, 0, 1)
            ON CONFLICT (video_id) DO UPDATE SET likes = likes + excluded.likes,
                comments = comments + excluded.comments, revision = revision + 1)");
    auto* person = db.prepare(
        R"(
            INSERT INTO interaction_people
            VALUES (?, ?, ?, 0, 1)
            ON CONFLICT (user_id) DO UPDATE SET likes = likes + excluded.likes,
                comments = comments + excluded.comments, revision = revision + 1)");
    auto* event = db.prepare(
        "INSERT INTO event_outbox (topic, key, revision, payload, time_ms) VALUES (?, ?, 0, ?, ?)");
    const std::int64_t likes = work == Work::comments ? 0 : 1, comments = 1 - likes;
    const auto start = Steady::now();
    const auto end =
        start + std::chrono::nanoseconds(static_cast<std::int64_t>(options.seconds * 1e9));
    while (Steady::now() < end) {
      const std::int64_t now = wall_now_ms();
      std::map<std::int64_t, std::vector<std::int64_t>> by_video;
      std::map<std::int64_t, std::int64_t> by_author;
      db.exec("BEGIN IMMEDIATE");
      for (std::int64_t i = 0; i < group; ++i, ++k) {
        const Act next = act(work, k);
        if (likes) {
          db.run(edge, next.video.value, next.user.value, now);
        } else {
          const std::int64_t id = (now << 12) + k;
          db.run(comment, id, next.video.value, next.user.value, kText, now, now * 23);
          const std::string payload = fmt::format(
              R"({{"comment":{},"video":{},"author":{},"user":{},"replyTo":0,"replyToUser":0,"rootId":0}})",
              id, next.video, author_of(next.video), next.user);
          db.run(event, std::string_view("interaction.commented"),
                 std::string_view(fmt::format("{}", next.video)), std::string_view(payload), now);
        }
        by_video[next.video.value].push_back(next.user.value);
        ++by_author[author_of(next.video).value];
      }
      for (const auto& [id, users] : by_video) {
        const auto count = static_cast<std::int64_t>(users.size());
        const std::int64_t author = author_of(VideoId(id)).value;
        db.run(video, id, author, likes * count, comments * count);
        if (!likes) continue;
        const std::string payload = fmt::format(R"({{"video":{},"author":{},"users":[{}]}})", id,
                                                author, fmt::join(users, ","));
        db.run(event, std::string_view("interaction.liked"),
               std::string_view(fmt::format("{}", id)), std::string_view(payload), now);
      }
      for (const auto& [id, count] : by_author) db.run(person, id, likes * count, comments * count);
      db.exec("COMMIT");
      ++commits;
    }
    out.rate =
        static_cast<double>(k) / std::chrono::duration<double>(Steady::now() - start).count();
    out.per_commit = static_cast<double>(k) / static_cast<double>(commits);
  }
  check(*must(open_sqlite({.path = path})), work, k);
  return out;
}

Figures median(std::vector<Figures> all) {
  std::ranges::sort(all, {}, &Figures::rate);
  return all[all.size() / 2];
}

int measure(const Options& options) {
  fs::create_directories(options.folder);
  std::printf(
      "%lld callers, %lld users, %lld videos, %g s, %d rounds, taking turns; the bare loop commits "
      "%lld rows at a time\n\n",
      static_cast<long long>(options.callers), static_cast<long long>(kUsers),
      static_cast<long long>(kVideos), options.seconds, options.rounds,
      static_cast<long long>(options.group));
  std::printf("%-12s%14s%9s%9s%13s%15s%10s%15s\n", "", "service /s", "p50 ms", "p99 ms",
              "per COMMIT", "bare loop /s", "ratio", "one by one /s");
  const std::pair<const char*, Work> works[] = {
      {"likes", Work::likes}, {"hot likes", Work::hot_likes}, {"comments", Work::comments}};
  for (const auto& [name, work] : works) {
    std::vector<Figures> ours, bare, single;
    for (int i = 0; i < options.rounds; ++i) {
      ours.push_back(service_run(options, work));
      if (!options.database.empty()) continue;
      bare.push_back(bare_run(options, work, options.group));
      single.push_back(bare_run(options, work, 1));
    }
    const Figures a = median(ours);
    if (!options.database.empty()) {
      std::printf("%-12s%14.0f%9.2f%9.2f\n", name, a.rate, a.p50_ms, a.p99_ms);
      std::fflush(stdout);
      continue;
    }
    const Figures b = median(bare), c = median(single);
    std::printf("%-12s%14.0f%9.2f%9.2f%13.1f%15.0f%9.0f%%%15.0f\n", name, a.rate, a.p50_ms,
                a.p99_ms, a.per_commit, b.rate, a.rate / b.rate * 100, c.rate);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace sv

int main(int argc, char** argv) {
  sv::Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc || !name.starts_with("--")) {
      std::fprintf(stderr,
                   "usage: durable_writes [--folder DIR] [--seconds S] [--rounds N] [--callers C] "
                   "[--group ROWS] [--database postgres://…]\n");
      return 2;
    }
    const char* value = argv[i + 1];
    if (name == "--folder") options.folder = value;
    if (name == "--database") options.database = value;
    if (name == "--seconds") options.seconds = std::atof(value);
    if (name == "--rounds") options.rounds = std::max(1, std::atoi(value));
    if (name == "--callers") options.callers = std::max(1, std::atoi(value));
    if (name == "--group") options.group = std::max(1, std::atoi(value));
  }
  return sv::measure(options);
}
