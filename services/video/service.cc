#include "services/video/service.h"

#include "platform/core/log.h"
#include "services/video/rules.h"

namespace sv::video {
namespace {

// Recovery comes first: what it takes over was left by others, never by this process.
Task<> run_background(VideoService& service, TaskGroup& group, Pipeline& pipeline) {
  auto recovered = co_await service.recover();
  if (!recovered) log::error("video", "recovery failed", {{"error", recovered.error().detail}});
  pipeline.start(group);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    timer.expires_after(std::chrono::seconds(1));
    co_await timer.async_wait(asio::use_awaitable);
    auto written = co_await service.flush_views();
    if (!written) log::warn("video", "views wait", {{"error", written.error().detail}});
  }
}

Task<> run_last_writes(VideoService& service, Pipeline& pipeline) {
  auto views = co_await service.flush_views();
  if (!views) log::error("video", "views lost", {{"error", views.error().detail}});
  auto released = co_await pipeline.release();
  if (!released) log::error("video", "leases not released", {{"error", released.error().detail}});
}

}  // namespace

VideoRules::VideoRules(VideoDeps deps, VideoOptions options)
    : state_(std::move(deps), std::move(options)),
      views_(state_),
      salts_(state_),
      privacy_(state_),
      pipeline_(state_),
      people_(state_.deps.services, state_.deps.metrics, privacy_),
      keys_("video_request_keys", state_.deps.clock),
      rankings_("video_rankings", state_.deps.db, state_.deps.clock),
      absent_counts_(absent_parts(state_.deps.metrics, "interaction")),
      inboxes_(state_),
      group_("video") {
  state_.wake = [this] { pipeline_.wake(); };
  state_.deps.events.subscribe(
      "video_search", {"video.changed"},
      [this](const std::vector<Event>& events) { return index_events(events); });
  state_.deps.events.subscribe(
      "video_hot", {"interaction.counted"},
      [this](const std::vector<Event>& events) { return hear_counts(events); });
  state_.deps.events.subscribe(
      "video_accounts", {"user.deleted"},
      [this](const std::vector<Event>& events) { return purge_accounts(events); });
  state_.deps.events.subscribe(
      "video_inbox", {"video.changed"},
      [this](const std::vector<Event>& events) { return inboxes_.push(events); });
}

void VideoRules::start() {
  group_.spawn(state_.deps.executor, [this] { return run_background(*this, group_, pipeline_); });
  group_.spawn(state_.deps.executor, [this] { return fill_index(); });
}

void VideoRules::stop() {
  group_.stop();
  group_.join();
  TaskGroup last("video.stop");
  last.spawn(state_.deps.executor, [this] { return run_last_writes(*this, pipeline_); });
  last.join();
}

Task<int> VideoRules::run_due_jobs() { co_return co_await pipeline_.run_due(); }

Task<Result<>> VideoRules::recover() { co_return co_await pipeline_.recover(); }

std::unique_ptr<VideoService> make_video_service(VideoDeps deps, VideoOptions options) {
  return std::make_unique<VideoRules>(std::move(deps), std::move(options));
}

}  // namespace sv::video
