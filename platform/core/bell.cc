#include "platform/core/bell.h"

#include <boost/asio/post.hpp>

namespace sv {

void Bell::ring() {
  state_->rings.fetch_add(1);
  asio::post(executor_, [state = state_] {
    for (asio::steady_timer* timer : state->waiting) timer->cancel();
  });
}

Task<> Bell::wait(std::chrono::milliseconds at_most, std::uint64_t seen) {
  const std::shared_ptr<State> state = state_;
  if (state->rings.load() != seen) co_return;
  asio::steady_timer timer(executor_, at_most);
  struct Place {
    State& state;
    asio::steady_timer* timer;
    ~Place() { std::erase(state.waiting, timer); }
  } const place{*state, &timer};
  state->waiting.push_back(&timer);
  co_await timer.async_wait(kNoThrow);
}

}  // namespace sv
