#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/strand.hpp>

#include "platform/core/bell.h"
#include "platform/core/task_group.h"
#include "services/video/playlists.h"
#include "services/video/state.h"

namespace sv::video {

// Turns uploads into watchable media: takes jobs from video_jobs under a lease and runs them. A job
// may run again after a crash, and beside an attempt that lost its lease and does not know it: each
// writes below a prefix of its own, and only the transaction of the one that still holds the lease
// makes its objects live and the asset's.
//   probe → cover → first → (ready) → sprite, ladder;   image: the author's own cover;   purge:
//   bytes and rows of what was deleted;   playlist: a new master playlist of an older video.
class Pipeline {
 public:
  explicit Pipeline(State& state);

  void start(TaskGroup& group);  // spawns the slots and the lease keeper
  void wake() { bell_.ring(); }  // a job was queued; thread-safe
  Task<int> run_due();
  Task<Result<>> recover();
  Task<Result<>> release();  // after stop: our leases go back to the queue

 private:
  struct Running {
    Job job;
    std::atomic<int> percent{0};  // of this job
  };
  // One attempt of a job of an asset.
  struct Work {
    Job job;
    AssetRow asset;
    std::filesystem::path source;
    std::filesystem::path folder;  // what it makes lies here as it will below its prefix
  };
  struct StoredFile {
    std::string key;
    std::string file;  // below media/<asset>/, or covers/<video>/
    std::int64_t bytes = 0;
  };

  // jobs.cc
  Task<Result<>> slot(Lane lane);
  Task<Result<>> keep_leases();
  Result<> leases_tx(sql::Tx& tx);
  Task<Result<>> measure_queue();
  Task<Result<std::optional<Job>>> claim(Lane lane);
  Result<std::optional<Job>> claim_tx(sql::Tx& tx, Lane lane);
  // Whatever the job throws, wherever, is its failure. An error is one that could not be recorded;
  // else how long the slot should rest.
  Task<Result<std::chrono::milliseconds>> run(Job job);
  Task<Result<>> attempt(Job job);
  std::chrono::milliseconds report(const Job& job, const Result<>& outcome);
  Task<Result<>> perform(Job job, std::filesystem::path folder);
  Task<Result<>> settle(Job job, Error error);
  Result<> settle_tx(sql::Tx& tx, const Job& job, const Error& error);
  Result<> bury(sql::Tx& tx, const Job& job, const Error& error);
  Result<> fail_asset(sql::Tx& tx, const Job& job, const std::string& token, bool retryable);
  Result<> complete(sql::Tx& tx, const Job& job);
  Result<> check_lease(sql::Tx& tx, const Job& job);
  Task<Result<>> discard(Job job);
  // The job that makes an asset watchable, unless it is.
  Result<> queue_first(sql::Tx& tx, std::int64_t asset);

  // purge.cc
  Task<Result<>> purge(Job job);
  Result<> purge_rows(sql::Tx& tx, const Job& job);

  // pipeline.cc
  Task<Result<>> probe(Work work);
  Task<Result<>> cover(Work work);
  Task<Result<>> image(Job job, std::filesystem::path folder);
  Task<Result<>> first(Work work);
  Task<Result<>> sprite(Work work);
  Task<Result<>> ladder(Work work);
  Task<Result<>> playlist(Work work);
  Task<Result<StoredFile>> make_master(const Work& work, std::vector<HlsRung> rungs,
                                       std::map<std::string, std::int64_t> bytes);
  // Ledger rows first, then the bytes.
  Task<Result<std::vector<StoredFile>>> store(Job job, UserId user, std::filesystem::path folder,
                                              std::vector<std::filesystem::path> files);
  // Inside the transaction that ends a job of an asset: the lease, the ledger, then `then`. When
  // the asset was deleted meanwhile its new objects die with it.
  Task<Result<>> commit(Job job, std::vector<StoredFile> files,
                        std::function<Result<>(sql::Tx&)> then);
  // The objects that nothing names any more, for those who play them now a while longer.
  Result<> retire(sql::Tx& tx, std::int64_t asset, std::vector<std::string> files);
  Result<> touch_videos(sql::Tx& tx, std::int64_t asset, std::optional<Status> status);

  std::shared_ptr<Running> track(const Job& job);  // the entry of a running job
  void untrack(const Job& job);

  State& state_;
  const std::int64_t worker_;
  const std::int64_t started_;
  const asio::any_io_executor executor_;  // a strand, for the bell
  Bell bell_;
  SupervisedLoop& outcomes_;  // of the jobs of all slots
  std::atomic<std::int64_t> last_failed_{0};
  struct Waiting {
    metrics::Gauge &jobs, &seconds;
  };
  std::map<JobKind, Waiting> waiting_;
  std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<Running>> running_;
};

}  // namespace sv::video
