#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "platform/core/ascii.h"
#include "platform/core/encoding.h"
#include "platform/core/error.h"
#include "platform/core/ids.h"
#include "platform/core/json_writer.h"
#include "platform/core/log.h"
#include "platform/core/offload.h"
#include "platform/core/supervisor.h"
#include "platform/core/task_group.h"
#include "platform/core/time.h"
#include "platform/core/utf8.h"

namespace sv {
namespace {

using namespace std::string_view_literals;

TEST(Error, TextIsLookedUpByTokenThenByProblemThenByCode) {
  EXPECT_EQ(
      message_text({.code = Errc::rejected, .token = "username_taken", .field = {}, .detail = {}},
                   Lang::zh),
      "用户名已存在");
  EXPECT_EQ(message_text(invalid("title", "too_long").error(), Lang::en), "title is too long");
  EXPECT_EQ(
      message_text({.code = Errc::not_found, .token = "nothing_known", .field = {}, .detail = {}},
                   Lang::en),
      "not found");
}

TEST(Error, EveryCodeSurvivesTheWayThroughAStatus) {
  for (int i = 0; i <= static_cast<int>(Errc::storage_full); ++i) {
    auto code = static_cast<Errc>(i);
    EXPECT_FALSE(errc_token(code).empty());
    // A service that is absent says so by the status alone: to whoever asks it is unavailable.
    const auto known = code == Errc::absent ? Errc::unavailable : code;
    if (http_status(code) != 400) EXPECT_EQ(errc_from_status(http_status(code)), known);
  }
  EXPECT_EQ(errc_from_status(-1), Errc::rejected);
}

TEST(JsonWriter, EscapesWhatMustBeAndNothingElse) {
  std::string out;
  json::append_string(out, "a\"b\\c\n\x01\0中文 plain text longer than sixteen bytes\""sv);
  EXPECT_EQ(out, "\"a\\\"b\\\\c\\n\\u0001\\u0000中文 plain text longer than sixteen bytes\\\"\"");
}

TEST(JsonWriter, EscapesAtEveryPositionOfABlock) {
  for (std::size_t n = 0; n < 40; ++n)
    for (std::size_t at = 0; at < n; ++at) {
      std::string in(n, 'x'),
          want = "\"" + std::string(at, 'x') + "\\\"" + std::string(n - at - 1, 'x') + "\"", out;
      in[at] = '"';
      json::append_string(out, in);
      ASSERT_EQ(out, want);
    }
}

TEST(JsonWriter, DoublesAreFiniteOrNull) {
  std::string out;
  json::append_double(out, 0.1);
  out += ' ';
  json::append_double(out, std::numeric_limits<double>::infinity());
  EXPECT_EQ(out, "0.1 null");
}

TEST(Time, FormatsAreThoseOfTheContract) {
  constexpr std::int64_t kMs = 784111777123;  // RFC 9110's example, plus 123 ms
  EXPECT_EQ(format_http_date(kMs), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_rfc3339(kMs), "1994-11-06T08:49:37.123Z");
  EXPECT_EQ(format_text_time(kMs), "1994-11-06 08:49:37");
}

TEST(Log, WritesOneJsonObjectALineAndEscapesFields) {
  auto path = std::filesystem::temp_directory_path() / fmt::format("sv_log_{}", ::getpid());
  ASSERT_EQ(log::init({.level = log::Level::info, .json = true, .output = path}), "");
  log::info("test", "hello", {{"text", "a\"b\nc"}, {"n", 7}, {"ok", true}});
  log::debug("test", "below the level");
  log::shutdown();
  std::ifstream in(path);
  std::string line, more;
  std::getline(in, line);
  EXPECT_FALSE(std::getline(in, more));
  std::filesystem::remove(path);
  EXPECT_NE(
      line.find(
          R"("level":"info","component":"test","message":"hello","text":"a\"b\nc","n":7,"ok":true})"),
      std::string::npos)
      << line;
}

Task<> answer_from(ThreadPool& pool, std::thread::id& ran, std::thread::id& resumed,
                   std::optional<int>& value) {
  value = co_await offload(pool, [&ran] {
    ran = std::this_thread::get_id();
    return 42;
  });
  resumed = std::this_thread::get_id();
}

TEST(Offload, RunsOnThePoolAndResumesOnTheCallersThread) {
  ThreadPool pool("test", 1, 10);
  asio::io_context io;
  std::thread::id ran, resumed;
  std::optional<int> value;
  asio::co_spawn(io, answer_from(pool, ran, resumed, value),
                 [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  EXPECT_EQ(value, 42);
  EXPECT_NE(ran, std::this_thread::get_id());
  EXPECT_EQ(resumed, std::this_thread::get_id());
}

TEST(Offload, AFullQueueRefusesAtOnce) {
  std::promise<void> hold;
  std::promise<void> started;
  ThreadPool pool("test", 1, 1);  // goes first: its thread still looks at the promises
  ASSERT_TRUE(pool.submit([&] {
    started.set_value();
    hold.get_future().wait();
  }));
  started.get_future().wait();
  ASSERT_TRUE(pool.submit([] {}));
  asio::io_context io;
  std::thread::id ran, resumed;
  std::optional<int> value = 1;
  asio::co_spawn(io, answer_from(pool, ran, resumed, value),
                 [](std::exception_ptr e) { EXPECT_FALSE(e); });
  io.run();
  EXPECT_FALSE(value);
  hold.set_value();
}

Task<> throw_from(ThreadPool& pool) {
  co_await offload(pool, []() -> int { throw std::runtime_error("boom"); });
}

TEST(Offload, AnExceptionReachesTheAwaiter) {
  ThreadPool pool("test", 1, 10);
  asio::io_context io;
  std::string what;
  asio::co_spawn(io, throw_from(pool), [&](std::exception_ptr e) {
    try {
      std::rethrow_exception(e);
    } catch (const std::exception& x) { what = x.what(); }
  });
  io.run();
  EXPECT_EQ(what, "boom");
}

Task<> wait_for_ever(std::atomic<int>* ended) {
  struct AtEnd {
    std::atomic<int>* ended;
    ~AtEnd() { ++*ended; }
  } at_end{ended};
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
}

TEST(TaskGroup, StopEndsWhatRunsAndJoinWaitsForIt) {
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  std::thread thread([&] { io.run(); });
  std::atomic<int> ended = 0;
  TaskGroup group("test");
  for (int i = 0; i < 50; ++i)
    group.spawn(io.get_executor(), [e = &ended] { return wait_for_ever(e); });
  group.stop();
  group.join();
  EXPECT_EQ(ended, 50);
  group.spawn(io.get_executor(), [e = &ended] { return wait_for_ever(e); });
  EXPECT_EQ(group.running(), 0u) << "nothing starts after stop()";
  work.reset();
  thread.join();
}

TEST(StrongId, IsNotAnotherEntitysId) {
  static_assert(!std::is_convertible_v<UserId, VideoId>);
  static_assert(!std::is_convertible_v<std::int64_t, UserId>);
  EXPECT_EQ(fmt::format("{}", UserId(7)), "7");
  EXPECT_FALSE(UserId());
}

TEST(Utf8, LengthIsInCharactersAndStrict) {
  EXPECT_EQ(utf8_length(""), 0U);
  EXPECT_EQ(utf8_length("é视🎬a"), 4U);
  for (const char* bad : {"\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xe8\xa7", "a\x80"})
    EXPECT_EQ(utf8_length(bad), std::nullopt) << bad;
}

TEST(Ascii, BlanksAndLettersOfProtocols) {
  EXPECT_EQ(trim_blanks(" \ta b\t "), "a b");
  EXPECT_EQ(trim_blanks(" \t"), "");
  EXPECT_TRUE(same_ignoring_case("GZip", "gzIP"));
  EXPECT_FALSE(same_ignoring_case("gzip", "gzi"));
}

// Posted from the loop's own thread, a start lies in a queue of that thread until the handler ends:
// the stop of another thread comes first.
TEST(TaskGroup, WhatWasSpawnedJustBeforeAStopEnds) {
  asio::io_context io(1);
  TaskGroup group("late");
  std::promise<void> spawned, stopped;
  asio::post(io, [&] {
    group.spawn(io.get_executor(), [] { return pause(std::chrono::hours(1)); });
    spawned.set_value();
    stopped.get_future().wait();
  });
  std::thread loop([&] { io.run(); });
  spawned.get_future().wait();
  group.stop();
  stopped.set_value();
  group.join();
  io.stop();
  loop.join();
  EXPECT_EQ(group.running(), 0u);
}

TEST(Encoding, Base64IsPaddedAndStrict) {
  for (const auto& [plain, text] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xfb\xff", "+/8="}}) {
    EXPECT_EQ(base64_encode(plain), text);
    EXPECT_EQ(base64_decode(text), plain);
  }
  for (const char* bad : {"Zg", "Zg=", "Z===", "Zm9v=", "Zg==Zg==", "-_8="})
    EXPECT_FALSE(base64_decode(bad)) << bad;
}

}  // namespace
}  // namespace sv
