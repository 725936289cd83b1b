#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sv {

namespace asio = boost::asio;

// A coroutine. Await it in the expression that makes it; spawn only through a TaskGroup
// (task_group.h).
template <class T = void>
using Task = asio::awaitable<T>;

// For an await whose error is a value: co_await timer.async_wait(kNoThrow) gives a tuple.
inline constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

}  // namespace sv
