#pragma once

#include <exception>
#include <optional>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::testing {

// asio::co_spawn wants a default value of T for a coroutine that throws; this keeps T out of it.
template <class T>
Task<> keep(Task<T> task, std::optional<T>& out) {
  out.emplace(co_await std::move(task));
}

// Runs a coroutine to its end on an event loop of its own and returns its value; rethrows what it
// throws.
//   auto rows = run_task(db.query("SELECT 1"));
template <class T>
T run_task(Task<T> task) {
  asio::io_context io;
  std::exception_ptr failure;
  if constexpr (std::is_void_v<T>) {
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr error) { failure = error; });
    io.run();
    if (failure) std::rethrow_exception(failure);
  } else {
    std::optional<T> out;
    asio::co_spawn(io, keep(std::move(task), out),
                   [&](std::exception_ptr error) { failure = error; });
    io.run();
    if (failure) std::rethrow_exception(failure);
    return std::move(*out);
  }
}

// "not_found: no such file", for messages of failing assertions.
inline std::string describe(const Error& e) { return e.token + ": " + e.detail; }
template <class T>
::testing::AssertionResult succeeded(const Result<T>& r) {
  if (r) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << describe(r.error());
}

// "" for success.
std::string token_of(const auto& result) { return result ? std::string() : result.error().token; }

}  // namespace sv::testing

// CO_TEST(Suite, ASentence) { …co_await…; co_return; } — and CO_TEST_F with a fixture. ASSERT_…
// returns, which a coroutine cannot: use CO_ASSERT_….
#define CO_TEST(suite, name)                                            \
  static ::sv::Task<> co_##suite##_##name();                            \
  TEST(suite, name) { ::sv::testing::run_task(co_##suite##_##name()); } \
  static ::sv::Task<> co_##suite##_##name()

#define CO_TEST_F(fixture, name)                                                                 \
  class Co_##fixture##_##name : public fixture {                                                 \
   protected:                                                                                    \
    ::sv::Task<> co_body();                                                                      \
  };                                                                                             \
  GTEST_TEST_(fixture, name, Co_##fixture##_##name, ::testing::internal::GetTypeId<fixture>()) { \
    ::sv::testing::run_task(co_body());                                                          \
  }                                                                                              \
  ::sv::Task<> Co_##fixture##_##name::co_body()

#define CO_ASSERT_TRUE(...)                                   \
  if (!(__VA_ARGS__)) {                                       \
    ADD_FAILURE() << "expected to be true: " << #__VA_ARGS__; \
    co_return;                                                \
  } else static_assert(true)
#define CO_ASSERT_EQ(a, b) \
  if (!((a) == (b))) {     \
    EXPECT_EQ(a, b);       \
    co_return;             \
  } else static_assert(true)
#define ASSERT_OK(...) ASSERT_TRUE(::sv::testing::succeeded(__VA_ARGS__))
#define EXPECT_OK(...) EXPECT_TRUE(::sv::testing::succeeded(__VA_ARGS__))
#define CO_ASSERT_OK(...)                                             \
  if (auto co_ok_ = ::sv::testing::succeeded(__VA_ARGS__); !co_ok_) { \
    ADD_FAILURE() << #__VA_ARGS__ << "\n" << co_ok_.message();        \
    co_return;                                                        \
  } else static_assert(true)
