#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "platform/core/task_group.h"
#include "services/video/state.h"

namespace sv::video {

// Turns uploads into watchable media: takes jobs from video_jobs under a lease and runs them. A job
// may run again after a crash: its outputs overwrite those of the earlier run, and only the run
// that still holds the lease commits.
//   probe → cover → first → (ready) → sprite, ladder;   image: the author's own cover;   purge:
//   bytes and rows of what was deleted.
class Pipeline {
 public:
  explicit Pipeline(VideoState& state);

  void start(TaskGroup& group);  // spawns the slots and the lease keeper
  void wake();                   // a job was queued; thread-safe
  Task<int> run_due();
  Task<Result<>> recover();
  Task<Result<>> release();  // after stop: our leases go back to the queue

 private:
  struct Running {
    Job job;
    std::int64_t asset = 0;
    std::int64_t from = 0, to = 0;  // what 0 % and 100 % of this job are of the whole
    std::atomic<int> percent{0};
  };
  struct StoredFile {
    std::string key;
    std::string file;  // below media/<asset>/
    std::int64_t bytes = 0;
  };

  // jobs.cc
  Task<> slot(Lane lane, std::shared_ptr<asio::steady_timer> timer);
  Task<> keep_leases();
  Task<Result<std::optional<Job>>> claim(Lane lane);
  Result<std::optional<Job>> claim_tx(sql::Tx& tx, Lane lane);
  Task<> run(Job job);
  Task<Result<>> perform(Job job, std::filesystem::path folder);
  Task<Result<>> settle(Job job, Error error);
  Result<> settle_tx(sql::Tx& tx, const Job& job, const Error& error);
  Result<> complete(sql::Tx& tx, const Job& job);
  Task<Result<>> purge(Job job);
  Result<> purge_rows(sql::Tx& tx, const Job& job);

  // pipeline.cc
  Task<Result<>> probe(Job job, AssetRow asset, std::filesystem::path source);
  Task<Result<>> cover(Job job, AssetRow asset, std::filesystem::path source,
                       std::filesystem::path folder);
  Task<Result<>> image(Job job, std::filesystem::path folder);
  Task<Result<>> first(Job job, AssetRow asset, std::filesystem::path source,
                       std::filesystem::path folder);
  Task<Result<>> sprite(Job job, AssetRow asset, std::filesystem::path source,
                        std::filesystem::path folder);
  Task<Result<>> ladder(Job job, AssetRow asset, std::filesystem::path source,
                        std::filesystem::path folder);
  // Ledger rows first, then the bytes. `files` lie in `root` and keep their place in it.
  Task<Result<std::vector<StoredFile>>> store(AssetRow asset, std::filesystem::path root,
                                              std::vector<std::filesystem::path> files);
  // Inside the transaction that ends a job of an asset: the lease, the ledger, then `then`. When
  // the asset was deleted meanwhile its new objects die with it.
  Task<Result<>> commit(Job job, std::vector<StoredFile> files,
                        std::function<Result<>(sql::Tx&)> then);
  Result<> touch_videos(sql::Tx& tx, std::int64_t asset, std::optional<Status> status);

  std::shared_ptr<Running> track(const Job& job, std::int64_t from, std::int64_t to);
  void untrack(const Job& job);

  VideoState& state_;
  const std::int64_t worker_;
  const std::int64_t started_;
  asio::any_io_executor
      executor_;  // a strand: the slots' timers are touched by one thread at a time
  std::atomic<std::uint64_t> rings_{0};
  std::vector<std::shared_ptr<asio::steady_timer>> timers_;
  std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<Running>> running_;
};

}  // namespace sv::video
