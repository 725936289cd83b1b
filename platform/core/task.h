#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sv {

namespace asio = boost::asio;

// A coroutine. Await it in the expression that makes it; spawn only through a TaskGroup
// (task_group.h).
template <class T = void>
using Task = asio::awaitable<T>;

}  // namespace sv
