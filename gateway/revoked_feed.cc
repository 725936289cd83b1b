#include "gateway/revoked_feed.h"

#include <algorithm>

#include "platform/core/exception.h"

namespace sv::gateway {
namespace {

using namespace std::chrono_literals;

constexpr auto kPause = 300ms, kAnswer = 1500ms, kForeign = 5000ms;
constexpr std::int64_t kRepeatMs = 10'000;  // a write is committed this much after its time at most

}  // namespace

Task<Result<>> RevokedFeed::pull() {
  Ctx ctx;
  ctx.deadline = std::chrono::steady_clock::now() + kAnswer;
  user::RevokedSessionsReq ask{.after_ms = std::max<std::int64_t>(last_ms_ - kRepeatMs, 0),
                               .after_id = 0};
  for (bool more = true; more;) {
    SV_CO_TRY(const auto page, co_await services_.user->get_revoked_sessions(ctx, ask));
    for (const user::RevokedSession& ended : page.sessions) {
      revoked_.add(std::to_string(ended.id), ended.until_ms);
      ask = {.after_ms = ended.ended_ms, .after_id = ended.id};
    }
    last_ms_ = std::max(last_ms_, ask.after_ms);
    more = page.more;
  }
  co_return Result<>{};
}

Task<> RevokedFeed::follow(SupervisedLoop& loop) {
  for (;;) {
    const std::int64_t asked_ms = clock_.monotonic_ms();
    Result<> done;
    try {
      done = co_await pull();
    } catch (const std::exception& e) { done = std::unexpected(error_of(e)); }
    if (!done && done.error().code == Errc::absent) {
      // Its owner, a Go service, knows of no ended session. One of ours may come in its place.
      revoked_.all_end_here();
      loop.succeeded();
      co_await pause(kForeign);
      continue;
    }
    if (done) {
      revoked_.heard(asked_ms);
      loop.succeeded();
    } else {
      // Not as long as other loops wait: people are refused until somebody can tell.
      (void)loop.failed(done.error());
    }
    co_await pause(kPause);
  }
}

}  // namespace sv::gateway
