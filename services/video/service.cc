#include "services/video/service.h"

#include "platform/core/log.h"
#include "services/parts/events.h"
#include "services/video/local_service.h"

namespace sv::video {
namespace {

// What is not taken over now is when its lease ends, or found by fsck.
Task<> take_over(VideoService& service) {
  const auto recovered = co_await service.recover();
  if (!recovered) log::error("video", "recovery failed", {{"error", recovered.error().detail}});
}

Task<Result<>> write_views(VideoService& service) {
  co_await pause(std::chrono::seconds(1));
  co_return co_await service.flush_views();
}

Task<> run_last_writes(VideoService& service, Pipeline& pipeline) {
  auto views = co_await service.flush_views();
  if (!views) log::error("video", "views lost", {{"error", views.error().detail}});
  auto released = co_await pipeline.release();
  if (!released) log::error("video", "leases not released", {{"error", released.error().detail}});
}

}  // namespace

LocalService::LocalService(VideoDeps deps, VideoOptions options)
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
  subscribe("video_search", topics<events::VideoChanged>(),
            [this](const std::vector<Event>& events) { return index_events(events); });
  subscribe("video_hot", topics<events::InteractionCounted>(),
            [this](const std::vector<Event>& events) { return hear_counts(events); });
  subscribe("video_accounts", topics<events::UserDeleted>(),
            [this](const std::vector<Event>& events) { return purge_accounts(events); });
  subscribe("video_inbox", topics<events::VideoChanged>(),
            [this](const std::vector<Event>& events) { return inboxes_.push(events); });
}

void LocalService::subscribe(std::string name, std::vector<std::string> topics,
                             EventBus::Prepare prepare) {
  state_.deps.events.group({.name = std::move(name),
                            .topics = std::move(topics),
                            .db = state_.deps.db,
                            .prepare = std::move(prepare)});
}

void LocalService::start() {
  TaskGroup first("video.start");
  first.spawn(state_.deps.executor, [this] { return take_over(*this); });
  first.join();
  pipeline_.start(group_);
  group_.spawn(state_.deps.executor, [this] {
    return supervise(state_.deps.supervisor.loop("video.views"),
                     [this] { return write_views(*this); });
  });
  group_.spawn(state_.deps.executor, [this] {
    return supervise_once(state_.deps.supervisor.loop("video.index"),
                          [this] { return fill_index(); });
  });
}

void LocalService::stop() {
  group_.stop();
  group_.join();
  TaskGroup last("video.stop");
  last.spawn(state_.deps.executor, [this] { return run_last_writes(*this, pipeline_); });
  last.join();
}

Task<int> LocalService::run_due_jobs() { co_return co_await pipeline_.run_due(); }

Task<Result<>> LocalService::recover() { co_return co_await pipeline_.recover(); }

std::unique_ptr<VideoService> make_video_service(VideoDeps deps, VideoOptions options) {
  return std::make_unique<LocalService>(std::move(deps), std::move(options));
}

}  // namespace sv::video
