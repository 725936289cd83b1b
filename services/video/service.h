#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

#include "idl/services.h"
#include "idl/video.h"
#include "platform/core/metrics.h"
#include "platform/core/offload.h"
#include "platform/core/revision.h"
#include "platform/core/supervisor.h"
#include "platform/media/media_tools.h"
#include "platform/ports/clock.h"
#include "platform/ports/event_bus.h"
#include "platform/ports/id_source.h"
#include "platform/ports/object_store.h"
#include "platform/ports/search_index.h"
#include "platform/ports/sql.h"
#include "services/parts/object_cache.h"

namespace sv::video {

// References must outlive the service.
struct VideoDeps {
  sql::Database& db;  // this service's own tables, migrated
  const Clock& clock;
  IdSource& ids;
  ObjectStore& objects;
  EventBus& events;          // not started yet: the service subscribes
  SearchIndex& search;       // of titles
  const Services& services;  // asked for author briefs
  ContentRevision& revision;
  metrics::Registry& metrics;
  Supervisor& supervisor;              // of the loops in the background
  ThreadPool& files;                   // makes and removes folders
  asio::any_io_executor executor;      // of background work
  media::MediaTools* media = nullptr;  // null: this process runs no jobs
  std::function<std::string(std::string_view prefix)>
      sign;                                 // query text that opens "/media/<video>/<rev>/"
  std::chrono::milliseconds memory_age{0};  // 0: no other process writes db

  Memory memory() const { return {.clock = clock, .age = memory_age, .owner = Service::video}; }
};

struct VideoOptions {
  std::string public_url;         // "https://…" without a slash at the end, or empty
  std::filesystem::path scratch;  // job folders; emptied at start, so no other process may use it
  int workers = 1;                // slots that encode; two more take the quick jobs
  // The only process on this database: what an earlier one left running or half written is taken
  // over at start.
  bool embedded = true;
  std::chrono::milliseconds view_window = std::chrono::hours(24);
  std::chrono::milliseconds retry_base = std::chrono::seconds(2);  // doubles with each attempt
  int attempts = 5;
};

// Videos: uploads, processing, feed, search, views. Api methods may be called from every thread;
// start() and stop() once each, by the owner, not on the executor's thread.
class VideoService : public VideoApi {
 public:
  // Recovery, then the job slots and the view writer. Returns when recovery has ended: before that
  // nobody may upload.
  virtual void start() = 0;
  // Ends background work (a running job goes back to the queue) and writes the buffered views.
  // Blocks.
  virtual void stop() = 0;
  // What the background work does, on demand: for tools and tests. Runs jobs until none is due;
  // returns how many ran.
  virtual Task<int> run_due_jobs() = 0;
  virtual Task<Result<>> flush_views() = 0;
  // Takes over what a dead process left; start() begins with it.
  virtual Task<Result<>> recover() = 0;
};

std::unique_ptr<VideoService> make_video_service(VideoDeps deps, VideoOptions options);

}  // namespace sv::video
